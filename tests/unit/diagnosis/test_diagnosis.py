"""The diagnosis: a code for every fault, the same wherever it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_desk import ended_process
from queue_desk import QueueDesk

from swarm_shared.diagnosis import Level, diagnose
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.swarm import PAUSED


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[QueueDesk]:
    made = QueueDesk(tmp_path)
    yield made
    made.db.close()


def faults(desk: QueueDesk, *, at_rest: bool = False, min_free_bytes: int = 0) -> dict[str, Level]:
    found = diagnose(desk.db, at_rest=at_rest, min_free_bytes=min_free_bytes)
    return {each.code: each.level for each in found if each.level is not Level.OK}


def test_without_a_reaper_the_swarm_is_broken_unless_it_is_at_rest(desk: QueueDesk) -> None:
    assert faults(desk) == {"reaper_down": Level.BAD, "supervisord_unknown": Level.WARN}
    assert faults(desk, at_rest=True) == {"reaper_down": Level.WARN, "supervisord_unknown": Level.WARN}


def test_a_reaper_that_died_without_a_word_does_not_run(desk: QueueDesk) -> None:
    desk.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    assert faults(desk) == {}
    desk.db.swarm.register_service("reaper", ended_process(), {"supervised": True})
    assert "reaper_down" in faults(desk)


def test_a_silent_reaper_is_named_by_its_process(desk: QueueDesk) -> None:
    desk.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    desk.clock.pass_s(61)
    [silent] = [each for each in diagnose(desk.db) if each.code == "reaper_silent"]
    assert (silent.level, silent.target) == (Level.BAD, str(ProcessId.mine().pid))


def test_a_pause_and_a_full_disk_have_codes_of_their_own(desk: QueueDesk) -> None:
    desk.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    desk.db.swarm.set_flag(PAUSED, actor="ada", reason="lunch")
    assert faults(desk, min_free_bytes=1 << 60) == {PAUSED: Level.WARN, "disk_low": Level.BAD}


def test_every_finding_that_is_not_ok_says_more_than_its_level(desk: QueueDesk) -> None:
    for each in diagnose(desk.db):
        assert each.text
        assert each.part in ("swarm", "queue", "file")
