"""Output beyond its limit: which part is kept, whatever the sizes of the chunks."""

from __future__ import annotations

from pathlib import Path

import pytest
from queue_harness import QueueHarness

from swarm_shared.domain.models import Role, Stage

LIMIT = 1_000  # of which the last 750 are kept


@pytest.mark.parametrize(
    "sizes", [(5_000, 900), (5_000, 740, 300), (300,) * 20, (5_000, 10), (100, 999, 999), (7_000,)]
)
def test_the_end_is_kept_whatever_the_sizes_of_the_chunks(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    harness = QueueHarness(tmp_path)
    harness.add("1")
    session = harness.db.queue.open_session(
        harness.take(), role=Role.BUILDER, name="b", stage=Stage.BUILDING, prompt="p"
    )
    written, position = b"", 0
    for number, size in enumerate(sizes):
        piece = f"{number} ".encode() * size
        written += piece[:size]
        position = harness.db.output.append(session, [(1, piece[:size])], position=position, limit_bytes=LIMIT)
    kept = b"".join(chunk.data for chunk in harness.db.output.read(session, limit=1_000))
    assert kept.endswith(written[-750:])
    harness.db.close()
