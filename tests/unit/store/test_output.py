"""Output past its limit: what is kept, however the pieces fall."""

from __future__ import annotations

from pathlib import Path

import pytest
from queue_desk import QueueDesk

from swarm_shared.domain.models import Role, Stage

LIMIT = 1_000  # of which the last 750 are kept


@pytest.mark.parametrize(
    "sizes", [(5_000, 900), (5_000, 740, 300), (300,) * 20, (5_000, 10), (100, 999, 999), (7_000,)]
)
def test_the_end_is_kept_whatever_the_sizes_of_the_pieces(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    desk = QueueDesk(tmp_path)
    desk.add("1")
    session = desk.db.queue.open_session(desk.take(), role=Role.BUILDER, name="b", stage=Stage.BUILDING, prompt="p")
    written, position = b"", 0
    for number, size in enumerate(sizes):
        piece = f"{number} ".encode() * size
        written += piece[:size]
        position = desk.db.output.append(session, [(1, piece[:size])], position=position, limit_bytes=LIMIT)
    kept = b"".join(chunk.data for chunk in desk.db.output.read(session, limit=1_000))
    assert kept.endswith(written[-750:])
    desk.db.close()
