"""Process settings of supervisord: adopted children, and the signal on the death of its owner.

Linux only; elsewhere nothing is adopted and no owner is watched.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
from collections.abc import Iterable
from functools import cache
from pathlib import Path

OWNER_VARIABLE = "SWARM_OWNER"  # PID:START of the `start` that this supervisord must not outlive
SUPERVISORD_VARIABLE = "SWARM_SUPERVISORD"  # PID:START of this supervisord, for the programs that must not outlive it
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def set_up_process() -> None:
    """Adopt what programs leave behind, show programs our identity, and request SIGTERM when an owner that is our
    parent dies.

    Source: prctl(2): a fork inherits neither setting, so call it in the process that stays.
    """
    _strangers()
    os.environ[SUPERVISORD_VARIABLE] = _alive(str(os.getpid())) or ""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)
    if os.environ.get(OWNER_VARIABLE, "").partition(":")[0] == str(os.getppid()):
        prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM), 0, 0, 0)


def owner_has_gone() -> bool:
    """True once the owner is dead, even if its pid is another's by now; False where none is named."""
    owner = os.environ.get(OWNER_VARIABLE, "")
    if not re.fullmatch(r"[1-9]\d*:\d+", owner):
        return False
    return _alive(owner.partition(":")[0]) != owner


def adopted(own: Iterable[int]) -> list[str]:
    """PID:START of live direct children that are neither programs (`own`) nor older than the first program.

    START is field 22 of /proc/PID/stat; text, as months of uptime make it too large for an XML-RPC integer.
    """
    # First the children, then the table: a program started in between cannot be mistaken for an orphan.
    children = _children() - _strangers()
    programs = {str(pid) for pid in own}
    return sorted(child for child in children if child.partition(":")[0] not in programs)


@cache
def _strangers() -> frozenset[str]:
    """Children of a shell that became supervisord by `exec`: not ours to judge. Asked for at the start."""
    return _children()


def _children() -> frozenset[str]:
    # By a scan, since not every kernel has /proc/PID/task/TID/children.
    ours = str(os.getpid())
    found = (_alive(name, parent=ours) for name in os.listdir("/proc") if name.isdecimal())
    return frozenset(child for child in found if child)


def _alive(pid: str, *, parent: str | None = None) -> str | None:
    """PID:START while that process lives (and is the parent's child); the dead and not yet reaped do not."""
    try:
        stat = Path("/proc", pid, "stat").read_bytes()
    except OSError:
        return None
    # Counting begins after field 2, the name in parentheses, which may hold anything.
    state, its_parent, *more = stat.rpartition(b")")[2].decode().split()
    if state in "ZX" or parent not in (None, its_parent):
        return None
    return f"{pid}:{more[17]}"
