"""Reaping: decides which attempts are orphans, ends their remaining processes, proves them gone, and only then requeues
the task.

Used continuously by `swarm-reaper` and once by `reset-orphans`. The order makes every step safe to crash after:
raise the token with the reason, kill the worker if it lives, let its keeper end the tree, prove that, settle.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.models import FailureClass, Outcome, Status
from swarm_shared.processes.file_lock import alone
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.lifeline import CONTAINER_GONE, Lifelines
from swarm_shared.processes.sweep import PASS_GAP_S, kill_remaining
from swarm_shared.processes.tree import kill_tree
from swarm_shared.program.debounce import Patience
from swarm_shared.runners.following import Effort
from swarm_shared.store.queue.policy import Budgets
from swarm_shared.store.queue.recovery import Ending, OpenAttempt, Recovery, crash
from swarm_shared.store.swarm.workers import WorkerRun, Workers

KEEPER_PATIENCE_MS = 12_000  # a keeper's own effort takes at most ten seconds
UNPROVEN_AFTER_MS = 20_000
FORGOTTEN_AFTER_MS = 5_000
SWEEP_EVERY_MS = 100
HELD_SWEEP_EVERY_MS = 5_000
ABROAD_SILENT_MS = 5 * 60_000  # ten heartbeats of the usual length
ASK_AGAIN_MS = 1_000  # an engine that gave no proof
_RESTING = (Status.HELD, Status.CANCELLED)


class Limits(Struct, frozen=True, kw_only=True):
    """When a living attempt counts as an orphan. Milliseconds."""

    orphan_timeout_ms: int  # no sign of progress from the agent
    overdue_ms: int  # how long an expired lease or timeout is watched before it counts; 0: at once


class _Suspicion(Struct, frozen=True, kw_only=True):
    """A living worker's attempt that should be ended if this is still so after `watched_ms`."""

    kind: str
    ending: Ending
    watched_ms: int


@dataclass(slots=True, kw_only=True)
class _Cleanup:
    """What this process knows about ending one attempt; another reaper starts from the beginning. Times are monotonic
    ms.
    """

    since: int
    next_sweep: int = 0
    was_empty: bool = False  # the last pass found nothing
    left: tuple[str, ...] = ()
    rests: bool = False  # held and reported: checked now and then
    efforts: dict[str, Effort] = field(default_factory=dict)  # by run, for those that an engine is asked about
    next_ask: int = 0
    unknown: str | None = None  # why an engine gave no proof, last


class Reaping:
    """Rounds over the open attempts. Each is quick: what takes time is looked at again in the next round."""

    def __init__(
        self,
        recovery: Recovery,
        workers: Workers,
        *,
        clock: Clock,
        budgets: Budgets,
        limits: Limits,
        lifelines: Lifelines,
        adopted: Callable[[], Iterable[ProcessId]] = tuple,
    ) -> None:
        """Bind to a database.

        Args:
            lifelines: Of the workers' keepers.
            adopted: Returns the leftover processes that supervisord inherited, when it runs.
        """
        self._recovery = recovery
        self._workers = workers
        self._clock = clock
        self._budgets = budgets
        self._limits = limits
        self._lifelines = lifelines
        self._adopted = adopted
        self._clear_lifelines = True  # of workers that died before this process looked
        self._patience = Patience(clock, recovery.takes_writes)
        self._cleanups: dict[str, _Cleanup] = {}

    @property
    def unfinished(self) -> bool:
        """Whether the last round left something that the next should continue soon."""
        return any(not cleanup.rests for cleanup in self._cleanups.values())

    def run_once(self) -> int:
        """Judge and advance every open attempt, and mark dead workers; the number of attempts closed."""
        self._recovery.note_boot()
        self._patience.begin_round()
        closed = 0
        attempts = self._recovery.open_attempts()
        for attempt in attempts:
            ending = attempt.ending
            if ending is None and not attempt.ended:
                ending = self._judge(attempt)
                if ending is None or not self._recovery.fence(attempt, ending, if_unmoved=True):
                    continue
            closed += self._advance(attempt, ending or crash("ended before"))
        self._mark_dead_workers()
        self._forget_all_but({attempt.attempt for attempt in attempts})
        if closed or self._clear_lifelines:
            self._clear_lifelines = False
            self._lifelines.clear(needed=self._recovery.to_be_proven())
        return closed

    def orphans(self) -> list[OpenAttempt]:
        """Attempts that a round would reclaim now, or is reclaiming."""
        return [a for a in self._recovery.open_attempts() if a.ending or a.ended or self._judge(a)]

    # ───── judging ─────

    def _judge(self, attempt: OpenAttempt) -> Ending | None:
        worker = f"{attempt.worker_id} (process {attempt.worker.pid})"
        alive = attempt.worker.is_alive()
        if alive is False:
            if attempt.worker.boot_id != self._clock.boot_id():
                return crash("the machine was restarted while the task ran")
            return crash(f"{worker} died")
        if alive is None and self._is_gone_elsewhere(attempt.keeper):
            return crash(f"{worker} died: {CONTAINER_GONE}")
        if attempt.worker.is_foreign:
            silent = self._is_silent_abroad(attempt.run, attempt.heartbeat_at)
            return crash(silent_abroad(worker, attempt.hostname)) if silent else None
        suspicion = self._suspect(attempt, worker, elsewhere=alive is None)
        if suspicion is None:
            return None
        over = self._patience.is_over((suspicion.kind, attempt.attempt), after_ms=suspicion.watched_ms)
        return suspicion.ending if over else None

    def _is_gone_elsewhere(self, keeper: ProcessId | None) -> bool:
        """Whether a worker whose pid means nothing here, and all that it started, are proven gone."""
        return keeper is not None and self._lifelines.is_free(keeper) is True

    def _is_silent_abroad(self, run: int, heartbeat_at: int) -> bool:
        """Whether a worker of another machine gave no heartbeat for long while we watched: its clocks are not ours."""
        return self._patience.is_over(("abroad", run, heartbeat_at), after_ms=ABROAD_SILENT_MS)

    def _suspect(self, attempt: OpenAttempt, worker: str, *, elsewhere: bool) -> _Suspicion | None:
        now = self._clock.mono_ms()
        overdue_ms = self._limits.overdue_ms
        if now > attempt.lease_until_mono:
            ending = crash(f"{worker} sent no heartbeat until its lease expired")
            return _Suspicion(kind="overdue", ending=ending, watched_ms=overdue_ms)
        if elsewhere:
            return None  # of another pid namespace, and it renews its lease: it lives
        if attempt.worker_over or not attempt.worker_has_it:
            ending = crash(f"{worker} no longer has the task")
            return _Suspicion(kind="forgotten", ending=ending, watched_ms=min(overdue_ms, FORGOTTEN_AFTER_MS))
        silent_ms = now - attempt.progress_mono
        if silent_ms > self._limits.orphan_timeout_ms:
            error = f"no sign of progress for {silent_ms / 60_000:.0f} minutes"
            ending = Ending(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error=error)
            return _Suspicion(kind="silent", ending=ending, watched_ms=overdue_ms)
        return None

    # ───── ending and proving ─────

    def _advance(self, attempt: OpenAttempt, ending: Ending) -> int:
        now = self._clock.mono_ms()
        cleanup = self._cleanups.setdefault(attempt.attempt, _Cleanup(since=now))
        waited_ms = now - cleanup.since
        in_the_way = self._clear_the_way(attempt, cleanup, waited_ms) or self._end_runs(attempt, cleanup)
        if not in_the_way:
            closed = self._recovery.close(attempt, ending, self._budgets)
            del self._cleanups[attempt.attempt]
            return int(closed)
        cleanup.rests = attempt.status in _RESTING
        if waited_ms > UNPROVEN_AFTER_MS and not cleanup.rests:
            seen = ", ".join(in_the_way[:5])
            unproven = f"not proven dead after its worker was killed: {seen}"
            self._recovery.hold_unproven(attempt, ending.error if attempt.worker.is_foreign else unproven)
        return 0

    def _clear_the_way(self, attempt: OpenAttempt, cleanup: _Cleanup, waited_ms: int) -> tuple[str, ...]:
        """Continue to end the attempt's processes; what is still in the way, nothing once all is proven gone."""
        worker, keeper = attempt.worker, attempt.keeper
        if worker.is_foreign:
            return () if attempt.tree_gone or self._left_proof(attempt) else (worker.describe(),)
        if worker.boot_id != self._clock.boot_id():
            return ()
        alive = worker.is_alive()
        if alive and attempt.worker_has_it and not attempt.ended:
            # Its row names this attempt still, so it may spawn at any moment: it must not wake up.
            worker.kill(signal.SIGKILL)
            return (worker.describe(),)
        if alive and waited_ms < KEEPER_PATIENCE_MS:
            return (worker.describe(),)  # it lives and works for others: it proves and closes by itself
        if not alive and keeper is not None and keeper.is_alive():
            if waited_ms >= KEEPER_PATIENCE_MS:
                kill_tree(keeper)
            return (keeper.describe(),)
        if attempt.tree_gone or self._left_proof(attempt):
            return ()
        if alive is None and not self._is_gone_elsewhere(keeper):
            return (worker.describe(),)  # nothing that is seen from here can prove it
        return self._sweep(attempt, cleanup)

    def _end_runs(self, attempt: OpenAttempt, cleanup: _Cleanup) -> tuple[str, ...]:
        """Have engines end what they run for the attempt; what they have not yet said to be gone.

        Only once its processes are proven gone: a client that lives could start something behind our back.
        """
        left: list[str] = []
        now = self._clock.mono_ms()
        for run in self._recovery.open_runs(attempt):
            if now < cleanup.next_ask and run.name not in cleanup.efforts:
                left.append(cleanup.unknown or run.name)
                continue
            if run.name not in cleanup.efforts:
                cleanup.efforts[run.name] = Effort(run)
            answer = cleanup.efforts[run.name].answer()
            if answer is None:
                left.append(cleanup.unknown or f"{run.runner} is asked to remove {run.name}")
                continue
            del cleanup.efforts[run.name]
            if answer.gone:
                self._recovery.note_run_gone(attempt, run)
            else:
                cleanup.unknown = answer.text
                cleanup.next_ask = now + (HELD_SWEEP_EVERY_MS if cleanup.rests else ASK_AGAIN_MS)
                left.append(answer.text)
        return tuple(left)

    def _left_proof(self, attempt: OpenAttempt) -> bool:
        # Written just before the keeper ended, maybe after this round began.
        run = self._workers.get(attempt.run)
        return run is not None and run.tree_gone

    def _sweep(self, attempt: OpenAttempt, cleanup: _Cleanup) -> tuple[str, ...]:
        """One pass of the fallback when worker and keeper were killed at once; two empty ones are the proof."""
        now = self._clock.mono_ms()
        if now < cleanup.next_sweep:
            return cleanup.left
        left = (*self._kill_adopted(attempt), *self._kill_remaining(attempt))
        if not left and cleanup.was_empty:
            if attempt.keeper is None or self._lifelines.is_free(attempt.keeper) is not False:
                return ()
            cleanup.next_sweep = now + (HELD_SWEEP_EVERY_MS if cleanup.rests else SWEEP_EVERY_MS)
            cleanup.left = ("a hidden process holds the lock file of its worker",)
            return cleanup.left
        cleanup.was_empty = not left
        if not left:
            cleanup.next_sweep = now + round(PASS_GAP_S * 1000)
            cleanup.left = ("a second look at all processes",)
        else:
            cleanup.next_sweep = now + (HELD_SWEEP_EVERY_MS if cleanup.rests else SWEEP_EVERY_MS)
            cleanup.left = tuple(dict.fromkeys(process.describe() for process in left))
        return cleanup.left

    def _kill_remaining(self, attempt: OpenAttempt) -> tuple[ProcessId, ...]:
        living = [w.keeper for w in self._workers.alive() if w.keeper is not None and w.run != attempt.run]
        recorded, holders, above = self._recovery.recorded_processes(attempt), [], None
        if attempt.keeper is not None:
            if (known := self._lifelines.ancestors(attempt.keeper)) is not None:
                above = {attempt.keeper, *known}
            recorded += self._lifelines.recorded(attempt.keeper)
            holders = self._lifelines.holders(attempt.keeper)
        if attempt.worker.is_alive() is None:
            recorded = []  # pids of another container, which is proven gone
        return kill_remaining(
            attempt.attempt,
            recorded=recorded,
            since=attempt.worker.start_time,
            others=living,
            holders=holders,
            above=above,
        )

    def _kill_adopted(self, attempt: OpenAttempt) -> list[ProcessId]:
        """Kill what supervisord inherited since the worker began, the keepers of others apart: these still work."""
        leftovers = [
            process
            for process in self._adopted()
            if process.start_time >= attempt.worker.start_time and not self._workers.is_keeper(process)
        ]
        for process in leftovers:
            kill_tree(process)
        return leftovers

    # ───── workers ─────

    def _mark_dead_workers(self) -> None:
        for worker in self._workers.alive():
            alive = worker.process.is_alive()
            if alive is False:
                restarted = worker.process.boot_id != self._clock.boot_id()
                why = "the machine was restarted" if restarted else f"process {worker.process.pid} died"
                self._workers.end(worker.run, crashed=True, reason=why)
                self._clear_lifelines = True
            elif alive is None and self._is_gone_elsewhere(worker.keeper):
                self._workers.end(worker.run, crashed=True, reason=CONTAINER_GONE)
                self._clear_lifelines = True
            elif worker.process.is_foreign:
                if self._is_silent_abroad(worker.run, worker.heartbeat_at):
                    why = silent_abroad(f"process {worker.process.pid}", worker.hostname)
                    self._workers.end(worker.run, crashed=True, reason=why)
            elif alive is None and self._is_silent(worker):
                # Of another container: its row says that it is over, should it ever wake up.
                why = "no heartbeat from another pid namespace until its lease expired"
                self._workers.end(worker.run, crashed=True, reason=why)

    def _is_silent(self, worker: WorkerRun) -> bool:
        if self._clock.mono_ms() <= worker.lease_until_mono:
            return False
        return self._patience.is_over(("silent", worker.run), after_ms=self._limits.overdue_ms)

    def _forget_all_but(self, open_now: set[str]) -> None:
        for gone in self._cleanups.keys() - open_now:
            del self._cleanups[gone]


def silent_abroad(worker: str, hostname: str) -> str:
    """What is known of a worker of another machine that gives no heartbeat."""
    return f"no heartbeat from {worker} on another machine, {hostname}; whether it still runs is not known here"


def sole_reaper(state_dir: Path, *, wait: bool) -> AbstractContextManager[bool]:
    """Hold the advisory lock that lets one process reap at a time; the value says whether it was taken.

    Args:
        wait: Wait for the other one to finish its round; else give up at once.
    """
    return alone(state_dir / "reaper.lock", wait=wait)
