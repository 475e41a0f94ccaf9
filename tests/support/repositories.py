"""Git repositories of all kinds in temporary folders, for tests of the git layer; the user's real settings are
ignored.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.stale_locks import repository_lock
from swarm_shared.git.running.runner import Git
from swarm_shared.git.worktrees.task_worktrees import TaskWorktree, TaskWorktrees

PERSON = "[user]\n\tname = Ada Person\n\temail = ada@example.org\n"


PIPE_BYTES = 65_536


def many_names(folder: str) -> list[str]:
    """Paths in many folders; their list is longer than a pipe holds, where programs that do not read in time hang."""
    names = [f"{folder}/{n % 50}/{n}{'-long' * 16}" for n in range(1_000)]
    assert sum(map(len, names)) > PIPE_BYTES
    return names


def all_dead(_lock: Path) -> bool:
    """The proof, in tests without other processes."""
    return True


class Sandbox:
    """A repository `project` in its own folder, with a user's settings that only tests see."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: str = PERSON,
        bare: bool = False,
        object_format: str = "sha1",
        name: str = "project",
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = folder / "gitconfig"
        self.settings.write_text(settings)
        self.root = folder / name
        kind = ["--bare"] if bare else []
        self.git("init", "-q", "-b", "main", f"--object-format={object_format}", *kind, str(self.root), cwd=folder)

    @property
    def env(self) -> Mapping[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return {
            **plain,
            "GIT_CONFIG_GLOBAL": str(self.settings),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(self.folder),
            "HOME": str(self.folder),
        }

    def run(
        self, *arguments: str, cwd: Path | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Git as a user would run it, hooks and signing included."""
        return subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.root,
            env=dict(self.env),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=60,
        )

    def git(self, *arguments: str, cwd: Path | None = None, stdin: str | None = None) -> str:
        ended = self.run(*arguments, cwd=cwd, stdin=stdin)
        assert ended.returncode == 0, f"git {' '.join(arguments)}: {ended.stderr}"
        return ended.stdout.removesuffix("\n")

    def write(self, files: Mapping[str, str | bytes], *, at: Path | None = None) -> None:
        for name, content in files.items():
            path = (at or self.root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, files: Mapping[str, str | bytes], *, at: Path | None = None, message: str = "work") -> str:
        """A commit with these files on whatever is checked out; its sha."""
        self.write(files, at=at)
        self.git("add", "-A", cwd=at)
        self.git("commit", "-q", "--no-verify", "-m", message, cwd=at)
        return self.git("rev-parse", "HEAD", cwd=at)

    def sha(self, name: str, *, at: Path | None = None) -> str:
        return self.git("rev-parse", "--verify", name, cwd=at)

    def files(self, commit: str) -> tuple[str, ...]:
        return tuple(item for item in self.git("ls-tree", "-r", "-z", "--name-only", commit).split("\0") if item)

    def show(self, name: str) -> str:
        """The content of ``COMMIT:PATH``."""
        return self.run("show", name).stdout

    def refs(self) -> dict[str, str]:
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def repository(self, below: str = "") -> Repository:
        found = Repository.find(self.root / below, git=Git(cwd=self.root, environ=self.env))
        assert found is not None
        return found


class Harness(Sandbox):
    """A sandbox with a first commit, and the swarm's worktrees next to it."""

    def __init__(
        self, folder: Path, *, files: Mapping[str, str | bytes] | None = None, below: str = "", **how: object
    ) -> None:
        super().__init__(folder, **how)  # type: ignore[arg-type]  # handed on as it came
        self.base = self.commit(files or {"a.txt": "one\ntwo\nthree\n", ".gitignore": "*.log\nout/\n"}, message="first")
        self.repo = self.repository(below)
        self.trees = TaskWorktrees(self.repo, folder / "state" / "worktrees")

    def open(self, safe: str, base: str | None = None) -> TaskWorktree:
        return self.trees.open(safe, base or self.base, holder_is_dead=all_dead)

    def lock_is_free(self) -> bool:
        with repository_lock(self.repo, timeout_s=0):
            return True


def everything(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """All files of a checkout with times and content; and of its git directory what belongs to the user."""
    found: dict[str, tuple[int, int, bytes]] = {}
    for at, folders, names in os.walk(root):
        if ".git" in folders:
            folders.remove(".git")
        for name in names:
            _note(found, Path(at) / name)
    git_dir = root / ".git"
    for name in ("HEAD", "index", "config", "packed-refs", "logs/HEAD"):
        _note(found, git_dir / name)
    for at, _, names in os.walk(git_dir / "refs"):
        for name in names:
            path = Path(at) / name
            if "swarm" not in path.relative_to(git_dir).parts:
                _note(found, path)
    return found


def _note(found: dict[str, tuple[int, int, bytes]], path: Path) -> None:
    if path.is_file() and not path.is_symlink():
        status = path.stat()
        found[str(path)] = (status.st_mtime_ns, status.st_mode, path.read_bytes())
