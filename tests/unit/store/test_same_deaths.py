"""Three different tasks in a row that die with the same message pause the queue with that message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from queue_harness import PASSED, QueueHarness, failed

from swarm_shared.domain.models import FailureClass, HoldReason, Outcome, Status
from swarm_shared.store.queue.policy import AttemptResult, Budgets
from swarm_shared.store.swarm.swarm import PAUSED

BROKEN = "git worktree add failed in /srv/p: git-lfs: command not found"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[QueueHarness]:
    harness = QueueHarness(tmp_path, budgets=Budgets(max_retries=2, crash_backoff_s=0.0))
    harness.add(*"abcdefgh")
    yield harness
    harness.db.close()


def end(harness: QueueHarness, *results: AttemptResult) -> None:
    """The ends of one attempt each of the next ready tasks, all claimed before the first one ends."""
    claims = [harness.take(f"worker-{number}") for number, _ in enumerate(results)]
    for claim, result in zip(claims, results, strict=True):
        harness.db.queue.settle(claim, result, harness.budgets)


def death(words: str = BROKEN, failure: FailureClass = FailureClass.CRASH) -> AttemptResult:
    return failed(failure, words, blames_machine=True)


def pause(harness: QueueHarness) -> str | None:
    flag = harness.db.swarm.flags().get(PAUSED)
    return None if flag is None else flag.reason


def test_two_tasks_do_not_pause_the_queue(harness: QueueHarness) -> None:
    end(harness, death(), death())
    assert pause(harness) is None
    end(harness, death())  # the first one again
    assert pause(harness) is None


def test_the_pause_names_the_message_and_forgives_the_crashes(harness: QueueHarness) -> None:
    end(harness, death(), death(), death())
    assert pause(harness) == f"3 tasks in a row failed with the same message: {BROKEN}"
    assert harness.claim() is None
    for task in "abc":
        shown = harness.db.tasks.get(task)
        assert (shown["status"], shown["crashes"]) == (Status.NOT_STARTED, 0)


@pytest.mark.parametrize("failure", [FailureClass.CRASH, FailureClass.UNREADABLE])
def test_numbers_ids_and_folders_do_not_make_a_different_message(harness: QueueHarness, failure: FailureClass) -> None:
    end(
        harness,
        *(death(f"died after {n} s in /srv/x{n}/worktrees/t-{n}/file: no such tool", failure) for n in (1, 22, 3)),
    )
    assert pause(harness) is not None


def test_repeated_deaths_of_one_task_are_not_a_series(harness: QueueHarness) -> None:
    for _ in range(2):
        end(harness, death(), death())  # a and b, twice
        harness.clock.pass_s(60)
        harness.db.queue.promote_due()
    assert pause(harness) is None
    assert {harness.db.tasks.get(task)["crashes"] for task in "ab"} == {2}


@pytest.mark.parametrize(
    "between",
    [
        PASSED,
        failed(FailureClass.QUALITY, "check failed: make test"),
        death("another sentence altogether"),
    ],
)
def test_a_success_a_judged_failure_or_another_message_ends_the_series(
    harness: QueueHarness, between: AttemptResult
) -> None:
    end(harness, death(), death(), between, death(), death())
    assert pause(harness) is None


@pytest.mark.parametrize(
    "between",
    [
        failed(FailureClass.INTERRUPTED, "stopped immediately"),
        failed(FailureClass.PROVIDER, "overloaded"),
        failed(FailureClass.CRASH, "amplifier was killed by signal 9 (SIGKILL)"),
        AttemptResult(outcome=Outcome.KILLED),
    ],
)
def test_an_end_that_proves_nothing_about_the_machine_does_not_end_the_series(
    harness: QueueHarness, between: AttemptResult
) -> None:
    end(harness, death(), between, death(), death())
    assert pause(harness) is not None


def test_kills_from_outside_never_pause_the_queue(harness: QueueHarness) -> None:
    end(harness, *(failed(FailureClass.CRASH, "amplifier was killed by signal 9 (SIGKILL)") for _ in range(5)))
    assert pause(harness) is None


def test_failing_checks_never_pause_the_queue(harness: QueueHarness) -> None:
    end(harness, *(failed(FailureClass.QUALITY, "check failed: make test") for _ in range(5)))
    assert pause(harness) is None


def test_resume_begins_a_new_series(harness: QueueHarness) -> None:
    end(harness, death(), death())
    harness.db.swarm.resume(actor="a test")
    end(harness, death())
    assert pause(harness) is None


def test_a_pause_by_a_user_keeps_its_reason(harness: QueueHarness) -> None:
    claims = [harness.take(f"worker-{number}") for number in range(3)]
    harness.db.swarm.set_flag(PAUSED, actor="ada", reason="lunch")
    for claim in claims:
        harness.db.queue.settle(claim, death(), harness.budgets)
    assert pause(harness) == "lunch"


def test_a_task_that_can_never_be_started_is_held_at_once_and_does_not_pause_the_queue(harness: QueueHarness) -> None:
    end(harness, *(failed(FailureClass.SETUP, "too long for the command line", unfit=True) for _ in range(4)))
    for task in "abcd":
        shown = harness.db.tasks.get(task)
        assert (shown["status"], shown["hold_reason"]) == (Status.HELD, HoldReason.CANNOT_START)
        assert (shown["crashes"], shown["failures"]) == (0, 0)
    assert pause(harness) is None


def test_output_after_the_first_line_does_not_make_a_different_message(harness: QueueHarness) -> None:
    end(
        harness,
        death(f"{BROKEN}\nfatal: the remote end hung up unexpectedly"),
        death(f"{BROKEN}\nerror: packet write with format failed\nerror: initialization for subprocess failed"),
        death(BROKEN),
    )
    assert pause(harness) == f"3 tasks in a row failed with the same message: {BROKEN}"
