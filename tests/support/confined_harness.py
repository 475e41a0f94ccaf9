"""A swarm's places with secrets around them, and commands that run confined in a task's worktree."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from swarm_shared.domain.runners import BwrapOptions
from swarm_shared.runners.bwrap import Bwrap
from swarm_shared.runners.runner import Command, Grounds

SECRET = "canary-7f3a"
START_UP = "# mine\n"
AUTHOR = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class ConfinedHarness:
    """Folders below `folder`: home, project with two linked worktrees, database, state folder, outside."""

    def __init__(self, folder: Path, options: BwrapOptions | None = None) -> None:
        self.folder = folder
        self.home, self.project, self.outside = folder / "home", folder / "project", folder / "outside"
        self.state = folder / "tasks.db.swarm"
        self.database = folder / "tasks.db"
        self.worktree, self.sibling = self.state / "worktrees" / "t1", self.state / "worktrees" / "t2"
        for path in (self.home / ".ssh", self.home / ".agent", self.project, self.outside, self.state):
            path.mkdir(parents=True)
        for path in (self.home / ".ssh" / "id", self.home / ".netrc", self.database, self.state / "token"):
            path.write_text(SECRET)
        (self.home / ".bashrc").write_text(START_UP)
        self.git("init", "-q", "-b", "main")
        (self.project / "a").write_text("a\n")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "Start")
        for path in (self.worktree, self.sibling):
            self.git("worktree", "add", "-q", "-b", f"swarm/{path.name}", str(path))
        self.runner = Bwrap.usable(options or BwrapOptions(), self.grounds)

    @property
    def grounds(self) -> Grounds:
        return Grounds(
            home=self.home,
            project_root=self.project,
            common_dir=self.project / ".git",
            database=self.database,
            state_dir=self.state,
        )

    def git(self, *words: str, cwd: Path | None = None) -> str:
        """Git as the user calls it: with all of the repository's settings and hooks."""
        ended = subprocess.run(
            ["git", *words], cwd=cwd or self.project, env=self.environ(), capture_output=True, text=True, check=False
        )
        return ended.stdout + ended.stderr

    def environ(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), **AUTHOR}

    def argv(self, script: str, *, cwd: Path | None = None, state: tuple[str, ...] = ()) -> tuple[str, ...]:
        command = Command(argv=("/bin/sh", "-c", script), cwd=cwd or self.worktree, state=state)
        return self.runner.argv(command)

    def run(
        self, script: str, *, env: Mapping[str, str] = {}, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell script in the worktree, confined, with the variables that it gets from the whole environment."""
        names = {
            "OUT": self.outside,
            "W": self.worktree,
            "S": self.sibling,
            "G": self.project / ".git",
            "GW": self.project / ".git" / "worktrees" / "t1",
            "STATE": self.state,
            "DB": self.database,
        }
        passed = self.runner.environment({**self.environ(), **env})
        return subprocess.run(
            self.argv(script, cwd=cwd),
            env={**passed, **{name: str(value) for name, value in names.items()}},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def fingerprint(self) -> dict[str, str]:
        """Everything that no session may change, by path."""
        common = self.project / ".git"
        own = common / "worktrees" / "t1"
        roots = (self.home, self.outside, self.sibling, common / "hooks", common / "worktrees" / "t2")
        single = (common / "config", common / "commondir", own / "commondir", own / "gitdir", self.worktree / ".git")
        files = [path for root in roots for path in root.rglob("*") if path.is_file() and path.name != "index"]
        found = {}
        for path in (*files, *single, self.database, Path("/etc/swarm-escape"), self.project / "a"):
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "absent"
        return found


def listening(path: Path) -> socket.socket:
    """A server on a unix socket."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server
