"""The lock on `packed-refs` that a killed git leaves behind, which prevents deleting any ref.

Any git can create it: ours, an agent's `git branch -d` or `git gc`, the user's. So it is removed only with proof.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from swarm_shared.git.running.living_gits import may_work_in
from swarm_shared.processes.procfs import all_pids, read_stat

ABANDONED_S = 10.0  # git holds it for as long as it takes to write the file: milliseconds
_NAMED = re.compile(r"'([^'\n]*/packed-refs\.lock)'")


def remove_abandoned(said: str) -> bool:
    """Remove the lock that git's error names, if the process that made it is dead; whether it is gone.

    Dead: the lock is ten seconds old, and no living git that may work in the repository had been started when it was
    made. Elsewhere one may live for hours: `git log` waits for its pager.

    Args:
        said: What git printed when it could not take the lock.
    """
    found = _NAMED.search(said)
    if found is None:
        return False
    lock = Path(found[1])
    try:
        made_at = lock.stat().st_mtime
    except FileNotFoundError:
        return True
    if time.time() - made_at < ABANDONED_S or _any_git_since_before(made_at, lock.parent):
        return False
    lock.unlink(missing_ok=True)
    return True


def _any_git_since_before(moment_s: float, common_dir: Path) -> bool:
    """Whether a git lives that may work in a repository and was started before a moment, in seconds since 1970."""
    ticks = os.sysconf("SC_CLK_TCK")
    booted_s = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    stats = ((pid, read_stat(pid)) for pid in all_pids())
    return any(
        stat is not None
        and stat.name.startswith("git")
        and not stat.ended
        and booted_s + stat.start_time / ticks <= moment_s + 1
        and may_work_in(pid, common_dir)
        for pid, stat in stats
    )
