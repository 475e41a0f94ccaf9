"""Git as a worker runs it: heartbeats continue, its processes carry the attempt's marks, and none of them is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.process import Completed, run_process
from swarm_worker.lease import Heart
from swarm_worker.processes.roll import Roll
from swarm_worker.processes.session_tree import Tree


class CarefulGit:
    """Wraps repositories. `marks`: the environment that names the attempt for which git works now.

    Git may start filters and merge drivers that an agent has configured; what these leave running belongs to the
    attempt, and would survive into the next one.
    """

    def __init__(self, heart: Heart, roll: Roll, tree: Tree) -> None:
        self._heart, self._roll, self._tree = heart, roll, tree
        self.marks: Mapping[str, str] = {}

    def of(self, repository: Repository) -> Repository:
        """The same repository, with its git run in this way."""
        return replace(repository, git=replace(repository.git, run=self._run, pause=self._pause))

    def _run(
        self, command: Sequence[str], *, env: Mapping[str, str], tend: Callable[[], None] = lambda: None, **how: Any
    ) -> Completed:
        def tend_all() -> None:
            self._heart.beat_if_due()
            self._roll.call_if_due()
            tend()

        self._heart.beat_if_due()
        try:
            return run_process(command, env={**env, **self.marks}, tend=tend_all, **how)
        finally:
            self._tree.clear()

    def _pause(self, s: float) -> None:
        self._heart.beat_if_due()
        time.sleep(s)
