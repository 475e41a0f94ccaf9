"""The processes below the worker, recorded repeatedly while something runs.

If everything is killed in one moment, nothing else knows about a daemon that left its parent, cleared its environment
and closed its files. The later proof that the attempt is gone finds it here.
"""

from __future__ import annotations

import os
import time

from swarm_shared.processes.lifeline import Lifeline
from swarm_shared.processes.procfs import children_lister
from swarm_shared.processes.tree import descendants

EVERY_S = 0.5
# The walk over a large tree may take a hundredth of the worker's time.
_SHARE = 0.01


class Roll:
    """Lists everything below this process, and records it in the worker's lifeline."""

    def __init__(self, lifeline: Lifeline) -> None:
        self._lifeline = lifeline
        self._children: list[int] = []
        self._next = self._next_glance = 0.0

    def call_if_due(self) -> None:
        """Record the processes below, if that was not done for a while or there is a new child.

        Cheap enough for every round: an orphan becomes our child, and our children are listed in one file.
        """
        began = time.monotonic()
        if began < self._next_glance:
            return
        try:
            children = children_lister()(os.getpid())
            # Where the kernel does not list children, this has walked over all processes.
            self._next_glance = time.monotonic() + (time.monotonic() - began) / _SHARE
            if began < self._next and set(children) <= set(self._children):
                return
            self._children = children
            self._lifeline.record(descendants(os.getpid()))
        except OSError:
            return  # out of descriptors, say: it is called again soon
        now = time.monotonic()
        self._next = now + max(EVERY_S, (now - began) / _SHARE)
