"""The diagnosis: a code for every fault, the same wherever it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_harness import ended_process
from queue_harness import QueueHarness

from swarm_shared.diagnosis import Level, diagnose
from swarm_shared.diagnosis.queue import hold_finding
from swarm_shared.diagnosis.why import Why
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.swarm import DRAINED, EMERGENCY_STOP, PAUSED, RUNNER_DOWN, ProviderHold


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[QueueHarness]:
    made = QueueHarness(tmp_path)
    yield made
    made.db.close()


def faults(harness: QueueHarness, *, at_rest: bool = False, min_free_bytes: int = 0) -> dict[str, Level]:
    found = diagnose(harness.db, at_rest=at_rest, min_free_bytes=min_free_bytes)
    return {each.code: each.level for each in found if each.level is not Level.OK}


def test_without_a_reaper_the_swarm_is_broken_unless_it_is_at_rest(harness: QueueHarness) -> None:
    assert faults(harness) == {"reaper_down": Level.BAD, "supervisord_unknown": Level.WARN}
    assert faults(harness, at_rest=True) == {"reaper_down": Level.WARN, "supervisord_unknown": Level.WARN}


def test_a_reaper_that_died_without_a_word_does_not_run(harness: QueueHarness) -> None:
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    assert faults(harness) == {}
    harness.db.swarm.register_service("reaper", ended_process(), {"supervised": True})
    assert "reaper_down" in faults(harness)


def test_a_silent_reaper_is_named_by_its_process(harness: QueueHarness) -> None:
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    harness.clock.pass_s(61)
    [silent] = [each for each in diagnose(harness.db) if each.code == "reaper_silent"]
    assert (silent.level, silent.target) == (Level.BAD, str(ProcessId.mine().pid))


def test_a_pause_and_a_full_disk_have_codes_of_their_own(harness: QueueHarness) -> None:
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    harness.db.swarm.set_flag(PAUSED, actor="ada", reason="lunch")
    assert faults(harness, min_free_bytes=1 << 60) == {PAUSED: Level.WARN, "disk_low": Level.BAD}


@pytest.mark.parametrize("flag", [PAUSED, DRAINED, EMERGENCY_STOP, RUNNER_DOWN])
def test_why_explains_a_stop_with_the_words_and_the_advice_of_the_diagnosis(harness: QueueHarness, flag: str) -> None:
    harness.add("a")
    harness.db.swarm.set_flag(flag, actor="ada", reason="lunch")
    same_as_the_diagnosis(harness, flag)


def test_why_explains_a_hold_and_missing_workers_with_the_words_of_the_diagnosis(harness: QueueHarness) -> None:
    harness.add("a")
    harness.db.workers.want("worker-1", "retire")
    same_as_the_diagnosis(harness, "no_workers", and_more=", and 1 task is open")
    hold = ProviderHold(
        route="command", agent_cli="command", kind="quota", reason="used up", since=0, until_at=None, step=1
    )
    found = hold_finding(hold)
    assert found.text == "command is on hold until you resume (quota): used up"
    assert found.what_to_do == "once the cause is fixed: amplifier-swarm resume"


def test_why_names_a_silent_reaper_with_the_words_of_the_diagnosis(harness: QueueHarness) -> None:
    harness.add("a")
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    harness.clock.pass_s(25)
    same_as_the_diagnosis(harness, "reaper_silent")


def same_as_the_diagnosis(harness: QueueHarness, code: str, *, and_more: str = "") -> None:
    [finding] = [each for each in diagnose(harness.db) if each.code == code]
    explained = Why(harness.db.connection, harness.clock).explain("a", default_cli="command")
    [reason] = [each for each in explained.reasons if each.kind == code]
    assert (reason.text + and_more, reason.advice) == (finding.text, finding.what_to_do)


def test_every_finding_that_is_not_ok_says_more_than_its_level(harness: QueueHarness) -> None:
    for each in diagnose(harness.db):
        assert each.text
        assert each.part in ("swarm", "queue", "file")
