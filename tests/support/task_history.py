"""A task's worktree in a project with several histories, in which a test plays the agent."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

import msgspec
from repositories import Harness
from task_bench import Bench

from swarm_shared.git.landing.following import Integration
from swarm_shared.git.snapshots.snapshot import Snapshot, take_snapshot
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees

OLD = 1_600_000_000  # when everything was committed that was there before the agent


class Project(Harness):
    """A project with older versions, a branch that has not landed, and a branch with its own history."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, files={"README": "hello\n", "old.txt": "1\n"})
        self.git("tag", "v1")
        for number in range(3):
            self.dated_commit({"lib.py": f"version {number}\n", f"module{number}.py": "1\n"})
        self.git("checkout", "-q", "-b", "feature", "v1")
        self.dated_commit({"feature.py": "1\n"})
        self.git("tag", "side")
        self.git("checkout", "-q", "-b", "ahead", "main")
        self.dated_commit({"ahead.py": "1\n", "lib.py": "ahead\n"})
        self.git("checkout", "-q", "--orphan", "pages")
        self.git("rm", "-r", "-q", "-f", ".")
        self.dated_commit({"index.html": "1\n"})
        self.git("checkout", "-q", "main")

    def dated_commit(self, files: dict[str, str | bytes]) -> str:
        self.write(files)
        self.git("add", "-A")
        dated = {**self.env, "GIT_COMMITTER_DATE": f"{OLD} +0000", "GIT_AUTHOR_DATE": f"{OLD} +0000"}
        subprocess.run(["git", "commit", "-q", "-m", "before"], cwd=self.root, env=dated, check=True)
        return self.sha("HEAD")


class History(Bench, Project):
    """A task's worktree in a copy of such a project, in which a test plays the agent."""

    def __init__(self, folder: Path, project: Path) -> None:
        shutil.copytree(project, folder, symlinks=True, dirs_exist_ok=True)
        self.folder, self.settings, self.root = folder, folder / "gitconfig", folder / "project"
        self.base = self.sha("main")
        self.repo = self.repository()
        self.trees = TaskWorktrees(self.repo, folder / "state" / "worktrees")
        self.integration = Integration(repository=self.repo)
        self.integration.begin(self.base)
        self.tree = self.open("t")
        self.at = self.tree.cwd

    def copy(self, folder: Path) -> History:
        """All of it in another folder, as if it had been made there; takes no git process."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        git_dir, before, after = folder / "project" / ".git", os.fsencode(self.folder), os.fsencode(folder)
        for link in (*git_dir.glob("worktrees/*/gitdir"), *folder.glob("state/worktrees/*/.git")):
            link.write_bytes(link.read_bytes().replace(before, after))
        copied = object.__new__(History)
        copied.folder, copied.settings, copied.root = folder, folder / "gitconfig", folder / "project"
        copied.base = self.base
        git = dataclasses.replace(self.repo.git, cwd=git_dir, git_dir=git_dir, environ=copied.env)
        copied.repo = dataclasses.replace(
            self.repo, common_dir=git_dir, git_dir=git_dir, top_level=copied.root, git=git
        )
        copied.trees = TaskWorktrees(copied.repo, folder / "state" / "worktrees")
        copied.integration = Integration(repository=copied.repo)
        found = copied.trees.find("t")
        assert found is not None
        copied.tree = msgspec.structs.replace(self.tree, checkout=found, cwd=found.path)
        copied.at = copied.tree.cwd
        return copied

    def play(self, script: str) -> None:
        """What the agent does in its worktree; a step that fails may be the point of it."""
        env = {**self.env, "FILTER_BRANCH_SQUELCH_WARNING": "1"}  # it would sleep for ten seconds
        subprocess.run(["sh", "-c", script], cwd=self.at, env=env, check=False, capture_output=True)

    def land_another(self) -> None:
        """Another task lands `first.txt` while this one runs."""
        tree = self.open("other", self.base)
        self.write({"first.txt": "1\n"}, at=tree.cwd)
        made = take_snapshot(tree.checkout, safe="other", base_sha=self.base, message="other")
        self.land(made.head_sha)

    def land(self, head: str) -> str:
        tip = self.integration.tip()
        assert tip is not None
        merge = self.integration.plan_landing(head, tip=tip, task_id="t", attempt_id="u", name="n")
        assert merge.new is not None, merge
        self.integration.advance(merge.new, old=tip)
        return merge.new

    def seal(self) -> Snapshot:
        return take_snapshot(
            self.tree.checkout,
            safe="t",
            base_sha=self.tree.base_sha,
            message="work\n",
            trunk=self.integration.tip(),
        )

    def change_of(self, landed: str) -> dict[str, str]:
        """What a landing changed on the branch: letters by path."""
        lines = self.git("diff", "--name-status", "--no-renames", f"{landed}^1", landed).splitlines()
        return {path: letter for letter, path in (line.split("\t") for line in lines)}
