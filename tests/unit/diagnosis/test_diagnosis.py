"""The diagnosis: one code for each fault, the same wherever it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_harness import ended_process
from msgspec.structs import replace
from queue_harness import PASSED, QueueHarness

from swarm_shared.diagnosis import Level, diagnose, obstacles
from swarm_shared.diagnosis.actors import requested_by
from swarm_shared.diagnosis.queue import hold_finding
from swarm_shared.diagnosis.why import Why
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.swarm.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP, PAUSED, RUNNER_DOWN, ProviderHold


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


def test_a_reaper_that_died_without_signing_off_is_not_running(harness: QueueHarness) -> None:
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    assert faults(harness) == {}
    harness.db.swarm.register_service("reaper", ended_process(), {"supervised": True})
    assert "reaper_down" in faults(harness)


def test_a_silent_reaper_is_named_with_its_process(harness: QueueHarness) -> None:
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    harness.clock.pass_s(61)
    [silent] = [each for each in diagnose(harness.db) if each.code == "reaper_silent"]
    assert (silent.level, silent.target) == (Level.BAD, str(ProcessId.mine().pid))


def test_a_pause_and_a_full_disk_have_their_own_codes(harness: QueueHarness) -> None:
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    harness.db.swarm.set_flag(PAUSED, actor="ada", reason="lunch")
    assert faults(harness, min_free_bytes=1 << 60) == {PAUSED: Level.WARN, "disk_low": Level.BAD}


@pytest.mark.parametrize("flag", [PAUSED, DRAINED, EMERGENCY_STOP, RUNNER_DOWN])
def test_why_explains_a_stop_with_the_text_and_the_advice_of_the_diagnosis(harness: QueueHarness, flag: str) -> None:
    harness.add("a")
    harness.db.swarm.set_flag(flag, actor="ada", reason="lunch")
    same_as_the_diagnosis(harness, flag)


def test_why_explains_a_hold_and_missing_workers_with_the_text_of_the_diagnosis(harness: QueueHarness) -> None:
    harness.add("a")
    harness.db.workers.want("worker-1", "retire")
    same_as_the_diagnosis(harness, "no_workers", and_more=", and 1 task is open")
    hold = ProviderHold(
        route="command", agent_cli="command", kind="quota", reason="used up", since=0, until_at=None, step=1
    )
    found = hold_finding(hold)
    assert found.text == "command is on hold until you resume (quota used up): used up"
    assert found.what_to_do == "raise its quota or wait for the next period, then resume: amplifier-swarm resume"


def test_why_names_a_silent_reaper_with_the_text_of_the_diagnosis(harness: QueueHarness) -> None:
    harness.add("a")
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    harness.clock.pass_s(25)
    same_as_the_diagnosis(harness, "reaper_silent")


def same_as_the_diagnosis(harness: QueueHarness, code: str, *, and_more: str = "") -> None:
    [finding] = [each for each in diagnose(harness.db) if each.code == code]
    explained = Why(harness.db.connection, harness.clock).explain("a", default_cli="command")
    [reason] = [each for each in explained.reasons if each.kind == code]
    assert (reason.text + and_more, reason.advice) == (finding.text, finding.what_to_do)


# ───── obstacles ─────


@pytest.fixture
def swarm(harness: QueueHarness) -> QueueHarness:
    """A worker and the reaper of the harness are running, and a task is open."""
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    harness.add("a", "b")
    harness.start()
    return harness


def in_the_way(harness: QueueHarness) -> dict[str, tuple[str | None, bool]]:
    return {each.code: (each.action, each.passes) for each in obstacles(harness.db)}


def test_a_working_swarm_has_no_obstacle(swarm: QueueHarness) -> None:
    assert in_the_way(swarm) == {}


@pytest.mark.parametrize(
    ("flag", "action"),
    [(PAUSED, "resume"), (DRAINED, "resume"), (EMERGENCY_STOP, "resume"), (RUNNER_DOWN, "resume"), (DISK_LOW, None)],
)
def test_each_stop_is_an_obstacle_with_the_actions_that_a_page_can_offer(
    swarm: QueueHarness, flag: str, action: str | None
) -> None:
    swarm.db.swarm.set_flag(flag, actor="dashboard", reason="lunch")
    assert in_the_way(swarm) == {flag: (action, False)}
    assert "requested from the dashboard" in obstacles(swarm.db)[0].text


@pytest.mark.parametrize(("until_at", "passes"), [(None, False), (1 << 42, True)])
def test_a_hold_with_an_end_passes_by_itself(until_at: int | None, passes: bool) -> None:
    hold = ProviderHold(route="r", agent_cli="r", kind="credentials", reason="401", since=0, until_at=until_at, step=1)
    found = hold_finding(hold)
    assert (found.is_obstacle, found.passes, found.action) == (True, passes, "resume")
    assert found.advice == ("resume to try it immediately" if passes else "sign in to the agent CLI again, then resume")


def test_missing_workers_are_an_obstacle_unless_the_swarm_is_shutting_down(swarm: QueueHarness) -> None:
    swarm.db.workers.want("worker-1", "retire")
    assert in_the_way(swarm) == {"no_workers": ("scale", False)}
    swarm.db.workers.want("worker-1", "drain")
    assert in_the_way(swarm) == {"no_workers": ("resume", False)}
    swarm.db.swarm.set_flag(DRAINED, actor="cli")
    assert in_the_way(swarm) == {DRAINED: ("resume", False)}


def test_a_missing_reaper_is_an_obstacle_while_workers_run(harness: QueueHarness) -> None:
    assert in_the_way(harness) == {}
    harness.add("a")
    assert in_the_way(harness) == {"no_workers": (None, False)}
    harness.start()
    assert in_the_way(harness) == {"reaper_down": (None, False)}


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        ("ann (command line)", "requested by ann on the command line"),
        ("dashboard", "requested from the dashboard"),
        ("worker-1/start", "by worker-1"),
        ("worker-12", "by worker-12"),
        ("SIGINT to start", "by Ctrl+C"),
        ("SIGUSR1 to start", "by SIGUSR1"),
        ("start", "by `start`"),
    ],
)
def test_who_made_a_request_is_named_in_words(actor: str, words: str) -> None:
    assert requested_by(actor) == words


def test_whatever_stops_landing_is_one_obstacle_with_its_reason(swarm: QueueHarness) -> None:
    swarm.db.landings.adopt(repository="/r/.git", ref="refs/heads/s", person_ref="refs/heads/main", tip="a" * 40)
    swarm.db.landings.stop_queue("the base fails its checks", actor="worker-1")
    assert in_the_way(swarm) == {"landing_stopped": ("resume", False)}
    [found] = obstacles(swarm.db)
    assert found.text.startswith("nothing lands on s; 0 tasks wait to land, and the queue is paused (by worker-1")
    assert found.text.endswith("): the base fails its checks")


def test_work_that_lands_late_is_an_obstacle_to_check(swarm: QueueHarness) -> None:
    swarm.run(replace(PASSED, base_sha="b", head_sha="h"))
    swarm.clock.pass_s(900)
    swarm.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    assert in_the_way(swarm) == {"landing_late": ("landing", False)}


def test_every_finding_that_is_not_ok_says_more_than_its_level(harness: QueueHarness) -> None:
    for each in diagnose(harness.db):
        assert each.text
        assert each.part in ("swarm", "queue", "file")
