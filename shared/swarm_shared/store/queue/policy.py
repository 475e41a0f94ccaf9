"""The next status of a task after an attempt: pure rules, no database and no clock."""

from __future__ import annotations

import random
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.domain.budget import Budget
from swarm_shared.domain.models import FailureCause, FailureClass, HoldReason, Outcome, Status
from swarm_shared.domain.routes import Route
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.redaction.redaction import Redaction
from swarm_shared.settings.settings import Settings

MAX_CRASH_BACKOFF_S = 30 * 60.0
CRASH_SPREAD = 1.5
LANDING_TRIES = 2  # refused so often with something left unresolved, a task waits for the user
LANDING_REFUSALS = 10  # refused so often for whatever reason: no task loses that many races without its own cause


class Budgets(Struct, frozen=True, kw_only=True):
    """How much of each kind of failure a task may use up."""

    max_retries: int  # after the first attempt; the task's own number wins
    retry_delay_s: float = 0.0  # pause before a quality retry
    crash_budget: int = 3  # held on this crash
    crash_backoff_s: float = 15.0  # base of the pause from the second crash on
    stop_on_same_problem: bool = False  # hold the task before the same thing fails again
    spending: Budget = Budget()

    @classmethod
    def of(cls, settings: Settings) -> Budgets:
        """Those of the whole swarm."""
        return cls(
            max_retries=settings.max_retries,
            retry_delay_s=settings.retry_delay_s,
            crash_budget=settings.crash_budget,
            crash_backoff_s=settings.crash_backoff_s,
            stop_on_same_problem=settings.stop_on_same_problem,
            spending=settings.budget,
        )


class AttemptResult(Struct, frozen=True, kw_only=True):
    """How an attempt ended and everything worth keeping of it. JSON-able parts are plain dictionaries and lists."""

    outcome: Outcome
    failure_class: FailureClass | None = None
    error: str | None = None
    exit_code: int | None = None
    builder_session_id: str | None = None
    validator_session_id: str | None = None
    builder_result: dict[str, Any] | None = None
    check_results: list[dict[str, Any]] | None = None
    validator_result: dict[str, Any] | None = None
    must_fix: tuple[str, ...] = ()
    base_sha: str | None = None
    head_sha: str | None = None
    diff_id: str | None = None  # the same for the same change between the two; None: nothing changed, or not known
    tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: float | None = None
    trouble: Trouble | None = None
    trouble_on: Route | None = None  # whose it is; None: the builder's
    hold: HoldReason | None = None  # its failure is for the user to judge, whatever retries are left
    question: str | None = None  # of the builder to the user, with the hold of that name
    out_of_time: bool = False  # past its limit, or without any sign of progress
    unfit: bool = False  # with SETUP: this task can never be started as it is, so it is held at once
    blames_machine: bool = False  # the error is what a program said that would say the same to any task
    raced: bool = False  # a refused landing whose work was merged with all that its attempt was given
    landed_between: tuple[tuple[str, str], ...] = ()  # (task id or empty, commit) that a refused landing collided with

    @property
    def changed_nothing(self) -> bool:
        """Whether it was judged by its worktree and failed, while that holds no change at all."""
        return self.failure_class is FailureClass.QUALITY and self.head_sha is not None and self.diff_id is None

    def redacted(self, redaction: Redaction) -> AttemptResult:
        """The same without secrets: messages of git and names of commands have some, too."""
        trouble = self.trouble
        return replace(
            self,
            error=redaction.text_or_none(self.error),
            builder_result=redaction.value(self.builder_result),
            check_results=redaction.value(self.check_results),
            validator_result=redaction.value(self.validator_result),
            must_fix=tuple(redaction.text(text) for text in self.must_fix),
            question=redaction.text_or_none(self.question),
            trouble=None if trouble is None else replace(trouble, text=redaction.text(trouble.text)),
        )


class Move(Struct, frozen=True, kw_only=True):
    """The next status of the task, and the log message."""

    status: Status  # NOT_STARTED means ready, or blocked where dependencies say so
    failures: int
    crashes: int
    event: str
    due_in_s: float | None = None
    hold_reason: HoldReason | None = None
    text: str | None = None  # why, where the result does not say it


def next_move(
    result: AttemptResult,
    *,
    failures: int,
    crashes: int,
    budgets: Budgets,
    rng: random.Random,
    same: FailureCause | None = None,
    has_landed: bool = False,
) -> Move:
    """Decide the next status of a task after `result`.

    Args:
        failures: Quality failures before this attempt, since the last fresh budget.
        crashes: Crashes in a row before this attempt.
        rng: Source of the jitter.
        same: What failed, where an earlier attempt failed with the same problem or the same change.
        has_landed: Whether work of the task has landed already; then an attempt without any change takes nothing back.
    """
    if has_landed and result.changed_nothing:
        return Move(status=Status.COMPLETED, failures=failures, crashes=0, event="completed")
    if result.outcome is Outcome.PASSED:
        if result.head_sha is not None:  # it has made a commit: completed once that has landed
            return Move(status=Status.APPROVED, failures=failures, crashes=0, event="approved")
        return Move(status=Status.COMPLETED, failures=failures, crashes=0, event="completed")
    if result.outcome is not Outcome.FAILED:
        return _after_user_action(result.outcome, failures, crashes)
    if result.hold is not None:
        return Move(status=Status.HELD, failures=failures, crashes=0, event="held", hold_reason=result.hold)
    match result.failure_class:
        case FailureClass.QUALITY:
            return _after_quality(failures + 1, budgets, same)
        case FailureClass.CRASH:
            return _after_crash(failures, crashes + 1, budgets, rng)
        case FailureClass.SETUP if result.unfit:
            return Move(
                status=Status.HELD,
                failures=failures,
                crashes=crashes,
                event="held",
                hold_reason=HoldReason.CANNOT_START,
            )
        case FailureClass.UNREADABLE:
            return Move(
                status=Status.HELD,
                failures=failures,
                crashes=0,
                event="held",
                hold_reason=HoldReason.UNREADABLE,
            )
        case _:  # provider, setup, interrupted: not the task's fault, costs nothing
            return Move(status=Status.NOT_STARTED, failures=failures, crashes=crashes, event="requeued")


def next_landing_move(
    result: AttemptResult, *, failures: int, crashes: int, refused: int, unresolved: int, budgets: Budgets
) -> Move:
    """Decide the next status of a task after an attempt at landing it.

    Args:
        refused: Landings that were refused before this one, for a conflict or a failing check.
        unresolved: Of these, the ones that left something unresolved; the others only lost a race.
    """
    if result.outcome is Outcome.PASSED:
        return Move(status=Status.COMPLETED, failures=failures, crashes=0, event="completed")
    if result.outcome is not Outcome.FAILED:
        return _after_user_action(result.outcome, failures, crashes)
    if result.failure_class is FailureClass.QUALITY:
        if unresolved + (not result.raced) >= LANDING_TRIES or refused + 1 >= LANDING_REFUSALS:
            return Move(
                status=Status.HELD, failures=failures, crashes=0, event="held", hold_reason=HoldReason.NOT_LANDED
            )
        return Move(status=Status.NOT_STARTED, failures=failures, crashes=0, event="retry_scheduled")
    died = result.failure_class is FailureClass.CRASH
    if died and crashes + 1 >= budgets.crash_budget:
        return Move(
            status=Status.HELD, failures=failures, crashes=crashes + 1, event="held", hold_reason=HoldReason.CRASHED
        )
    # Its work has passed: whatever kept it from landing, it is never built again for that.
    return Move(status=Status.APPROVED, failures=failures, crashes=crashes + died, event="requeued")


def _after_user_action(outcome: Outcome, failures: int, crashes: int) -> Move:
    if outcome is Outcome.CANCELLED:
        return Move(status=Status.CANCELLED, failures=failures, crashes=crashes, event="cancelled")
    return Move(status=Status.HELD, failures=failures, crashes=crashes, event="killed", hold_reason=HoldReason.KILLED)


def _after_quality(failures: int, budgets: Budgets, same: FailureCause | None) -> Move:
    if failures > budgets.max_retries:
        return Move(status=Status.FAILED, failures=failures, crashes=0, event="failed")
    if same is not None and budgets.stop_on_same_problem:
        reason = HoldReason.OBJECTION if same is FailureCause.VALIDATOR else HoldReason.SAME_PROBLEM
        return Move(status=Status.HELD, failures=failures, crashes=0, event="held", hold_reason=reason)
    if budgets.retry_delay_s > 0:
        return Move(
            status=Status.SCHEDULED,
            failures=failures,
            crashes=0,
            event="retry_scheduled",
            due_in_s=budgets.retry_delay_s,
        )
    return Move(status=Status.NOT_STARTED, failures=failures, crashes=0, event="retry_scheduled")


def _after_crash(failures: int, crashes: int, budgets: Budgets, rng: random.Random) -> Move:
    if crashes >= budgets.crash_budget:
        return Move(
            status=Status.HELD,
            failures=failures,
            crashes=crashes,
            event="held",
            hold_reason=HoldReason.CRASHED,
        )
    if crashes == 1:
        return Move(status=Status.NOT_STARTED, failures=failures, crashes=crashes, event="requeued")
    # Spread upwards only: a machine-wide cause must not bring all of its victims back at the same moment, and the
    # setting is the least that is waited.
    least = min(MAX_CRASH_BACKOFF_S, budgets.crash_backoff_s * 2 ** (crashes - 2))
    return Move(
        status=Status.SCHEDULED,
        failures=failures,
        crashes=crashes,
        event="requeued",
        due_in_s=rng.uniform(least, CRASH_SPREAD * least),
    )


# Waiting for a provider: doubling from the first to the last, unless it said itself how long.
FIRST_HOLD_S = 30.0
LAST_HOLD_S = 600.0
LONGEST_HOLD_S = 7 * 24 * 3600.0
_NEEDS_A_PERSON = frozenset({TroubleKind.QUOTA, TroubleKind.CREDENTIALS})


class Hold(Struct, frozen=True, kw_only=True):
    """A hold of one agent CLI; `wait_s` None lasts until you resume."""

    kind: TroubleKind
    step: int
    wait_s: float | None


def next_hold(trouble: Trouble, *, step: int, rng: random.Random) -> Hold:
    """How long this agent CLI may not be started.

    Args:
        step: Holds of it in a row so far; 0 for the first.
    """
    if trouble.kind is TroubleKind.STARTUP:
        # One serial repeat: a hold that is over at once lets a single attempt probe.
        return Hold(kind=trouble.kind, step=step + 1, wait_s=0.0 if step == 0 else None)
    if trouble.kind in _NEEDS_A_PERSON:
        return Hold(kind=trouble.kind, step=step + 1, wait_s=None)
    if trouble.wait_s is not None:
        return Hold(kind=trouble.kind, step=step + 1, wait_s=min(max(trouble.wait_s, 1.0), LONGEST_HOLD_S))
    wait = min(LAST_HOLD_S, FIRST_HOLD_S * 2**step)
    return Hold(kind=trouble.kind, step=step + 1, wait_s=wait * rng.uniform(0.8, 1.2))
