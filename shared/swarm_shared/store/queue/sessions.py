"""Sessions as rows: opened before anything is spent on one, closed when its process is gone. Each write is fenced or
names a row that only its attempt has, and is a short transaction."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import asdict

from swarm_shared.domain.errors import LeaseLost
from swarm_shared.domain.models import Role, Stage, Verb
from swarm_shared.domain.runners import Run
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.queue.claims import Claim, ClosedSession, SessionReport
from swarm_shared.store.sql import SQL
from swarm_shared.store.swarm.swarm import BUDGET_ACTOR, PAUSED


class Watched(Struct, frozen=True, kw_only=True):
    """What a worker must know while its agent runs. `requests` are open control rows (id, verb, actor)."""

    owned: bool
    emergency: bool
    over_budget: bool
    requests: tuple[tuple[int, Verb, str], ...]


class Sessions(DataAccess):
    """What a worker writes and asks while it runs an attempt."""

    def open_session(
        self,
        claim: Claim,
        *,
        role: Role,
        name: str,
        stage: Stage,
        prompt: str | None,
        resumes: str | None = None,
        run: Run | None = None,
    ) -> int:
        """Store a session before anything is spent on it; its id.

        Args:
            name: The agent's, or the check's command.
            resumes: The agent CLI's id of the earlier session that it resumes.
            run: What its runner is about to start outside the worker's process tree.

        Raises:
            LeaseLost: The task has another owner.
        """
        wall = self._clock.wall_ms()
        with self._db.transaction(durable=False):
            if not self._db.change(SQL["enter_stage"], {**claim.fence(), "stage": stage, "wall": wall}):
                raise LeaseLost(f"task {claim.task_id}: attempt {claim.number} lost its lease")
            moment = {"attempt": claim.attempt, "wall": wall, "mono": self._clock.mono_ms()}
            self._db.change(SQL["attempt_started"], moment)
            self._db.change(
                SQL["open_session"],
                {
                    "attempt": claim.attempt,
                    "role": role,
                    "name": name,
                    "wall": wall,
                    "prompt": prompt,
                    "resumes": resumes,
                    "runner": None if run is None else run.runner,
                    "run_name": None if run is None else run.name,
                    "engine": None if run is None else run.engine,
                },
            )
            session = self._db.last_id()
            if role is not Role.CHECK:
                self._event(
                    "started",
                    f"{role} session of attempt {claim.number}" + (f", resumes {resumes}" if resumes else ""),
                    task=claim.task,
                    task_id=claim.task_id,
                    attempt=claim.attempt,
                    worker_id=claim.worker_id,
                    data={"session": session, "role": role},
                )
            return session

    def session_runs(self, session: int, *, pid: int, pid_start: int) -> None:
        """Record the session's process, so that it can be proven gone later."""
        with self._db.transaction(durable=False):
            self._db.change(SQL["session_runs"], {"session": session, "pid": pid, "pid_start": pid_start})

    def close_session(self, session: int, closed: ClosedSession) -> None:
        """Store how its process ended; only when nothing of it is left."""
        with self._db.transaction(durable=False):
            self._db.change(SQL["close_session"], {"session": session, **asdict(closed)})

    def report_session(self, session: int, report: SessionReport) -> None:
        """Store what it reported of itself."""
        with self._db.transaction(durable=False):
            self._db.change(SQL["report_session"], {"session": session, **asdict(report)})

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

    def owns(self, claim: Claim) -> bool:
        """Whether the lease still holds; a read, so it answers while a writer is stuck."""
        return self._db.row(SQL["owns"], claim.fence()) is not None

    def watch(self, claim: Claim) -> Watched:
        """What others want of a running attempt; reads only, so it answers while a writer is stuck."""
        flags = {name: actor for name, _, actor, _ in self._db.rows(SQL["flags"])}
        requests = tuple(
            (row_id, Verb(verb), actor)
            for row_id, verb, actor, _ in self._db.rows(SQL["controls_for_attempt"], {"attempt": claim.attempt})
        )
        return Watched(
            owned=self.owns(claim),
            emergency="emergency_stop" in flags,
            over_budget=flags.get(PAUSED) == BUDGET_ACTOR,
            requests=requests,
        )

    def failures(self, claim: Claim) -> int:
        """Quality failures of the task since its last fresh budget."""
        return int(self._db.value(SQL["failures_of_task"], {"task": claim.task}) or 0)
