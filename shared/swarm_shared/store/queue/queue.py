"""Claim, run and settle: the fenced life of an attempt as rows.

Every write here names the attempt's fencing token or the attempt itself; one that matches no row raises `LeaseLost`,
and the caller kills its agent and drops what it has.
"""

from __future__ import annotations

import random

from msgspec import Struct
from msgspec.structs import asdict, replace

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import LeaseLost
from swarm_shared.domain.models import FailureClass, Outcome, Role, Stage, Verb
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.family import Family
from swarm_shared.store.queue.claims import Claim, Claimant, ClosedSession, First, Opening, new_attempt_id
from swarm_shared.store.queue.overlaps import Overlaps
from swarm_shared.store.queue.policy import AttemptResult, Budgets
from swarm_shared.store.queue.settlement import Settlement
from swarm_shared.store.sql import SQL

CLASHES_PER_CLAIM = 200  # then the write lock is given back before the next look


class _Unfinished:
    """A claim met only tasks that overlap with running ones; there may be others behind them."""


class Watched(Struct, frozen=True, kw_only=True):
    """What a worker must know while its agent runs. `requests` are open control rows (id, verb, actor)."""

    owned: bool
    emergency: bool
    requests: tuple[tuple[int, Verb, str], ...]


class Queue(Family):
    """The verbs of a worker."""

    def __init__(self, connection: Connection, clock: Clock, rng: random.Random) -> None:
        super().__init__(connection, clock)
        self._settlement = Settlement(connection, clock, rng)
        self._overlaps = Overlaps(connection, clock)
        self._is_durable = True

    def claim(self, claimant: Claimant, *, first: First | None = None) -> Claim | None:
        """Claim the best ready task for this worker alone; None when no task may start now.

        Args:
            first: Lets the claim's first session be opened in the same transaction, which saves a commit.

        Raises:
            DatabaseBusy: The write lock stayed taken beyond the busy timeout.
        """
        while True:
            # NORMAL is enough: a power cut that forgets the claim has ended the worker too.
            with self._db.transaction(durable=False):
                claim = self._claim(claimant, first)
                if isinstance(claim, Claim):
                    values = {"attempt": claim.attempt, "task": claim.task, "run": claim.run}
                    self._db.change(SQL["occupy_worker"], values)
            if not isinstance(claim, _Unfinished):
                return claim

    def _claim(self, claimant: Claimant, first: First | None) -> Claim | _Unfinished | None:
        wall, mono = self._clock.wall_ms(), self._clock.mono_ms()
        may = self._db.row(SQL["may_claim"], {"run": claimant.run, "mono": mono})
        if may is None:
            return None
        is_due, is_held = may
        if is_due:
            self._db.change(SQL["promote_due"], {"wall": wall, "mono": mono})
        started = wall if first is not None else None
        for _ in range(CLASHES_PER_CLAIM):
            claim = self._pick(claimant, wall, mono, started)
            if isinstance(claim, Claim):
                if is_held:
                    self._db.change(SQL["probe_hold"], {"attempt": claim.attempt, "agent_cli": claim.agent_cli})
                opening = first(claim) if first is not None else None
                return claim if opening is None else replace(claim, session=self._add_session(claim, opening, wall))
            if claim is None and not self._overlaps.let_go():
                return None
        return _Unfinished()

    def _pick(self, claimant: Claimant, wall: int, mono: int, started: int | None) -> Claim | _Unfinished | None:
        """The best ready task; unfinished when it now waits for files of a running task."""
        attempt = new_attempt_id(wall)
        row = self._db.row(
            SQL["claim_task"],
            {
                "attempt": attempt,
                "worker_id": claimant.worker_id,
                "wall": wall,
                "mono": mono,
                "agent_cli": claimant.agent_cli,
                "started": started,
            },
        )
        if row is None:
            return None
        task, task_id, token, number, agent_cli, note, files = row
        if claimant.serialize and self._overlaps.puts_behind(task, files):
            return _Unfinished()
        if self._overlaps.waits_for_turn(task):
            return _Unfinished()
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
                "started": started,
            },
        )
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
        return self._db.row(SQL["owns"], claim.fence()) is not None

    def open_session(
        self,
        claim: Claim,
        *,
        role: Role,
        name: str,
        stage: Stage,
        prompt: str | None,
        resumes: str | None = None,
        before: ClosedSession | None = None,
    ) -> int:
        """Write down a session before anything is spent on it; its id.

        Args:
            resumes: The agent CLI's id of the earlier session that it resumes.
            before: The attempt's session that ended last, if any.

        Raises:
            LeaseLost: The task has another owner.
        """
        wall = self._clock.wall_ms()
        with self._db.transaction(durable=False):
            if not self._db.change(SQL["enter_stage"], {**claim.fence(), "stage": stage, "wall": wall}):
                raise LeaseLost(f"task {claim.task_id}: attempt {claim.number} lost its lease")
            moment = {"attempt": claim.attempt, "wall": wall, "mono": self._clock.mono_ms()}
            self._db.change(SQL["attempt_started"], moment)
            opening = Opening(role=role, name=name, stage=stage, prompt=prompt, resumes=resumes)
            session = self._add_session(claim, opening, wall)
            self._close_session(before)
            return session

    def _add_session(self, claim: Claim, opening: Opening, wall: int) -> int:
        self._db.change(
            SQL["open_session"],
            {
                "attempt": claim.attempt,
                "role": opening.role,
                "name": opening.name,
                "wall": wall,
                "prompt": opening.prompt,
                "resumes": opening.resumes,
            },
        )
        session = self._db.last_id()
        if opening.role is not Role.CHECK:
            self._event(
                "started",
                f"{opening.role} session of attempt {claim.number}"
                + (f", resumes {opening.resumes}" if opening.resumes else ""),
                task=claim.task,
                task_id=claim.task_id,
                attempt=claim.attempt,
                worker_id=claim.worker_id,
                data={"session": session, "role": opening.role},
            )
        return session

    def session_runs(self, session: int, *, pid: int, pid_start: int) -> None:
        """Record the session's process, so that it can be proven gone later."""
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
        first: First | None = None,
        answers: tuple[int, ...] = (),
        last: ClosedSession | None = None,
    ) -> Claim | None:
        """Close the attempt, move the task, and take the next one, in one transaction.

        Only to be called when the attempt's process tree is proven gone. It is durable on return, unless it took
        the next task: then the caller calls `make_durable` as soon as that task's agent is on its way, so that the
        disk works while the agent starts. A power cut in between forgets both, and the task runs once more.

        Args:
            then_claim: Asks for the next task in the same transaction, which saves a commit.
            first: As for `claim`.
            answers: Control rows that this end carries out.
            last: The attempt's session that ended last, if any.

        Returns:
            The next claim, when one was asked for and a task was ready.

        Raises:
            LeaseLost: The task has another owner; nothing was written.
        """
        with self._db.transaction(durable=False):
            try:
                self._settlement.settle(
                    claim.task, claim.attempt, result, budgets, worker_id=claim.worker_id, token=claim.token
                )
                lost = None
            except LeaseLost as error:
                lost = error
                self._event(
                    "stale_write_refused",
                    f"attempt {claim.number} tried to settle without its lease",
                    task=claim.task,
                    task_id=claim.task_id,
                    attempt=claim.attempt,
                    worker_id=claim.worker_id,
                )
            if lost is None:
                self._close_session(last)
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
            following = None if lost or then_claim is None else self._claim(then_claim, first)
            counted: dict[str, object] = {
                "run": claim.run,
                "completed": int(lost is None and result.outcome is Outcome.PASSED and not claim.landing),
                "failed": int(lost is None and result.failure_class is FailureClass.QUALITY and not claim.landing),
            }
            if isinstance(following, Claim):
                counted |= {"attempt": following.attempt, "task": following.task}
                self._db.change(SQL["keep_worker_busy"], counted)
            else:
                self._db.change(SQL["free_worker"], counted)
        if lost is not None:
            raise LeaseLost(f"task {claim.task_id}: attempt {claim.number} lost its lease") from lost
        self._is_durable = False
        if isinstance(following, Claim):
            return following
        self.make_durable()
        return None

    def make_durable(self) -> None:
        """Sync what `settle` has left to be synced; otherwise it costs nothing.

        Raises:
            DatabaseError: The disk failed; a later call tries again.
        """
        if not self._is_durable:
            self._db.sync()
            self._is_durable = True

    def anything_ready(self) -> bool:
        """Whether a claim is worth the write lock: something is ready, or scheduled and due. A read."""
        return self._db.row(SQL["anything_ready"], {"mono": self._clock.mono_ms()}) is not None

    def watch(self, claim: Claim) -> Watched:
        """What others want of a running attempt; reads only, so it answers while a writer is stuck."""
        flags = {row[0] for row in self._db.rows(SQL["flags"])}
        requests = tuple(
            (row_id, Verb(verb), actor)
            for row_id, verb, actor, _ in self._db.rows(SQL["controls_for_attempt"], {"attempt": claim.attempt})
        )
        return Watched(owned=self.owns(claim), emergency="emergency_stop" in flags, requests=requests)

    def failures(self, claim: Claim) -> int:
        """Quality failures of the task since its last fresh budget."""
        return int(self._db.value(SQL["failures_of_task"], {"task": claim.task}) or 0)

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
            self._db.change(SQL["close_session"], asdict(closed))
