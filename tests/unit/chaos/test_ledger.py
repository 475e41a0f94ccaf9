"""The judge of the chaos runs is judged itself: made-up histories, each with one fault, or none."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from live_swarm import wait_until

from chaos import agent, ledger
from chaos.ledger import Line
from chaos.tasks import AGENT, PYTHON, Expected
from chaos.verdict import Attempt, StoredTask, lost, stale
from swarm_shared.domain.models import Status
from swarm_shared.processes.identity import ProcessId

DONE = Expected(status=Status.COMPLETED)
JUDGED = Expected(status=Status.COMPLETED, validated=True)
DOOMED = Expected(status=Status.FAILED, tries=2)
WAITS = Expected(status=Status.BLOCKED)


def start(
    at: int, attempt: str = "1", *, task: str = "t", pid: int = 0, role: str = "builder", saw: str = "alone"
) -> Line:
    return line(at, "start", attempt, task=task, pid=pid, role=role, saw=saw)


def end(at: int, attempt: str = "1", *, task: str = "t", pid: int = 0, role: str = "builder", saw: str = "0") -> Line:
    return line(at, "end", attempt, task=task, pid=pid, role=role, saw=saw)


def line(at: int, event: str, attempt: str, *, task: str, pid: int, role: str, saw: str) -> Line:
    """A line; by default, each attempt is its own process."""
    number = int(attempt)
    return Line(
        at_ns=at,
        event=event,
        task=task,
        attempt=attempt,
        number=number,
        role=role,
        pid=pid or number,
        start_time=1,
        saw=saw,
    )


def attempt(number: int, outcome: str = "passed", failure: str | None = None, *, fenced: bool = False) -> Attempt:
    return Attempt(id=str(number), number=number, outcome=outcome, failure_class=failure, fenced=fenced)


def stored(status: Status, *attempts: Attempt) -> dict[str, StoredTask]:
    return {"t": StoredTask(status=status, attempts=attempts)}


# ───── overlaps ─────


def test_sessions_one_after_the_other_do_not_overlap() -> None:
    assert ledger.overlaps([start(1), end(2), start(3, "2"), end(4, "2")]) == []


def test_different_tasks_may_run_at_the_same_time() -> None:
    assert ledger.overlaps([start(1), start(2, "2", task="u"), end(3), end(4, "2", task="u")]) == []


def test_a_session_that_began_before_the_end_of_another_is_found_whatever_its_lock_reported() -> None:
    (found,) = ledger.overlaps([start(1), start(2, "2"), end(3), end(4, "2")])
    assert "attempt 2" in found
    assert "attempt 1" in found


def test_a_session_without_the_lock_is_found_although_the_other_one_wrote_no_end() -> None:
    (found,) = ledger.overlaps([start(1), start(2, "2", saw="beside-another"), end(3, "2")])
    assert "attempt 2" in found


def test_a_killed_session_before_one_with_the_lock_is_not_an_overlap() -> None:
    assert ledger.overlaps([start(1), start(2, "2"), end(3, "2")]) == []


def test_sessions_of_the_same_attempt_must_not_overlap_either() -> None:
    lines = [start(1), start(2, pid=77, role="validator"), end(3), end(4, pid=77, role="validator")]
    assert len(ledger.overlaps(lines)) == 1


def test_a_reused_pid_is_a_different_session() -> None:
    first = [start(1), start(3, "2", pid=1)]
    second = [line(2, "end", "1", task="t", pid=1, role="builder", saw="0")]
    assert ledger.overlaps([*first, *second]) == []


# ───── lost ─────


def test_a_task_done_once_is_not_lost() -> None:
    assert lost({"t": DONE}, stored(Status.COMPLETED, attempt(1)), [start(1), end(2)]) == []


def test_a_crash_before_the_attempt_that_passed_is_not_a_loss() -> None:
    history = [start(1), start(3, "2"), end(4, "2")]
    assert lost({"t": DONE}, stored(Status.COMPLETED, attempt(1, "failed", "crash"), attempt(2)), history) == []


@pytest.mark.parametrize("status", [Status.NOT_STARTED, Status.IN_PROGRESS, Status.HELD, Status.FAILED])
def test_a_task_with_another_final_status_is_lost(status: Status) -> None:
    assert lost({"t": DONE}, stored(status), [start(1), end(2)]) == [f"t is {status} and must be completed"]


def test_a_missing_task_is_lost() -> None:
    assert lost({"t": DONE}, {}, []) == ["t is not in the database"]


def test_a_completed_task_that_no_agent_worked_on_is_found() -> None:
    assert len(lost({"t": DONE}, stored(Status.COMPLETED, attempt(1)), [])) == 1


def test_a_completed_task_whose_agent_was_cut_off_is_found() -> None:
    assert len(lost({"t": DONE}, stored(Status.COMPLETED, attempt(1)), [start(1)])) == 1


def test_a_completed_task_whose_agent_failed_is_found() -> None:
    assert len(lost({"t": DONE}, stored(Status.COMPLETED, attempt(1)), [start(1), end(2, saw="1")])) == 1


def test_a_completed_task_whose_validator_never_ran_is_found() -> None:
    assert len(lost({"t": JUDGED}, stored(Status.COMPLETED, attempt(1)), [start(1), end(2)])) == 1


def test_a_task_that_passed_twice_is_found() -> None:
    history = [start(1), end(2), start(3, "2"), end(4, "2")]
    assert lost({"t": DONE}, stored(Status.COMPLETED, attempt(1), attempt(2)), history) == [
        "t is completed by 2 attempts"
    ]


def test_a_task_that_ran_again_after_it_was_completed_is_found() -> None:
    history = [start(1), end(2), start(3, "2")]
    assert lost({"t": DONE}, stored(Status.COMPLETED, attempt(1)), history) == [
        "t ran again after attempt 1 had completed it"
    ]


def test_a_failed_task_must_have_had_exactly_its_allowed_tries() -> None:
    tries = [attempt(number, "failed", "quality") for number in (1, 2, 3)]
    history = [
        row for number in "123" for row in (start(2 * int(number), number), end(2 * int(number) + 1, number, saw="1"))
    ]
    assert lost({"t": DOOMED}, stored(Status.FAILED, *tries[:2]), history) == []
    assert len(lost({"t": DOOMED}, stored(Status.FAILED, *tries[:1]), history)) == 1
    assert len(lost({"t": DOOMED}, stored(Status.FAILED, *tries), history)) == 1


def test_a_counted_try_whose_agent_never_failed_is_found() -> None:
    tries = [attempt(number, "failed", "quality") for number in (1, 2)]
    history = [start(1), end(2, saw="1"), start(3, "2")]
    assert lost({"t": DOOMED}, stored(Status.FAILED, *tries), history) == ["t: no agent failed in attempt 2"]


def test_a_task_that_ran_although_its_dependency_failed_is_found() -> None:
    assert lost({"t": WAITS}, stored(Status.BLOCKED), []) == []
    assert len(lost({"t": WAITS}, stored(Status.BLOCKED), [start(1)])) == 1


def test_a_task_that_was_never_imported_is_found() -> None:
    assert len(lost({}, stored(Status.NOT_STARTED), [])) == 1
    assert len(lost({}, {}, [start(1)])) == 1


# ───── stale ─────


def test_an_attempt_that_passed_although_it_was_reclaimed_is_stale() -> None:
    assert stale(stored(Status.COMPLETED, attempt(1, "failed", "crash", fenced=True), attempt(2))) == []
    assert len(stale(stored(Status.COMPLETED, attempt(1, fenced=True)))) == 1


# ───── the agent itself ─────


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (agent.LOCKS, agent.RUNS):
        (tmp_path / name).mkdir()
    return tmp_path


def play(folder: Path, number: int, *, sleep_ms: int = 0, manner: str = "plain") -> subprocess.Popen[bytes]:
    names = {"TASK_ID": "t", "ATTEMPT": str(number), "ATTEMPT_NUMBER": str(number), "ROLE": "builder"}
    environ = {**os.environ, **{f"AMPLIFIER_SWARM_{name}": value for name, value in names.items()}}
    return subprocess.Popen([PYTHON, "-I", "-S", AGENT, folder, str(sleep_ms), manner], env=environ)


def test_overlapping_real_agents_are_found_by_their_own_ledger(folder: Path) -> None:
    path = folder / agent.LEDGER
    first = play(folder, 1, sleep_ms=60_000)
    try:
        wait_until(lambda: path.exists() and ledger.read(path))
        assert play(folder, 2).wait(30) == 0
        assert ledger.overlaps(ledger.read(path))
    finally:
        first.kill()
        first.wait()


def test_processes_that_an_agent_leaves_behind_hold_its_lock(folder: Path) -> None:
    """The kernel's proof covers the whole tree: only the agent itself has ended, so the next one is not alone."""
    assert play(folder, 1, manner="leaves").wait(30) == 0
    try:
        assert play(folder, 2).wait(30) == 0
        lines = ledger.read(folder / agent.LEDGER)
        assert ledger.survivors(lines) != []
        (found,) = ledger.overlaps(lines)
        assert found == f"t: builder of attempt 2 (pid {lines[-1].pid}) met a process of an earlier session"
    finally:
        for row in ledger.read(folder / agent.LEDGER):
            if row.event == "left":
                ProcessId.here(row.pid, row.start_time).kill(9)
