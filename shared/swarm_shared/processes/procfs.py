"""Data about one process from /proc: its state, parents, times and children."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache

from msgspec import Struct

# include/linux/sched.h: kernel threads have no environment, command line or memory.
_PF_KTHREAD = 0x00200000
# Gone, or hidden from us by the mount option hidepid.
_NOT_SHOWN = (FileNotFoundError, ProcessLookupError, PermissionError)


class Stat(Struct, frozen=True, kw_only=True):
    """One reading of a process.

    `start_time` names the process together with its pid: clock ticks since boot (field 22 of
    /proc/PID/stat). `cpu_s` counts the process and those of
    its children that it has waited for, in seconds; `rss_bytes` counts shared pages in full.
    """

    name: str
    state: str
    parent: int
    group: int
    session: int
    threads: int
    start_time: int
    cpu_s: float
    rss_bytes: int
    kernel_thread: bool

    @property
    def ended(self) -> bool:
        """True when nothing of it can run any more and only its exit status waits to be read."""
        # A main thread that has ended shows Z as well, while the other threads continue.
        return self.state in ("Z", "X") and self.threads <= 1


def read_stat(pid: int) -> Stat | None:
    """The process that has this pid now; None when there is none (or /proc hides it from us).

    Source: proc_pid_stat(5).
    """
    return _read_stat_file(f"/proc/{pid}/stat")


def thread_states(pid: int) -> list[str]:
    """The state of each thread of a process, a letter as in `Stat.state`; none when it has ended or is hidden."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except _NOT_SHOWN:
        return []
    stats = (_read_stat_file(f"/proc/{pid}/task/{thread}/stat") for thread in threads)
    return [stat.state for stat in stats if stat is not None]


def _read_stat_file(path: str) -> Stat | None:
    try:
        with open(path, "rb", buffering=0) as file:
            line = file.read()
    except _NOT_SHOWN:
        return None
    # The name is in brackets and may itself contain brackets, spaces and line endings.
    head, _, tail = line.rpartition(b")")
    fields = tail.split()
    ticks, page = _units()
    return Stat(
        name=head.partition(b"(")[2].decode(errors="replace"),
        state=fields[0].decode(),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        threads=int(fields[17]),
        start_time=int(fields[19]),
        cpu_s=sum(map(int, fields[11:15])) / ticks,
        rss_bytes=int(fields[21]) * page,
        kernel_thread=bool(int(fields[6]) & _PF_KTHREAD),
    )


@cache
def _units() -> tuple[int, int]:
    return os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def all_pids() -> list[int]:
    """The pids of all processes that this one may see."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def children_lister() -> Callable[[int], list[int]]:
    """A function that lists the children of a pid, good for one walk down a tree.

    A list may miss a child while its siblings come and go, so emptiness is no proof that none is left.
    """
    if not _kernel_lists_children():
        by_parent: dict[int, list[int]] = {}
        for pid in all_pids():
            stat = read_stat(pid)
            if stat is not None:
                by_parent.setdefault(stat.parent, []).append(pid)
        return lambda pid: by_parent.get(pid, [])
    return _listed_children


@cache
def _kernel_lists_children() -> bool:
    # Only kernels built with CONFIG_PROC_CHILDREN have the file.
    pid = os.getpid()
    return os.path.exists(f"/proc/{pid}/task/{pid}/children")


def _listed_children(pid: int) -> list[int]:
    # The kernel keeps the children of each thread apart.
    children: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except _NOT_SHOWN:
        return children
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                children.extend(map(int, file.readall().split()))
        except _NOT_SHOWN:
            continue  # the thread has ended: its children have moved to another thread or to the reaper
    return children
