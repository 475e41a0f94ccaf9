"""One of our checkouts: its files, its git directory, and restoring both to a commit."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

from msgspec import Struct

from swarm_shared.git.plumbing.permissions import make_accessible
from swarm_shared.git.plumbing.refs import has_commit, move_ref, read_ref, tree_of
from swarm_shared.git.running.git_errors import GitFailed
from swarm_shared.git.running.runner import LONG_S, Git

# What git remembers of an operation that was not finished.
# Source: gitrepository-layout(5) and git's own `remove_branch_state`, `sequencer_remove_state`.
_UNFINISHED = (
    "MERGE_HEAD",
    "MERGE_MODE",
    "MERGE_MSG",
    "MERGE_RR",
    "SQUASH_MSG",
    "AUTO_MERGE",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "BISECT_START",
    "BISECT_LOG",
    "BISECT_NAMES",
    "BISECT_TERMS",
    "BISECT_EXPECTED_REV",
    "BISECT_ANCESTORS_OK",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
)


_HEAD = re.compile(rb"ref:\s*refs/.+\s*|[0-9a-f]{40,64}\s*")
_START_MARK = "swarm-start"  # in the git directory: the commit that an attempt started from


class Start(Struct, frozen=True, kw_only=True):
    """What an attempt started from.

    Args:
        sha: The commit that was checked out.
        base_sha: The newest commit of the integration branch that it contains.
        at_s: When, in seconds since the epoch.
    """

    sha: str
    base_sha: str
    at_s: int


class Checkout(Struct, frozen=True, kw_only=True):
    """A worktree of ours.

    Args:
        path: Its files.
        git_dir: Its own git directory, below that of the repository.
        git: Git with both named, so that a `.git` that an agent deleted or replaced leads nowhere.
        adrift: Git has forgotten it, as after an agent's `git worktree prune`: then `git_dir` is the repository's,
        whose HEAD and index are the user's and do not describe these files.
    """

    path: Path
    git_dir: Path
    git: Git
    adrift: bool = False

    @classmethod
    def of(cls, git: Git, *, path: Path, git_dir: Path) -> Checkout:
        return cls(path=path, git_dir=git_dir, git=git.at(cwd=path, git_dir=git_dir, work_tree=path))

    def as_it_is(self) -> Checkout:
        """This checkout, or what is left of it: adrift when its git directory is missing."""
        if self.git_dir.is_dir():
            return self
        common = self.git_dir.parents[1]
        git = self.git.at(cwd=self.path, git_dir=common, work_tree=self.path)
        return Checkout(path=self.path, git_dir=common, git=git, adrift=True)

    def mend_git_dir(self, *, ref: str) -> None:
        """Write what git needs to know the git directory by, where an agent has deleted or broken it.

        Args:
            ref: The branch for HEAD, if it names nothing.
        """
        if self.adrift:
            return
        head, common = self.git_dir / "HEAD", self.git_dir / "commondir"
        if not head.is_file() or not _HEAD.fullmatch(head.read_bytes()):
            head.write_bytes(b"ref: " + os.fsencode(ref) + b"\n")
        if not common.is_file():
            common.write_text("../..\n")

    def head_sha(self) -> str | None:
        """The commit that is checked out; None without one."""
        return None if self.adrift else read_ref(self.git, "HEAD")

    def head_log(self) -> list[tuple[str, str]]:
        """The log of HEAD, oldest first: the commit that it came to, and how.

        Source: gitrepository-layout(5), logs/HEAD: old and new commit, who and when, a tab, and the message.
        """
        if self.adrift:
            return []
        try:
            log = (self.git_dir / "logs" / "HEAD").read_text(errors="replace")
        except OSError:
            return []
        entries = (line.partition("\t") for line in log.splitlines())
        return [(meta.split(" ", 2)[1], text) for meta, _, text in entries if meta.count(" ") > 1]

    def last_head(self) -> str | None:
        """The commit that HEAD was on before an orphan branch without a commit: its files came from there."""
        return next((sha for sha, _ in reversed(self.head_log()) if has_commit(self.git, sha)), None)

    def note_start(self, sha: str, *, base_sha: str) -> None:
        """Record that an attempt starts now from this commit, which is checked out."""
        (self.git_dir / _START_MARK).write_text(f"{sha} {base_sha} {int(time.time())}\n")

    def start(self) -> Start | None:
        """What the present attempt started from; None if that is not known."""
        if self.adrift:
            return None
        try:
            sha, base_sha, at_s = (self.git_dir / _START_MARK).read_text().split()
            return Start(sha=sha, base_sha=base_sha, at_s=int(at_s))
        except (OSError, ValueError):
            return None

    def index(self) -> Path | None:
        """The file in which git notes what it knows of these files."""
        return None if self.adrift else self.git_dir / "index"

    def link_is_ours(self) -> bool:
        """Whether the `.git` file that leads from the files to the git directory is the one that was made."""
        try:
            return not self.adrift and (self.path / ".git").read_bytes() == self._link()
        except OSError:
            return False

    def merge_heads(self) -> tuple[str, ...]:
        """The commits that an unfinished merge is bringing in."""
        if self.adrift:
            return ()
        try:
            return tuple((self.git_dir / "MERGE_HEAD").read_text().split())
        except OSError:
            return ()

    def put_back(
        self, sha: str, *, ref: str | None, clean: bool = True, more: tuple[str, ...] = (), fresh_index: bool = False
    ) -> None:
        """Make everything as right after a checkout of this commit; git-ignored files and nested repositories stay.

        Uncommitted changes are lost, and a branch that was moved is moved back. No process may work here,
        and no stale lock may be left.

        Args:
            ref: The branch that HEAD is to be on; None for a detached HEAD.
            clean: Delete files that git neither tracks nor ignores.
            more: Further options of git-clean(1).
            fresh_index: Drop the index first, as flags in it hide files from git.

        Raises:
            RefMoved: The branch moves under our hands.
        """
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            make_accessible(self.path)
        self._mend_link()
        if fresh_index:
            (self.git_dir / "index").unlink(missing_ok=True)
        for name in _UNFINISHED:
            _forget(self.git_dir / name)
        if ref is None:
            if self._head_says() != sha:
                self.git.ask("update-ref", "--no-deref", "HEAD", sha)
        else:
            found = read_ref(self.git, ref)
            if found != sha:
                move_ref(self.git, ref, new=sha, old=found, reason="swarm: put back")
            if self._head_says() != f"ref: {ref}":
                self.git.ask("symbolic-ref", "HEAD", ref)
        try:
            self._reset(sha)
        except GitFailed:
            if (self.git_dir / "index.lock").exists():
                raise
            make_accessible(self.path)
            # A damaged index, or files in the way that only the index of another commit explains.
            (self.git_dir / "index").unlink(missing_ok=True)
            self._reset(sha)
        if clean:
            # One -f only: a repository that an agent cloned in here is not deleted with its commits.
            cleaned = self.git.ask("clean", "-d", "-f", *more, "-q", ok=(0, 1), timeout_s=LONG_S)
            if cleaned.code and make_accessible(self.path):
                self.git.ask("clean", "-d", "-f", *more, "-q", ok=(0, 1), timeout_s=LONG_S)

    def move_on(self, old: str, new: str) -> None:
        """Go from one commit to another where the files are known to be exactly the first one's: no file is looked at.

        HEAD is there already.

        Raises:
            GitFailed: A file that differs between the two is not as the first one has it; nothing was changed.
        """
        if tree_of(self.git, old) != tree_of(self.git, new):
            self.git.ask("read-tree", "-m", "-u", old, new, timeout_s=LONG_S)

    def _head_says(self) -> str | None:
        """What the file says in which git notes what is checked out; None if it is no plain file."""
        head = self.git_dir / "HEAD"
        try:
            return None if head.is_symlink() else os.fsdecode(head.read_bytes()).removesuffix("\n")
        except OSError:
            return None

    def _reset(self, sha: str) -> None:
        self.git.ask("reset", "--hard", "--quiet", sha, timeout_s=LONG_S)

    def _mend_link(self) -> None:
        """The `.git` file that leads from the files to the git directory, if an agent deleted or replaced it."""
        link = self.path / ".git"
        if link.is_dir() and not link.is_symlink():
            # The agent's own repository, with its commits: moved out of the way, and kept.
            number = 1
            while (aside := self.git_dir / f"replaced-{number}.git").exists():
                number += 1
            shutil.move(link, aside)
        elif link.is_symlink() or (link.exists() and not self.link_is_ours()):
            link.unlink()
        if not link.exists():
            link.write_bytes(self._link())

    def _link(self) -> bytes:
        return b"gitdir: " + os.fsencode(self.git_dir) + b"\n"


def _forget(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
