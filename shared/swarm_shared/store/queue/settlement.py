"""The changes at the end of an attempt: the attempt, its task, the dependents, the provider's hold, atomically."""

from __future__ import annotations

import random

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import LeaseLost
from swarm_shared.domain.models import FailureCause, FailureClass, Status
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.data_access import DataAccess, to_json
from swarm_shared.store.queue.failures.fingerprints import Problem, problem_of
from swarm_shared.store.queue.failures.same_deaths import SameDeaths
from swarm_shared.store.queue.limits.route_trouble import RouteTrouble
from swarm_shared.store.queue.limits.spending import Spending
from swarm_shared.store.queue.overlaps import Overlaps
from swarm_shared.store.queue.policy import AttemptResult, Budgets, Move, next_landing_move, next_move
from swarm_shared.store.sql import SQL

LANDING = "landing"  # the kind of an attempt that lands what another one has built
_STOPPED = (Status.FAILED, Status.HELD)


class Alike(Struct, frozen=True, kw_only=True):
    """An earlier attempt that failed alike; `what` is problem, diff or both."""

    number: int
    what: str


class Settlement(DataAccess):
    """Moves a task whose attempt's tree is proven gone; inside the caller's transaction."""

    def __init__(self, connection: Connection, clock: Clock, rng: random.Random) -> None:
        super().__init__(connection, clock)
        self._rng = rng
        self._overlaps = Overlaps(connection, clock)
        self._routes = RouteTrouble(connection, clock, rng)
        self._spending = Spending(connection, clock)

    def settle(
        self,
        task: int,
        attempt: str,
        result: AttemptResult,
        budgets: Budgets,
        *,
        worker_id: str | None,
        token: int | None = None,
        keep_results: bool = False,
    ) -> Move:
        """Close the attempt, move the task, unblock or block its dependents, count it, and log it.

        Args:
            token: The fencing token that the caller was given; None for who took the lease away.
            keep_results: Leave what the attempt had stored; for ends that its worker did not live to report.

        Raises:
            LeaseLost: The attempt does not have the task open, or not with this token; nothing was changed.
        """
        row = self._db.row(SQL["task_of_attempt"], {"task": task, "attempt": attempt})
        if row is None or (token is not None and row[1] != token):
            raise LeaseLost("the attempt is no longer open")
        task_id, token, failures, crashes, own_retries, blockers, note, agent_cli, claimed_at, kind, refused = row[:11]
        unresolved, number, has_dependents, others_wait_for_files, any_trouble, in_a_row, has_landed = row[11:]
        if own_retries is not None:
            budgets = replace(budgets, max_retries=own_retries)
        problem = problem_of(result, landing=kind == LANDING)
        alike = self._alike(task, attempt, result, problem)
        if kind == LANDING:
            move = next_landing_move(
                result, failures=failures, crashes=crashes, refused=refused, unresolved=unresolved, budgets=budgets
            )
        else:
            move = next_move(
                result,
                failures=failures,
                crashes=crashes,
                budgets=budgets,
                rng=self._rng,
                same=None if problem is None or alike is None else problem.cause,
                has_landed=bool(has_landed),
            )
        move = self._spending.after_attempt(task, task_id, attempt, worker_id, move, budgets.spending)
        wall = self._clock.wall_ms()
        self._close(attempt, result, problem, alike, wall, keep_results)
        status = move.status
        if status is Status.NOT_STARTED and blockers > 0:
            status = Status.BLOCKED
        due_ms = None if move.due_in_s is None else round(move.due_in_s * 1000)
        self._db.change(
            SQL["move_task"],
            {
                "task": task,
                "attempt": attempt,
                "token": token,
                "status": status,
                "failures": move.failures,
                "crashes": move.crashes,
                "error": None if status is Status.COMPLETED else move.text or _shown_error(result, problem),
                "hold_reason": move.hold_reason,
                "fingerprint": problem.fingerprint if problem is not None and status in _STOPPED else None,
                "due_at": None if due_ms is None else wall + due_ms,
                "due_mono": None if due_ms is None else self._clock.mono_ms() + due_ms,
                # The user's note is used up by an attempt that was judged, not by one that was cut short.
                "note": note if result.failure_class and not result.failure_class.judged else None,
                "completed_at": wall if status is Status.COMPLETED else None,
                "wall": wall,
            },
        )
        if kind == LANDING or status is Status.APPROVED:
            self._mark_landing(task, kind, result, status, refused, unresolved, wall)
        if kind == LANDING and result.failure_class is FailureClass.QUALITY:
            if result.raced and refused and status not in _STOPPED:
                # It had been sent back, merged what it was given, and another task was quicker anyway.
                self._db.change(SQL["give_turn"], {"task": task})
            self._event(
                "landing_failed",
                result.error or "",
                task=task,
                task_id=task_id,
                attempt=attempt,
                worker_id=worker_id,
                data={
                    "must_fix": list(result.must_fix),
                    "counts": not result.raced,
                    "landed_between": [{"task": by or None, "commit": sha} for by, sha in result.landed_between],
                },
            )
        if status is Status.COMPLETED and has_dependents:
            self._db.change(SQL["free_dependents"], {"task": task, "wall": wall})
        if alike is not None:
            self._event(
                "same_problem",
                f"attempt {number} failed in the same way as attempt {alike.number}",
                task=task,
                task_id=task_id,
                attempt=attempt,
                worker_id=worker_id,
                data={"attempt": number, "same_as": alike.number, "what": alike.what},
            )
        self._event(
            move.event,
            _log_text(_shown_error(result, problem), result, move),
            task=task,
            task_id=task_id,
            attempt=attempt,
            worker_id=worker_id,
            data={"outcome": result.outcome, "failure_class": result.failure_class},
        )
        if others_wait_for_files:
            self._overlaps.let_go()
        if in_a_row or result.blames_machine:
            SameDeaths(self._db, self._clock).note(task, result, problem)
        if agent_cli is not None:
            self._routes.note_end(attempt, claimed_at, result, any_trouble=bool(any_trouble))
        return move

    def _mark_landing(
        self, task: int, kind: str, result: AttemptResult, status: Status, refused: int, unresolved: int, wall: int
    ) -> None:
        refused_now = kind == LANDING and result.failure_class is FailureClass.QUALITY
        self._db.change(
            SQL["mark_landing"],
            {
                "task": task,
                "status": status,
                "wall": wall,
                "landing_failures": refused + refused_now,
                "landing_unresolved": unresolved + (refused_now and not result.raced),
                # A lander that died past its point of no return may have landed it: the next one finds out by this.
                "forget": int(kind != LANDING or refused_now),
            },
        )

    def _alike(self, task: int, attempt: str, result: AttemptResult, problem: Problem | None) -> Alike | None:
        """The earlier attempt that failed alike, if this one failed by the task's own fault."""
        if problem is None or result.failure_class is not FailureClass.QUALITY or problem.cause is FailureCause.LANDING:
            return None
        values = {"task": task, "attempt": attempt, "fingerprint": problem.fingerprint, "diff_id": result.diff_id}
        row = self._db.row(SQL["failed_alike"], values)
        if row is None:
            return None
        number, same_problem, same_diff = row
        return Alike(number=number, what="both" if same_problem and same_diff else "diff" if same_diff else "problem")

    def _close(
        self,
        attempt: str,
        result: AttemptResult,
        problem: Problem | None,
        alike: Alike | None,
        wall: int,
        keep_results: bool,
    ) -> None:
        values: dict[str, object] = {
            "attempt": attempt,
            "wall": wall,
            "outcome": result.outcome,
            "failure_class": result.failure_class,
            "error": result.error,
            "cause": None if problem is None else problem.cause,
            "fingerprint": None if problem is None else problem.fingerprint,
        }
        self._db.change(SQL["close_sessions_of"], values)
        if problem is not None:
            self._db.change(SQL["note_problem"], {**values, "sample": problem.sample})
        if keep_results:
            self._db.change(SQL["close_attempt_briefly"], values)
            return
        values |= {
            "exit_code": result.exit_code,
            "builder_session_id": result.builder_session_id,
            "validator_session_id": result.validator_session_id,
            "builder_result": to_json(result.builder_result),
            "check_results": to_json(result.check_results),
            "validator_result": to_json(result.validator_result),
            "must_fix": to_json(list(result.must_fix)) if result.must_fix else None,
            "base_sha": result.base_sha,
            "head_sha": result.head_sha,
            "tokens": result.tokens,
            "cached_tokens": result.cached_tokens,
            "cost_usd": result.cost_usd,
            "diff_id": result.diff_id,
            "question": result.question,
            "same_as": None if alike is None else alike.number,
            "same_what": None if alike is None else alike.what,
        }
        self._db.change(SQL["close_attempt"], values)


def _shown_error(result: AttemptResult, problem: Problem | None) -> str | None:
    """The error shown for the task: the full report, or the headline if the report does not begin with it."""
    if problem is None or (result.error or "").startswith(problem.sample):
        return result.error
    return problem.sample


def _log_text(said: str | None, result: AttemptResult, move: Move) -> str:
    """One line for the log: what happened and what comes of it."""
    if move.status is Status.COMPLETED and result.changed_nothing:
        return "nothing was changed; the landed work stays"
    parts = [said.splitlines()[0][:300]] if said else []
    if move.due_in_s is not None:
        parts.append(f"again in {move.due_in_s:.0f} s")
    elif move.event == "retry_scheduled":
        parts.append("retried immediately")
    return "; ".join(parts) or str(result.outcome)
