"""Reaping: judge which attempts are orphans, end what is left of them, prove it gone, and only then give the task on.

Used by `swarm-reaper` all the time and by `reset-orphans` once. The order makes every step safe to crash after:
raise the token with the reason, kill the worker if it lives, let its keeper end the tree, prove that, settle.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swarm_shared.clock import Clock
from swarm_shared.models import FailureClass, Outcome
from swarm_shared.processes import ProcessId
from swarm_shared.proctree import kill_tree
from swarm_shared.store.policy import Budgets
from swarm_shared.store.recovery import Ending, OpenAttempt, Recovery, crash
from swarm_shared.store.workers import Workers
from swarm_shared.sweep import kill_marked

KEEPER_PATIENCE_MS = 12_000  # a keeper's own effort takes at most ten seconds
SWEEP_DEADLINE_S = 2.0
UNPROVEN_AFTER_MS = 20_000
FORGOTTEN_AFTER_MS = 60_000
_NEVER = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a living attempt counts as an orphan. Milliseconds."""

    orphan_timeout_ms: int  # no sign of progress from the agent
    overdue_ms: int  # how long an expired lease is watched before it is believed


class Reaping:
    """Rounds over the open attempts, each quick unless processes must be swept for."""

    def __init__(
        self,
        recovery: Recovery,
        workers: Workers,
        *,
        clock: Clock,
        budgets: Budgets,
        limits: Limits,
        adopted: Callable[[], Iterable[ProcessId]] = tuple,
    ) -> None:
        """Bind to a database.

        Args:
            adopted: Tells the leftovers that supervisord inherited, when it runs.
        """
        self._recovery = recovery
        self._workers = workers
        self._clock = clock
        self._budgets = budgets
        self._limits = limits
        self._adopted = adopted
        self._overdue_since: dict[int, int] = {}

    def run_once(self) -> int:
        """Judge and advance every open attempt, and mark dead workers; the number of attempts closed."""
        self._recovery.note_boot()
        closed = 0
        for attempt in self._recovery.open_attempts():
            ending = attempt.ending
            if ending is None and not attempt.ended:
                ending = self._judge(attempt)
                if ending is None:
                    continue
                self._recovery.fence(attempt, ending)
            closed += self._advance(attempt, ending or crash("ended before"))
        self._mark_dead_workers()
        return closed

    def orphans(self) -> list[OpenAttempt]:
        """Attempts that a round would take away now, or is taking away."""
        return [a for a in self._recovery.open_attempts() if a.ending or a.ended or self._judge(a)]

    def _judge(self, attempt: OpenAttempt) -> Ending | None:
        worker = f"{attempt.worker_id} (process {attempt.worker.pid})"
        alive = attempt.worker.is_alive()
        if alive is None:
            return None  # of another pid namespace: never judged from here
        if alive is False:
            if attempt.worker.boot_id != self._clock.boot_id():
                return crash("the machine was restarted while the task ran")
            return crash(f"{worker} died")
        if attempt.worker_over or not attempt.worker_has_it:
            if self._clock.wall_ms() - attempt.claimed_at < FORGOTTEN_AFTER_MS:
                return None
            return crash(f"{worker} no longer has the task")
        if self._is_overdue(attempt):
            return crash(f"{worker} gave no heartbeat until its lease ran out")
        silent_ms = self._clock.mono_ms() - attempt.progress_mono
        if silent_ms > self._limits.orphan_timeout_ms:
            return Ending(
                outcome=Outcome.FAILED,
                failure_class=FailureClass.QUALITY,
                error=f"no sign of progress for {silent_ms / 60_000:.0f} minutes",
            )
        return None

    def _is_overdue(self, attempt: OpenAttempt) -> bool:
        """Whether the lease ran out and stayed so while this process could work.

        After a sleep of the machine, or a writer that held up everybody, all leases look expired at once: the workers
        get the time to renew them that the judge itself had.
        """
        now = self._clock.mono_ms()
        if now <= attempt.lease_until_mono:
            self._overdue_since.pop(attempt.run, None)
            return False
        return now - self._overdue_since.setdefault(attempt.run, now) >= self._limits.overdue_ms

    def _advance(self, attempt: OpenAttempt, ending: Ending) -> int:
        if attempt.worker.is_alive() and attempt.worker_has_it and not attempt.ended:
            # Its row names this attempt still, so it may spawn at any moment: it must not wake up.
            attempt.worker.kill(signal.SIGKILL)
            return 0
        if not self._is_gone(attempt):
            return 0
        self._overdue_since.pop(attempt.run, None)
        return int(self._recovery.close(attempt, ending, self._budgets))

    def _is_gone(self, attempt: OpenAttempt) -> bool:
        """Whether nothing of the attempt's process tree is left, by the strongest proof at hand."""
        if attempt.worker.boot_id != self._clock.boot_id():
            return True
        waited_ms = self._clock.wall_ms() - (attempt.fenced_at or self._clock.wall_ms())
        if attempt.worker.is_alive() and waited_ms < KEEPER_PATIENCE_MS:
            return False  # it lives and works for others: it proves and closes by itself
        if attempt.keeper is not None and not attempt.worker.is_alive() and attempt.keeper.is_alive():
            if waited_ms < KEEPER_PATIENCE_MS:
                return False
            kill_tree(attempt.keeper)
            return False
        if attempt.tree_gone or self._left_proof(attempt):
            return True
        return self._sweep(attempt, waited_ms)

    def _left_proof(self, attempt: OpenAttempt) -> bool:
        # Written just before the keeper ended, maybe after this round began.
        run = self._workers.get(attempt.run)
        return run is not None and run.tree_gone

    def _sweep(self, attempt: OpenAttempt, waited_ms: int) -> bool:
        """The fallback when worker and keeper were killed at once."""
        for leftover in self._adopted():
            kill_tree(leftover)
        living = [w.keeper for w in self._workers.alive() if w.keeper is not None and w.run != attempt.run]
        verdict = kill_marked(
            attempt.attempt,
            recorded=self._recovery.recorded_processes(attempt),
            deadline_s=SWEEP_DEADLINE_S,
            clock=self._clock,
            since=attempt.worker.start_time,
            others=living,
        )
        if not verdict.gone and waited_ms > UNPROVEN_AFTER_MS and attempt.status != "held":
            seen = ", ".join(verdict.seen[:5]) or "processes that cannot be looked into"
            self._recovery.hold_unproven(attempt, f"not proven dead after its worker was killed: {seen}")
        return verdict.gone

    def _mark_dead_workers(self) -> None:
        for worker in self._workers.alive():
            if worker.process.is_alive() is False:
                restarted = worker.process.boot_id != self._clock.boot_id()
                why = "the machine was restarted" if restarted else f"process {worker.process.pid} died"
                self._workers.end(worker.run, crashed=True, remark=why)


@contextmanager
def sole_reaper(state_dir: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the advisory lock that lets one process reap at a time; the value tells whether it was taken.

    Args:
        wait: Wait for the other one to finish its round; else give up at once.
    """
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(state_dir / "reaper.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(lock)
