"""Ends every process that this run has started, at any depth, once its supervisord is down.

The run is a child subreaper: what loses its parent below it becomes its own child, so nothing can leave the tree.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterable

from swarm_shared.processes.identity import ProcessId, wait_for_ends
from swarm_shared.processes.procfs import read_stat
from swarm_shared.processes.tree import below_us, descendants, kill_tree

_PR_SET_CHILD_SUBREAPER = 36
ASK_AFTER_S = 1.0  # services end by themselves when supervisord or this run does
EFFORT_S = 5.0  # of killing; what is left then is reported
POLL_S = 0.05


class Subtree:
    """The tree under the calling process, without what was there before the run began.

    A shell that becomes this program by `exec` may already have children, which are not ours.
    """

    def __init__(self) -> None:
        """Become the process that inherits orphans; to be created before anything is started."""
        self._strangers = frozenset(descendants(os.getpid()))
        # Source: PR_SET_CHILD_SUBREAPER(2const). Where it is refused, descent from supervisord still holds.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def alive(self) -> list[ProcessId]:
        """The processes that we started and that are still running."""
        return below_us(ignoring=self._strangers)

    def end(self, *, grace_s: float) -> tuple[str, ...]:
        """Wait until all of it has ended by itself, ask what does not, and kill the rest when the grace is over.

        Returns:
            Processes that could not be ended, as texts for display.
        """
        began = time.monotonic()
        asked: set[ProcessId] = set()
        while alive := self.alive():
            waited_s = time.monotonic() - began
            if waited_s > grace_s + EFFORT_S:
                return tuple(process.describe() for process in alive)
            if waited_s >= grace_s:
                _kill(alive)
            elif waited_s >= ASK_AFTER_S:
                # A service that was just starting when supervisord died considers us its parent.
                fresh = [process for process in alive if process not in asked and _is_child(process)]
                for process in fresh:
                    process.kill(signal.SIGTERM)
                asked.update(fresh)
            wait_for_ends(alive, POLL_S)
        return ()


def _is_child(process: ProcessId) -> bool:
    stat = read_stat(process.pid)
    return stat is not None and stat.parent == os.getpid()


def _kill(processes: Iterable[ProcessId]) -> None:
    for process in processes:
        kill_tree(process)  # one that died with its parent a moment ago is no harm
