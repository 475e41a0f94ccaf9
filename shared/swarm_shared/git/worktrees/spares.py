"""Spares: clean checked-out worktrees without a task, so that a task does not have to wait for a checkout.

A spare is stored next to the tasks' worktrees under its own name. To take one is to rename it to the task's path: files
keep their inodes and times, so git's index of them stays valid. Each step leaves either a spare, or the worktree of a
task, or something that is recognized as neither and deleted: a spare contains nothing that is worth keeping.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from swarm_shared.git.plumbing.permissions import remove_folder
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.stale_locks import repository_lock
from swarm_shared.git.running.runner import Git
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.worktrees.listing import git_dir_of, linked_below, remove_worktree
from swarm_shared.git.worktrees.survey import Survey

# In a worktree's git directory: it is a spare. Written last, removed first.
SPARE_MARK = "swarm-spare"
_SET_UP_MARK = "swarm-set-up"
# All that stays of a git directory; the rest is what a task's agents left there: logs, sparse patterns, own refs.
_KEPT = frozenset({"HEAD", "commondir", "gitdir", "index"})
_LOCK = "locked"  # git's own: a `git worktree prune` of the user's leaves it alone while the folder moves


class Examined(Struct, frozen=True, kw_only=True):
    """A spare as it was found a moment ago: its files are exactly those of the commit `sha`."""

    path: Path
    sha: str


class Recycled(Struct, frozen=True, kw_only=True):
    """A landed worktree has become a spare or was removed.

    Args:
        examined: The spare that it became, if nothing but its commit was found in it.
    """

    examined: Examined | None = None


class Taken(Struct, frozen=True, kw_only=True):
    """A spare that is at a task's path now: its git directory, and the path that it had."""

    git_dir: Path
    spare: Path


class Spares:
    """The spares of one swarm.

    Args:
        root: The folder that they are in, which holds nothing else.
        keep: Paths in each of them that setup commands have made, and that stay.
    """

    def __init__(self, repository: Repository, root: Path, *, keep: tuple[Path, ...] = ()) -> None:
        self._repository, self.root, self._keep = repository, root, keep

    def paths(self) -> tuple[Path, ...]:
        """The spares that can be taken."""
        return tuple(path for path in self._folders() if self._git_dir(path) is not None)

    def take(self, path: Path, *, ref: str, first: Path | None = None) -> Taken | None:
        """Move a spare to a task's path and put its HEAD on the task's branch; None if there is none.

        To be called under the repository's lock. Its files are still those of the spare.

        Args:
            first: The one to take if it is still there.
        """
        for spare in sorted(self._folders(), key=lambda folder: folder != first):
            git_dir = self._git_dir(spare)
            if git_dir is None:
                continue
            (git_dir / SPARE_MARK).unlink()
            (git_dir / _LOCK).touch()
            # In this order: what a crash leaves without a place in git's list lies among the spares.
            _write(git_dir / "gitdir", path / ".git")
            spare.rename(path)
            _write(git_dir / "HEAD", f"ref: {ref}")
            (git_dir / _LOCK).unlink()
            return Taken(git_dir=git_dir, spare=spare)
        return None

    def add(self, checkout: Checkout, sha: str, found: Survey) -> Path | None:
        """Make a spare of a task's worktree, which is clean and no longer needed; None if it is not suitable.

        To be called under the repository's lock.

        Args:
            sha: The commit that is checked out.
            found: What is unusual about its files. One that is also somewhere else would carry there what the next
                task writes.
        """
        if not checkout.link_is_ours() or found.linked:
            return None
        found.open()
        git_dir, set_up = checkout.git_dir, set_up_in(checkout) if self._keep else {}
        self.root.mkdir(parents=True, exist_ok=True)
        (git_dir / _LOCK).touch()
        for entry in git_dir.iterdir():
            if entry.name not in _KEPT and entry.name != _LOCK:
                _delete(entry)
        _write(git_dir / "HEAD", sha)
        if set_up:
            note_set_up_in(checkout, set_up)
        spare = self.root / uuid.uuid4().hex[:12]
        checkout.path.rename(spare)
        _write(git_dir / "gitdir", spare / ".git")
        (git_dir / _LOCK).unlink()
        (git_dir / SPARE_MARK).touch()
        return spare

    def tidy(self, limit: int) -> int:
        """Remove what is no spare (any more) and spares beyond the limit; how many folders went."""
        with repository_lock(self._repository) as git:
            sound = self.paths()
            gone = [path for path in self._folders() if path not in sound]
            gone += [path for path in linked_below(self._repository, self.root) if path not in (*sound, *gone)]
            gone += sound[limit:]
            for path in gone:
                self._remove(git, path)
        return len(gone)

    def is_tidy(self, limit: int) -> bool:
        """Whether `tidy` has nothing to do; takes no lock, asks no git process."""
        folders = self._folders()
        return len(folders) <= limit and {*linked_below(self._repository, self.root)} == {*self.paths()} == {*folders}

    def _remove(self, git: Git, path: Path) -> None:
        git_dir = git_dir_of(self._repository, path)
        if git_dir is None:
            remove_folder(path)
            return
        (git_dir / SPARE_MARK).unlink(missing_ok=True)
        remove_worktree(git, path)

    def _folders(self) -> list[Path]:
        try:
            return sorted(self.root.iterdir())
        except FileNotFoundError:
            return []

    def _git_dir(self, path: Path) -> Path | None:
        """The git directory of a spare; None if it is none, or was damaged from outside."""
        git_dir = git_dir_of(self._repository, path)
        if git_dir is None or not (git_dir / SPARE_MARK).exists() or not (git_dir / "index").is_file():
            return None
        return git_dir if Checkout.of(self._repository.git, path=path, git_dir=git_dir).link_is_ours() else None


def set_up_in(checkout: Checkout) -> Mapping[str, str]:
    """The setup commands that have run to their end in a worktree, each with a digest of what it depends on."""
    try:
        found = json.loads((checkout.git_dir / _SET_UP_MARK).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def note_set_up_in(checkout: Checkout, done: Mapping[str, str]) -> None:
    """Remember that setup commands have run to their end in a worktree."""
    (checkout.git_dir / _SET_UP_MARK).write_text(json.dumps(done))


def _write(file: Path, value: object) -> None:
    """One line into a file of git's, all or nothing, also after a power failure."""
    draft = file.with_name(file.name + ".swarm")
    with draft.open("wb") as out:
        out.write(os.fsencode(str(value)) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
