"""Three different tasks in a row that die of the same words pause the queue with these words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from queue_desk import PASSED, QueueDesk, failed

from swarm_shared.domain.models import FailureClass, HoldReason, Outcome, Status
from swarm_shared.store.queue.policy import AttemptResult, Budgets
from swarm_shared.store.queue.swarm import PAUSED

BROKEN = "git worktree add failed in /srv/p: git-lfs: command not found"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[QueueDesk]:
    desk = QueueDesk(tmp_path, budgets=Budgets(max_retries=2, crash_backoff_s=0.0))
    desk.add(*"abcdefgh")
    yield desk
    desk.db.close()


def end(desk: QueueDesk, *results: AttemptResult) -> None:
    """The ends of one attempt each of the next ready tasks, all claimed before the first one ends."""
    claims = [desk.take(f"worker-{number}") for number, _ in enumerate(results)]
    for claim, result in zip(claims, results, strict=True):
        desk.db.queue.settle(claim, result, desk.budgets)


def death(words: str = BROKEN, failure: FailureClass = FailureClass.CRASH) -> AttemptResult:
    return failed(failure, words, blames_machine=True)


def pause(desk: QueueDesk) -> str | None:
    flag = desk.db.swarm.flags().get(PAUSED)
    return None if flag is None else flag.reason


def test_two_tasks_do_not_pause_the_queue(desk: QueueDesk) -> None:
    end(desk, death(), death())
    assert pause(desk) is None
    end(desk, death())  # the first one again
    assert pause(desk) is None


def test_the_pause_names_the_words_and_forgives_the_crashes(desk: QueueDesk) -> None:
    end(desk, death(), death(), death())
    assert pause(desk) == f"3 tasks in a row failed with the same message: {BROKEN}"
    assert desk.claim() is None
    for task in "abc":
        shown = desk.db.tasks.get(task)
        assert (shown["status"], shown["crashes"]) == (Status.NOT_STARTED, 0)


@pytest.mark.parametrize("failure", [FailureClass.CRASH, FailureClass.UNREADABLE])
def test_numbers_ids_and_folders_make_no_other_words(desk: QueueDesk, failure: FailureClass) -> None:
    end(
        desk, *(death(f"died after {n} s in /srv/x{n}/worktrees/t-{n}/file: no such tool", failure) for n in (1, 22, 3))
    )
    assert pause(desk) is not None


def test_the_same_task_again_and_again_is_no_row(desk: QueueDesk) -> None:
    for _ in range(2):
        end(desk, death(), death())  # a and b, twice
        desk.clock.pass_s(60)
        desk.db.queue.promote_due()
    assert pause(desk) is None
    assert {desk.db.tasks.get(task)["crashes"] for task in "ab"} == {2}


@pytest.mark.parametrize(
    "between",
    [
        PASSED,
        failed(FailureClass.QUALITY, "check failed: make test"),
        death("another sentence altogether"),
    ],
)
def test_a_success_a_judged_failure_or_other_words_break_the_row(desk: QueueDesk, between: AttemptResult) -> None:
    end(desk, death(), death(), between, death(), death())
    assert pause(desk) is None


@pytest.mark.parametrize(
    "between",
    [
        failed(FailureClass.INTERRUPTED, "stopped immediately"),
        failed(FailureClass.PROVIDER, "overloaded"),
        failed(FailureClass.CRASH, "amplifier was killed by signal 9 (SIGKILL)"),
        AttemptResult(outcome=Outcome.KILLED),
    ],
)
def test_an_end_that_proves_nothing_about_the_machine_does_not_break_it(
    desk: QueueDesk, between: AttemptResult
) -> None:
    end(desk, death(), between, death(), death())
    assert pause(desk) is not None


def test_kills_from_outside_never_pause(desk: QueueDesk) -> None:
    end(desk, *(failed(FailureClass.CRASH, "amplifier was killed by signal 9 (SIGKILL)") for _ in range(5)))
    assert pause(desk) is None


def test_failing_checks_never_pause(desk: QueueDesk) -> None:
    end(desk, *(failed(FailureClass.QUALITY, "check failed: make test") for _ in range(5)))
    assert pause(desk) is None


def test_resume_begins_a_new_row(desk: QueueDesk) -> None:
    end(desk, death(), death())
    desk.db.swarm.resume(actor="a test")
    end(desk, death())
    assert pause(desk) is None


def test_a_pause_by_a_user_keeps_its_reason(desk: QueueDesk) -> None:
    claims = [desk.take(f"worker-{number}") for number in range(3)]
    desk.db.swarm.set_flag(PAUSED, actor="ada", reason="lunch")
    for claim in claims:
        desk.db.queue.settle(claim, death(), desk.budgets)
    assert pause(desk) == "lunch"


def test_a_task_that_can_never_be_started_is_held_at_once_and_pauses_nothing(desk: QueueDesk) -> None:
    end(desk, *(failed(FailureClass.SETUP, "too long for the command line", unfit=True) for _ in range(4)))
    for task in "abcd":
        shown = desk.db.tasks.get(task)
        assert (shown["status"], shown["hold_reason"]) == (Status.HELD, HoldReason.CANNOT_START)
        assert (shown["crashes"], shown["failures"]) == (0, 0)
    assert pause(desk) is None


def test_what_programs_print_after_the_first_line_makes_no_other_message(desk: QueueDesk) -> None:
    end(
        desk,
        death(f"{BROKEN}\nfatal: the remote end hung up unexpectedly"),
        death(f"{BROKEN}\nerror: packet write with format failed\nerror: initialization for subprocess failed"),
        death(BROKEN),
    )
    assert pause(desk) == f"3 tasks in a row failed with the same message: {BROKEN}"
