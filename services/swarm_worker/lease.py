"""The signs of life of worker and agent: heartbeats renew the lease, and progress resets the timeout for stuck
sessions.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.processes.tree import tree_usage
from swarm_shared.program.logs import event
from swarm_shared.store.swarm.workers import Uses, Workers

LOG = logging.getLogger("swarm.worker")
RETRY_S = 1.0  # after a heartbeat that the database did not take
PROGRESS_POLL_S = 5.0
# CPU time of a tree: if the kernel does not list children, each measurement reads all of /proc.
COSTLY_POLL_S = 60.0
USES_POLL_S = 2.0  # usage is reported with the heartbeat, but not measured more often than this


class Heart:
    """Sends a heartbeat when it is due; a failed heartbeat is retried soon and is not a reason to stop."""

    def __init__(
        self,
        workers: Workers,
        clock: Clock,
        *,
        run: int,
        heartbeat_s: float,
        lease_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now`: monotonic seconds."""
        self.alive = True  # False: our row says that this worker is over
        self._now = now
        self._workers, self._clock, self._run = workers, clock, run
        self._heartbeat_s, self._lease_s = heartbeat_s, lease_s
        self._next = now() + heartbeat_s
        self._usage = ResourceUse(os.getpid(), now=now)

    def due_in(self) -> float:
        """Seconds until the next beat."""
        return max(0.0, self._next - self._now())

    def beat_if_due(self) -> None:
        if self.due_in() > 0:
            return
        began = self._clock.mono_ms()
        try:
            self.alive = self._workers.heartbeat(
                self._run, began_mono_ms=began, lease_s=self._lease_s, uses=self._usage.measure()
            )
            self._next = self._now() + self._heartbeat_s
        except DatabaseError as error:
            event(LOG, "heartbeat_missed", level=logging.WARNING, reason=error)
            self._next = self._now() + min(RETRY_S, self._heartbeat_s)


class ResourceUse:
    """The resource use of a process and everything below it, between two measurements."""

    def __init__(self, pid: int, *, every_s: float = USES_POLL_S, now: Callable[[], float] = time.monotonic) -> None:
        self._pid, self._now = pid, now
        self._every_s = every_s
        self._seen: tuple[float, float] | None = None  # monotonic time and seconds of processor time

    def measure(self) -> Uses | None:
        """The current use; None if the last measurement was a moment ago, or nothing could be read."""
        now = self._now()
        if self._seen is not None and now - self._seen[0] < self._every_s:
            return None
        try:
            usage = tree_usage(self._pid)
        except OSError:
            return None  # out of descriptors, for example: a heartbeat does not fail because of this
        if not usage.count:
            return None
        share = None
        if self._seen is not None:
            # A process that ended unseen takes its time with it, so the sum may fall.
            share = round(max(0.0, usage.cpu_s - self._seen[1]) / (now - self._seen[0]), 3)
        self._seen = (now, usage.cpu_s)
        return Uses(rss_bytes=usage.rss_bytes, cpu_share=share, processes=usage.count)


class ProgressMeter:
    """Signs that an agent makes progress: output, growth of its session files, CPU time in its process tree."""

    def __init__(
        self,
        signs: list[Callable[[], float | None]],
        *,
        cpu_s: Callable[[], float | None],
        idle_cpu_s: float = 1.0,
        patience_s: float | None,
        note: Callable[[], None],
        now: Callable[[], float],
    ) -> None:
        """Start counting now.

        Args:
            signs: Numbers that rise while the agent moves; None when unknown.
            cpu_s: Seconds of CPU time so far; measured seldom, and only while none of the signs changes.
            idle_cpu_s: Seconds of CPU time a minute that an idle agent uses; only more than that is progress.
            patience_s: Seconds without any sign that make it stuck; None for agents that show none.
            note: Stores a sign of progress.
            now: Monotonic seconds.
        """
        self._now = now
        self._signs, self._cpu_s, self._patience_s, self._note = signs, cpu_s, patience_s, note
        self._idle_share = idle_cpu_s / 60
        self._last: list[float | None] = [None] * len(signs)  # read later: most sessions are over by then
        self._moved_at = self._now()
        poll_s = PROGRESS_POLL_S if patience_s is None else min(PROGRESS_POLL_S, patience_s / 4)
        self._poll_s = poll_s
        self._next = self._now() + poll_s
        self._cpu_poll_s = COSTLY_POLL_S if patience_s is None else min(COSTLY_POLL_S, patience_s / 4)
        self._next_cpu = self._moved_at + self._cpu_poll_s
        self._last_cpu: tuple[float, float] | None = None  # monotonic time and seconds of CPU time

    def due_in(self) -> float:
        return max(0.0, self._next - self._now())

    def silent_s(self) -> float:
        """Seconds since the last sign."""
        return self._now() - self._moved_at

    def is_stuck(self) -> bool:
        return self._patience_s is not None and self.silent_s() > self._patience_s

    def check_if_due(self) -> None:
        """Compare the signs with the last check, and record progress if one has increased."""
        if self.due_in() > 0:
            return
        self._next = self._now() + self._poll_s
        found = [sign() for sign in self._signs]
        moved = any(new is not None and new != old for new, old in zip(found, self._last, strict=True))
        self._last = found
        # An agent that shows nothing is bound by its session limit alone: here its life is the sign.
        if moved or self._patience_s is None:
            self._last_cpu, self._next_cpu = None, self._now() + self._cpu_poll_s
        else:
            moved = self._moved_by_cpu()
        if moved or self._patience_s is None:
            self._moved_at = self._now()
            try:
                self._note()
            except DatabaseError as error:
                event(LOG, "progress_not_noted", level=logging.WARNING, reason=error)

    def _moved_by_cpu(self) -> bool:
        """Whether enough was used since the last measurement in this silence; the first one only sets the baseline."""
        now = self._now()
        if now < self._next_cpu:
            return False
        self._next_cpu = now + self._cpu_poll_s
        used = self._cpu_s()
        before, self._last_cpu = self._last_cpu, None if used is None else (now, used)
        if before is None or used is None:
            return False
        # It falls when a process ends unseen and takes its time with it: that is a change as well.
        return abs(used - before[1]) >= self._idle_share * (now - before[0])
