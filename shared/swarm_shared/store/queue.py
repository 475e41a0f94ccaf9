"""Claim, run and settle: the fenced life of an attempt as rows.

Every write here names the attempt's fencing token or the attempt itself; one that matches no row raises `LeaseLost`,
and the caller kills its agent and drops what it has.
"""

from __future__ import annotations

import os
import random
import uuid
from dataclasses import dataclass

from swarm_shared.agents.trouble import Trouble
from swarm_shared.clock import Clock
from swarm_shared.connection import Connection
from swarm_shared.errors import LeaseLost
from swarm_shared.models import FailureClass, Outcome, Role, Stage, Status, Verb
from swarm_shared.sql import SQL
from swarm_shared.store.base import Family, to_json
from swarm_shared.store.policy import AttemptResult, Budgets, Move, next_hold, next_move

_CUT_SHORT = (
    FailureClass.CRASH,
    FailureClass.PROVIDER,
    FailureClass.SETUP,
    FailureClass.INTERRUPTED,
    FailureClass.UNREADABLE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A task given to one worker alone."""

    task: int
    task_id: str
    attempt: str
    number: int
    token: int
    agent_cli: str
    note: str | None
    run: int
    worker_id: str
    claimed_at: int


def new_attempt_id(wall_ms: int) -> str:
    """A UUID (version 7) whose first 48 bits are the time, so that neighbours in time are neighbours in the index.

    Source: RFC 9562, section 5.7.
    """
    random_bits = int.from_bytes(os.urandom(10), "big")
    value = (wall_ms & (2**48 - 1)) << 80 | random_bits
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """Who asks for work."""

    run: int
    worker_id: str
    agent_cli: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedSession:
    """How a session's process ended. It is written with the attempt's next step, which saves a commit."""

    session: int
    pid: int | None
    pid_start: int | None
    exit_code: int | None
    signal: int | None
    output_bytes: int
    ended_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a worker must know while its agent runs. `orders` are unanswered control rows: (id, verb, actor)."""

    owned: bool
    emergency: bool
    orders: tuple[tuple[int, Verb, str], ...]


class Queue(Family):
    """The verbs of a worker; `Settlement` below is shared with whoever reaps."""

    def __init__(self, connection: Connection, clock: Clock, rng: random.Random) -> None:
        super().__init__(connection, clock)
        self._settlement = Settlement(connection, clock, rng)

    def claim(self, claimant: Claimant) -> Claim | None:
        """Give the best ready task to this worker alone; None when nothing may be given out now.

        Raises:
            DatabaseBusy: The write lock stayed taken beyond the busy timeout.
        """
        # NORMAL is enough: a power cut that forgets the claim has ended the worker too.
        with self._db.transaction(durable=False):
            return self._claim(claimant)

    def _claim(self, claimant: Claimant) -> Claim | None:
        if self._db.row(SQL["flags_that_stop_claims"]):
            return None
        wanted = self._db.row(SQL["worker_wanted"], {"run": claimant.run})
        if wanted is None or wanted[0] is not None or wanted[1] in ("stopped", "crashed"):
            return None  # this worker shall drain or retire, or was declared dead
        wall, mono = self._clock.wall_ms(), self._clock.mono_ms()
        self._db.change(SQL["promote_due"], {"wall": wall, "mono": mono})
        attempt = new_attempt_id(wall)
        row = self._db.row(
            SQL["claim_task"],
            {
                "attempt": attempt,
                "worker_id": claimant.worker_id,
                "wall": wall,
                "mono": mono,
                "agent_cli": claimant.agent_cli,
            },
        )
        if row is None:
            return None
        task, task_id, token, number, agent_cli, note = row
        self._db.change(
            SQL["open_attempt"],
            {
                "attempt": attempt,
                "task": task,
                "number": number,
                "token": token,
                "run": claimant.run,
                "worker_id": claimant.worker_id,
                "agent_cli": agent_cli,
                "wall": wall,
                "mono": mono,
                "note": note,
            },
        )
        self._db.change(SQL["probe_hold"], {"attempt": attempt, "agent_cli": agent_cli})
        self._db.change(SQL["occupy_worker"], {"attempt": attempt, "task": task, "run": claimant.run})
        self._event(
            "claimed",
            f"attempt {number}",
            task=task,
            task_id=task_id,
            attempt=attempt,
            worker_id=claimant.worker_id,
        )
        return Claim(
            task=task,
            task_id=task_id,
            attempt=attempt,
            number=number,
            token=token,
            agent_cli=agent_cli,
            note=note,
            run=claimant.run,
            worker_id=claimant.worker_id,
            claimed_at=wall,
        )

    def owns(self, claim: Claim) -> bool:
        """Whether the lease still holds; a read, so it answers while a writer is stuck."""
        return self._db.row(SQL["owns"], self._fence(claim)) is not None

    def open_session(
        self,
        claim: Claim,
        *,
        role: Role,
        name: str,
        stage: Stage,
        prompt: str | None,
        before: ClosedSession | None = None,
    ) -> int:
        """Write down a session before anything is spent on it; its id.

        Args:
            before: The attempt's session that ended last, if any.

        Raises:
            LeaseLost: The task has another owner.
        """
        wall = self._clock.wall_ms()
        with self._db.transaction(durable=False):
            if not self._db.change(SQL["enter_stage"], {**self._fence(claim), "stage": stage, "wall": wall}):
                raise LeaseLost(f"task {claim.task_id}: attempt {claim.number} lost its lease")
            self._close_session(before)
            self._db.change(
                SQL["attempt_started"],
                {"attempt": claim.attempt, "wall": wall, "mono": self._clock.mono_ms()},
            )
            self._db.change(
                SQL["open_session"],
                {"attempt": claim.attempt, "role": role, "name": name, "wall": wall, "prompt": prompt},
            )
            session = self._db.last_id()
            if role is not Role.CHECK:
                self._event(
                    "started",
                    f"{role} session of attempt {claim.number}",
                    task=claim.task,
                    task_id=claim.task_id,
                    attempt=claim.attempt,
                    worker_id=claim.worker_id,
                    data={"session": session, "role": role},
                )
            return session

    def session_runs(self, session: int, *, pid: int, pid_start: int) -> None:
        """Record the session's process, for whoever must prove it gone."""
        with self._db.transaction(durable=False):
            self._db.change(SQL["session_runs"], {"session": session, "pid": pid, "pid_start": pid_start})

    def note_event(self, claim: Claim, kind: str, message: str) -> None:
        """A line in the task's log that changes nothing else."""
        with self._db.transaction(durable=False):
            self._event(
                kind,
                message,
                task=claim.task,
                task_id=claim.task_id,
                attempt=claim.attempt,
                worker_id=claim.worker_id,
            )

    def note_progress(self, claim: Claim) -> None:
        """Record a sign of progress from the agent."""
        with self._db.transaction(durable=False):
            self._db.change(
                SQL["note_progress"],
                {
                    "attempt": claim.attempt,
                    "wall": self._clock.wall_ms(),
                    "mono": self._clock.mono_ms(),
                },
            )

    def settle(
        self,
        claim: Claim,
        result: AttemptResult,
        budgets: Budgets,
        *,
        then_claim: Claimant | None = None,
        answers: tuple[int, ...] = (),
        last: ClosedSession | None = None,
    ) -> Claim | None:
        """Close the attempt, move the task, and take the next one, in one durable transaction.

        Only to be called when the attempt's process tree is proven gone.

        Args:
            then_claim: Asks for the next task in the same transaction, which saves a commit.
            answers: Control rows that this end carries out.
            last: The attempt's session that ended last, if any.

        Returns:
            The next claim, when one was asked for and a task was ready.

        Raises:
            LeaseLost: The task has another owner; nothing was written.
        """
        with self._db.transaction(durable=True):
            if self._db.row(SQL["owns"], self._fence(claim)) is None:
                self._event(
                    "stale_write_refused",
                    f"attempt {claim.number} tried to settle without its lease",
                    task=claim.task,
                    task_id=claim.task_id,
                    attempt=claim.attempt,
                    worker_id=claim.worker_id,
                )
                lost = True
            else:
                lost = False
                self._close_session(last)
                self._settlement.settle(claim.task, claim.attempt, result, budgets, worker_id=claim.worker_id)
                for row in answers:
                    self._db.change(
                        SQL["finish_control"],
                        {
                            "id": row,
                            "status": "done",
                            "handled_by": claim.worker_id,
                            "wall": self._clock.wall_ms(),
                            "result": f"attempt {claim.number} {result.outcome}",
                        },
                    )
            self._db.change(
                SQL["free_worker"],
                {
                    "run": claim.run,
                    "completed": int(not lost and result.outcome is Outcome.PASSED),
                    "failed": int(not lost and result.failure_class is FailureClass.QUALITY),
                },
            )
            following = None if lost or then_claim is None else self._claim(then_claim)
        if lost:
            raise LeaseLost(f"task {claim.task_id}: attempt {claim.number} lost its lease")
        return following

    def anything_ready(self) -> bool:
        """Whether a claim is worth the write lock: something is ready, or scheduled and due. A read."""
        return self._db.row(SQL["anything_ready"], {"mono": self._clock.mono_ms()}) is not None

    def watch(self, claim: Claim) -> Watched:
        """What others want of a running attempt; reads only, so it answers while a writer is stuck."""
        flags = {row[0] for row in self._db.rows(SQL["flags"])}
        orders = tuple(
            (row_id, Verb(verb), actor)
            for row_id, verb, actor, _ in self._db.rows(SQL["controls_for_attempt"], {"attempt": claim.attempt})
        )
        return Watched(owned=self.owns(claim), emergency="emergency_stop" in flags, orders=orders)

    def failures(self, claim: Claim) -> int:
        """Quality failures of the task since its last fresh budget."""
        row = self._db.row(SQL["task_of_attempt"], {"task": claim.task})
        return 0 if row is None else int(row[5])

    def promote_due(self) -> int:
        """Make scheduled tasks ready whose time has come, for people to see; how many. A claim does it as well."""
        due = self._db.value(SQL["next_due"])
        if due is None or int(due) > self._clock.mono_ms():
            return 0
        with self._db.transaction(durable=False):
            return self._db.change(SQL["promote_due"], {"wall": self._clock.wall_ms(), "mono": self._clock.mono_ms()})

    def ms_to_next_due(self) -> int | None:
        """Milliseconds until the next scheduled task or the end of a provider's hold; None when none waits for time."""
        moments = [self._db.value(SQL["next_due"]), self._db.value(SQL["next_hold_end"])]
        known = [int(moment) for moment in moments if moment is not None]
        return max(0, min(known) - self._clock.mono_ms()) if known else None

    def _close_session(self, closed: ClosedSession | None) -> None:
        if closed is not None:
            self._db.change(SQL["close_session"], {name: getattr(closed, name) for name in closed.__slots__})

    def _fence(self, claim: Claim) -> dict[str, object]:
        return {"task": claim.task, "token": claim.token, "attempt": claim.attempt}


class Settlement(Family):
    """Moves a task whose attempt's tree is proven gone; inside the caller's transaction."""

    def __init__(self, connection: Connection, clock: Clock, rng: random.Random) -> None:
        super().__init__(connection, clock)
        self._rng = rng

    def settle(
        self,
        task: int,
        attempt: str,
        result: AttemptResult,
        budgets: Budgets,
        *,
        worker_id: str | None,
        keep_results: bool = False,
    ) -> Move:
        """Close the attempt, move the task, free or bind its dependents, count, and tell it in the log.

        Args:
            keep_results: Leave what the attempt had stored; for ends that its worker did not live to tell.

        Raises:
            LeaseLost: The attempt does not have the task open.
        """
        row = self._db.row(SQL["task_of_attempt"], {"task": task})
        if row is None or row[4] != attempt:
            raise LeaseLost("the attempt is no longer open")
        _, task_id, _, token, _, failures, crashes, own_retries, blockers, _ = row
        if own_retries is not None:
            budgets = Budgets(
                max_retries=own_retries,
                retry_delay_s=budgets.retry_delay_s,
                crash_budget=budgets.crash_budget,
                crash_backoff_s=budgets.crash_backoff_s,
            )
        move = next_move(result, failures=failures, crashes=crashes, budgets=budgets, rng=self._rng)
        wall = self._clock.wall_ms()
        note, agent_cli, claimed_at = self._db.rows(SQL["attempt_facts"], {"attempt": attempt})[0]
        self._close(attempt, result, wall, keep_results)
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
                "error": result.error,
                "hold_reason": move.hold_reason,
                "due_at": None if due_ms is None else wall + due_ms,
                "due_mono": None if due_ms is None else self._clock.mono_ms() + due_ms,
                # A person's words are used up by an attempt that was judged, not by one that was cut short.
                "note": note if result.failure_class in _CUT_SHORT else None,
                "completed_at": wall if status is Status.COMPLETED else None,
                "wall": wall,
            },
        )
        if status is Status.COMPLETED:
            self._db.change(SQL["free_dependents"], {"task": task, "wall": wall})
        self._event(
            move.event,
            _told(result, move),
            task=task,
            task_id=task_id,
            attempt=attempt,
            worker_id=worker_id,
            data={"outcome": result.outcome, "failure_class": result.failure_class},
        )
        if agent_cli is not None:
            self._mind_provider(attempt, agent_cli, claimed_at, result)
        return move

    def _close(self, attempt: str, result: AttemptResult, wall: int, keep_results: bool) -> None:
        values: dict[str, object] = {
            "attempt": attempt,
            "wall": wall,
            "outcome": result.outcome,
            "failure_class": result.failure_class,
            "error": result.error,
        }
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
            "cost_usd": result.cost_usd,
        }
        self._db.change(SQL["close_attempt"], values)

    def _mind_provider(self, attempt: str, agent_cli: str, claimed_at: int, result: AttemptResult) -> None:
        if result.trouble is not None and result.failure_class in (FailureClass.PROVIDER, FailureClass.SETUP):
            self._hold_provider(attempt, agent_cli, result.trouble, claimed_at)
        elif result.outcome is Outcome.PASSED or result.failure_class is FailureClass.QUALITY:
            self._db.change(SQL["clear_hold_after_success"], {"agent_cli": agent_cli, "session_began": claimed_at})

    def _hold_provider(self, attempt: str, agent_cli: str, trouble: Trouble, session_began: int) -> None:
        wall = self._clock.wall_ms()
        known = self._db.row(SQL["hold_of"], {"agent_cli": agent_cli})
        since, step, probe = known or (0, 0, None)
        if known is not None and probe != attempt and session_began <= since:
            return  # told by a session that began before the hold: the same trouble, not one more of it
        hold = next_hold(trouble, step=step, rng=self._rng)
        wait_ms = None if hold.wait_s is None else round(hold.wait_s * 1000)
        self._db.change(
            SQL["put_hold"],
            {
                "agent_cli": agent_cli,
                "kind": hold.kind,
                "reason": trouble.text,
                "wall": wall,
                "until_at": None if wait_ms is None else wall + wait_ms,
                "until_mono": None if wait_ms is None else self._clock.mono_ms() + wait_ms,
                "step": hold.step,
            },
        )
        until = "until a person resumes" if hold.wait_s is None else f"for {hold.wait_s:.0f} s"
        self._event("provider_hold", f"{agent_cli} is held {until}: {trouble.text}", data={"kind": hold.kind})


def _told(result: AttemptResult, move: Move) -> str:
    """One line for the log: what happened and what comes of it."""
    parts = [result.error.splitlines()[0][:300]] if result.error else []
    if move.due_in_s is not None:
        parts.append(f"again in {move.due_in_s:.0f} s")
    elif move.event == "retry_scheduled":
        parts.append("again at once")
    return "; ".join(parts) or str(result.outcome)
