"""The only way to run git: no prompts, hooks, signing or daemons, and no effects of the user's settings."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from swarm_shared.git.running.git_errors import GitFailed
from swarm_shared.git.running.process import Completed, Run, run_process
from swarm_shared.git.running.variables import without_git_state

SHORT_S = 60.0  # questions, refs, single commits
LONG_S = 900.0  # whatever reads or writes all files of a project

_SETTINGS = (
    "core.hooksPath=/dev/null",
    "commit.gpgsign=false",
    "merge.verifySignatures=false",
    "merge.directoryRenames=conflict",  # git's default: who moved a folder decides about files that others put there
    "gc.auto=0",  # its gc would prune worktrees, and it would outlive the command
    "maintenance.auto=false",
    "core.fsmonitor=false",  # a daemon, or a hook
    "core.safecrlf=false",  # as an error it would keep work from being committed
    "core.ignoreStat=false",  # it would set a flag that hides later edits on each file that git writes
    "core.askPass=",
    "submodule.recurse=false",
    "checkout.workers=4",  # a worktree of many files is mostly waiting for the disk
    "merge.autoStash=false",
    "color.ui=false",
    "i18n.commitEncoding=UTF-8",
    # Git does not sync loose objects; what we acknowledge must survive a power failure.
    "core.fsync=objects,reference",
    "core.fsyncMethod=batch",
)
# They would print other text or open windows in the way of our commands.
_FOREIGN = frozenset({"LANGUAGE", "SSH_ASKPASS"})
_OURS = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "GIT_OPTIONAL_LOCKS": "0",  # reading a user's checkout must not write its index
    "GIT_REFLOG_ACTION": "swarm",  # the words of a checkout of ours would change where your `git switch -` goes
    "GIT_LFS_SKIP_SMUDGE": "1",  # pointers stay pointers: no download behind a checkout
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """Git at one place.

    Args:
        cwd: Where its processes run.
        git_dir: Names the repository; without it git looks for one from `cwd` upwards.
        work_tree: The files that belong to it. Named always where files matter: an agent can delete or replace
            the `.git` of its worktree, and looking upwards would then find the user's own checkout.
        index: A private index file instead of the checkout's.
        objects: Where new objects go, and the repository's own `objects` folder, which is then only read.
        run: Starts the processes.
        pause: Waits so many seconds between tries.
        keep_open: Descriptors that the processes inherit.
        wary: Enter no repository of a worktree whose settings could run a program: agents are confined, and have
            written these settings.
    """

    cwd: Path
    git_dir: Path | None = None
    work_tree: Path | None = None
    index: Path | None = None
    objects: tuple[Path, Path] | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    run: Run = run_process
    pause: Callable[[float], object] = time.sleep
    keep_open: tuple[int, ...] = ()
    wary: bool = False

    def at(self, *, cwd: Path, git_dir: Path | None, work_tree: Path | None) -> Git:
        """The same git at another place."""
        return replace(self, cwd=cwd, git_dir=git_dir, work_tree=work_tree, index=None)

    def with_index(self, index: Path) -> Git:
        return replace(self, index=index)

    def writing_to(self, folder: Path, *, known: Path) -> Git:
        """The same git, which stores new objects in `folder` and finds those of `known`, an `objects` folder, too."""
        return replace(self, objects=(folder, known))

    def with_environ(self, more: Mapping[str, str]) -> Git:
        return replace(self, environ={**self.environ, **more})

    def offline(self) -> Git:
        """The same git, for a repository whose settings an agent has written: it fetches nothing.

        Git fetches objects that are missing by itself if a setting says where from, with a program that settings name.
        """
        return self.with_environ({"GIT_ALLOW_PROTOCOL": ""})

    def holding(self, descriptor: int) -> Git:
        """The same git, whose processes keep this descriptor open until they end, even if we die before."""
        return replace(self, keep_open=(*self.keep_open, descriptor))

    def ask(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        ok: Collection[int] = (0,),
        timeout_s: float = SHORT_S,
        limit_bytes: int | None = None,
        settings: Sequence[str] = (),
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Completed:
        """Run one git command to its end.

        Args:
            ok: Exit codes that are answers; with any other one it failed.
            limit_bytes: Take only so much output; the answer says when it was cut.
            settings: Further ``key=value`` of git's configuration, for this command.
            meanwhile: Called once while it runs; starts no git command itself.

        Raises:
            GitFailed: Another exit code.
            GitTimeout: It was killed after `timeout_s`.
            GitUnusable: Git cannot be started, or the folder is not there.
        """
        completed = self.run(
            self._command(arguments, settings),
            cwd=self.cwd,
            env=self._environment(),
            stdin=stdin,
            timeout_s=timeout_s,
            limit_bytes=limit_bytes,
            keep_open=self.keep_open,
            meanwhile=meanwhile,
        )
        if completed.code not in ok:
            raise GitFailed(arguments, completed.code, completed.err, self.cwd)
        return completed

    def line(self, *arguments: str, ok: Collection[int] = (0,)) -> str:
        """The one line a command prints; a path may hold further line endings, only the last one is cut off."""
        return os.fsdecode(self.ask(*arguments, ok=ok).out).removesuffix("\n")

    def items(self, *arguments: str, stdin: bytes | None = None, ok: Collection[int] = (0,)) -> tuple[str, ...]:
        """What a command prints with NUL behind each item, such as paths; bytes that are no text survive."""
        return split_items(self.ask(*arguments, stdin=stdin, ok=ok, timeout_s=LONG_S).out)

    def _command(self, arguments: Sequence[str], settings: Sequence[str]) -> list[str]:
        command = ["git"]
        for setting in (*_SETTINGS, *settings):
            command += ["-c", setting]
        return [*command, *arguments]

    def _environment(self) -> dict[str, str]:
        env = {
            name: value
            for name, value in without_git_state(self.environ).items()
            if name not in _FOREIGN and not name.startswith("GIT_TRACE")
        }
        env |= _OURS
        for name, path in (
            ("GIT_DIR", self.git_dir),
            ("GIT_WORK_TREE", self.work_tree),
            ("GIT_INDEX_FILE", self.index),
        ):
            if path is not None:
                env[name] = str(path)
        if self.objects is not None:
            fresh, known = self.objects
            env["GIT_OBJECT_DIRECTORY"] = str(fresh)
            # In quotes: a path may hold the sign that separates paths.
            escaped = str(known).replace("\\", "\\\\").replace('"', '\\"')
            env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = f'"{escaped}"'
        return env


def split_items(out: bytes) -> tuple[str, ...]:
    """The NUL-ended items of some output, as text in which every byte survives."""
    return tuple(os.fsdecode(item) for item in out.split(b"\0")[:-1])


def join_items(items: Collection[str]) -> bytes:
    """Items with a NUL behind each, for a command's standard input."""
    return b"".join(os.fsencode(item) + b"\0" for item in items)
