"""The processes below a process: lists them, measures them, and ends them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Set

from msgspec import Struct

from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import children_lister, read_stat, thread_states

# A tree that still grows after so many rounds of stopping is left to the caller's next try.
_FREEZE_ROUNDS = 50
# SIGSTOP takes effect within milliseconds, later only on an overloaded machine.
_STOP_S = 2.0
_STOP_POLL_S = 0.001
# Running or woken by the signal; source: proc_pid_stat(5). One that waits for its disk, or for the child of its
# vfork, may wait for hours and is not waited for.
_MAY_FORK = frozenset("RS")


class TreeUsage(Struct, frozen=True, kw_only=True):
    """What a process and all below it use.

    `cpu_s` changes whenever anything in the tree works; it may also fall when a process ends, so compare
    for difference. `rss_bytes` counts shared pages once per process. `count` is 0 when the root has ended.
    """

    cpu_s: float
    rss_bytes: int
    count: int


def descendants(pid: int) -> list[ProcessId]:
    """Everything below a process now, parents before children, without those that have ended.

    One scan, not a proof: processes started or adopted meanwhile may be missing.
    """
    children_of = children_lister()
    found: list[ProcessId] = []
    walked = [pid]
    for parent in walked:  # grows while it is walked
        for child in children_of(parent):
            stat = read_stat(child)
            # Another parent: adopted a moment ago, or the number went to another process. The next look shows it.
            if stat is None or stat.parent != parent:
                continue
            walked.append(child)
            if not stat.ended:
                found.append(ProcessId.here(child, stat.start_time))
    return found


def ancestors(pid: int) -> list[ProcessId] | None:
    """The parents of a process up to the first process of its pid namespace, nearest first; None: not to be seen."""
    found: list[ProcessId] = []
    while (stat := read_stat(pid)) is not None:
        if stat.parent <= 1:
            return found
        above = read_stat(stat.parent)
        now = read_stat(pid)
        if above is None or now is None or (now.start_time, now.parent) != (stat.start_time, stat.parent):
            return None  # its parent ended meanwhile
        pid = stat.parent
        found.append(ProcessId.here(pid, above.start_time))
    return None


def below_us(*, ignoring: Set[ProcessId] = frozenset()) -> list[ProcessId]:
    """What is below the calling process, a child subreaper: no process is overlooked for having moved.

    One whose parent dies during a look moves from there to us unseen. The next look finds it: we do not die.
    """

    def look() -> list[ProcessId]:
        return [process for process in descendants(os.getpid()) if process not in ignoring]

    return look() or look()


def tree_usage(pid: int) -> TreeUsage:
    """What the process and everything below it use now; see `TreeUsage` for the units."""
    return _usage([pid, *(member.pid for member in descendants(pid))])


def usage_below(pid: int) -> TreeUsage:
    """As `tree_usage`, without the process itself."""
    return _usage([member.pid for member in descendants(pid)])


def _usage(pids: list[int]) -> TreeUsage:
    stats = [stat for pid in pids if (stat := read_stat(pid))]
    return TreeUsage(
        cpu_s=sum(stat.cpu_s for stat in stats),
        rss_bytes=sum(stat.rss_bytes for stat in stats),
        count=len(stats),
    )


def kill_tree(root: ProcessId) -> list[ProcessId]:
    """Kill a process and everything below it, without being the one that inherits its orphans.

    All are stopped first, from the top down until no new one shows, and killed then: killing at once
    would cut the branches off the tree before they were seen.

    Returns:
        Everything that was sent a KILL; none when the root has ended or is not ours to judge.
    """
    stopped: dict[ProcessId, bool] = {}  # and whether the signal could be sent
    deadline = time.monotonic() + _STOP_S
    for _ in range(_FREEZE_ROUNDS):
        # A process in the middle of a fork stops only after it: a scan before that would miss the child.
        _wait_until_stopped((member for member, sent in stopped.items() if sent), deadline)
        if not root.is_alive():
            break
        # Never the caller itself: stopped, it could not continue to kill.
        fresh = [
            member for member in [root, *descendants(root.pid)] if member not in stopped and member.pid != os.getpid()
        ]
        if not fresh:
            break
        for member in fresh:
            stopped[member] = member.kill(signal.SIGSTOP)
    for member in stopped:
        member.kill(signal.SIGKILL)
    return list(stopped)


def _wait_until_stopped(members: Iterable[ProcessId], deadline: float) -> None:
    """Return when no thread of these processes can fork any more, at the latest at the deadline (monotonic)."""
    for member in members:
        while not _MAY_FORK.isdisjoint(thread_states(member.pid)):
            if time.monotonic() > deadline:
                return
            time.sleep(_STOP_POLL_S)
