"""Ends everything below this process, whatever session, group or environment it has moved to.

It relies on the kernel's guarantee to a child subreaper: an orphan below it becomes its child. So the tree can
only shrink towards this process, and when waiting says that there is no child, nothing is left.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time

from swarm_shared.processes.identity import ProcessId, wait_for_ends
from swarm_shared.processes.procfs import read_stat
from swarm_shared.processes.tree import below_us, descendants

# After this long of killing, anything left (an uninterruptible process, a fork chain) counts as unproven.
EFFORT_S = 10.0
# Asking: how soon a process that was started after the first TERM gets its own.
_ASK_AGAIN_S = 0.05
# Killing: between two rounds where no child's death wakes us earlier; doubled up to the longest.
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1
_PAUSE_PAST_EFFORT_S = 1.0
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Make this process inherit every orphan below it, at any depth.

    Source: PR_SET_CHILD_SUBREAPER(2const).

    Raises:
        OSError: The kernel refused.
    """
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this kernel does not support child subreapers")


class Extinction:
    """One effort to end all descendants of the calling process: TERM, a grace, then KILL until none is left.

    The owner calls `round`, waits as long as it says or until a child ends, reaps, and calls again; only
    its own ECHILD is the end. Times are seconds on the monotonic clock, handed in.
    """

    def __init__(self, *, now: float, grace_s: float) -> None:
        self._kill_at = now + grace_s
        self._pause_s = _FIRST_PAUSE_S
        self._asked: set[ProcessId] = set()

    def hasten(self, *, now: float, grace_s: float) -> None:
        """End a running grace earlier."""
        self._kill_at = min(self._kill_at, now + grace_s)

    def is_past_effort(self, now: float) -> bool:
        """Whether killing has gone on for `EFFORT_S`."""
        return now > self._kill_at + EFFORT_S

    def round(self, now: float) -> float:
        """Signal what is there; the result is the seconds after which the next round is due."""
        if now < self._kill_at:
            self._ask()
            return min(_ASK_AGAIN_S, self._kill_at - now)
        _kill_all()
        if self.is_past_effort(now):
            return _PAUSE_PAST_EFFORT_S
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        return self._pause_s

    def _ask(self) -> None:
        for process in descendants(os.getpid()):
            if process not in self._asked:
                self._asked.add(process)
                process.kill(signal.SIGTERM)
                process.kill(signal.SIGCONT)  # a stopped one could not obey


def _kill_all() -> None:
    """Kill every descendant once, each with its whole process group.

    A chain of processes that fork and leave can outrun a list of pids. It cannot outrun a signal to
    its group: the kernel stops a fork that races with one.
    """
    own_session = os.getsid(0)
    groups: set[int] = set()
    for process in descendants(os.getpid()):
        stat = read_stat(process.pid)
        # A session other than ours was made below us, so no stranger can be in its groups. Group numbers
        # below 2 belong to outer pid namespaces, and to killpg they would mean everyone.
        if (
            stat is not None
            and stat.start_time == process.start_time
            and stat.session != own_session
            and stat.group > 1
            and stat.group not in groups
        ):
            groups.add(stat.group)
            try:
                os.killpg(stat.group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # it has ended, or belongs to another user: the next line and the next round show it
        process.kill(signal.SIGKILL)


def reap() -> tuple[list[tuple[int, int]], bool]:
    """Take the status of every child that has ended: pairs of pid and wait status, and whether none is left.

    Takes them from everyone, so only a process whose children are all its own business may call it.
    """
    statuses: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return statuses, True
        if pid == 0:
            return statuses, False
        statuses.append((pid, status))


def extinguish(*, grace_s: float = 0.0) -> tuple[str, ...]:
    """End everything below the calling process, which must be a subreaper, and wait for the proof.

    Blocks for the grace and at most `EFFORT_S` more.

    Returns:
        What could not be ended, as texts for the user; empty if the kernel reports that nothing is left.
    """
    effort = Extinction(now=time.monotonic(), grace_s=grace_s)
    while not reap()[1]:
        now = time.monotonic()
        if effort.is_past_effort(now):
            return survivors()
        pause_s = effort.round(now)
        wait_for_ends(descendants(os.getpid()), pause_s)
    return ()


def survivors() -> tuple[str, ...]:
    """What is below the calling process, if the kernel reports that something is: texts for the user, at least one."""
    # Finding nothing proves nothing: treating it as "gone" would give the task to another agent.
    return tuple(process.describe() for process in below_us()) or ("a hidden process",)
