"""A repository with one task's worktree, in which a test plays the agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repositories import Harness

from swarm_shared.git.snapshots.snapshot import Snapshot, take_snapshot
from swarm_shared.git.worktrees.task_worktrees import TaskWorktree


class Bench(Harness):
    """A harness with one task's worktree."""

    def __init__(self, folder: Path, **how: Any) -> None:
        super().__init__(folder, **how)
        self.tree: TaskWorktree = self.open("t")
        self.at = self.tree.cwd

    def agent(self, *arguments: str) -> None:
        self.git(*arguments, cwd=self.at)

    def snap(self) -> Snapshot:
        return take_snapshot(self.tree.checkout, safe="t", base_sha=self.tree.base_sha, message="work in progress\n")

    def parents(self, sha: str) -> list[str]:
        return self.git("rev-list", "--parents", "-n", "1", sha).split()[1:]

    def contains(self, head: str, sha: str) -> bool:
        return self.run("merge-base", "--is-ancestor", sha, head).returncode == 0
