"""Recycles a worktree whose work has landed: it becomes a spare for the next task, or is removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.branch_names import task_ref
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.prune import reason_to_keep
from swarm_shared.git.plumbing.gitlinks import gitlinks
from swarm_shared.git.plumbing.index_listing import IndexListing, known_without_flags
from swarm_shared.git.plumbing.permissions import make_accessible
from swarm_shared.git.plumbing.refs import read_ref
from swarm_shared.git.plumbing.stale_locks import repository_lock
from swarm_shared.git.running.runner import LONG_S, Git, split_items
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.snapshots.submodules import modules_of
from swarm_shared.git.worktrees.spares import Examined, Recycled
from swarm_shared.git.worktrees.survey import Survey, survey
from swarm_shared.git.worktrees.task_worktrees import READY_MARK, TaskWorktrees

_IGNORED = "!! "
_INDEX = "swarm-recycled-index"


def recycle(
    trees: TaskWorktrees,
    integration: Integration,
    safe: str,
    *,
    spares: int,
    cleanup: Callable[[Path], str | None] | None = None,
) -> Recycled | str:
    """Turn the worktree of a landed task into a spare, or remove it; the branch stays. A text is why it is kept.

    The caller has locked the worktree (`TaskWorktrees.lock_of`) and knows that nothing of the task is alive.

    Args:
        trees: With a git that inherits that lock.
        spares: How many there may be at most.
        cleanup: Runs the user's commands in the folder in which the agents worked; a text is why it must stay.
    """
    checkout = trees.find(safe)
    if checkout is None:
        # incompletely created, or incompletely recycled by a process that died: it has not been used since
        trees.remove(safe)
        return Recycled()
    if (checkout.git_dir / "locked").exists():
        return "it is locked (git worktree lock)"
    if (checkout.git_dir / "index.lock").exists():
        return "a git command is running in it"
    head = read_ref(checkout.git, "HEAD")
    for sha in (read_ref(integration.repository.git, task_ref(safe)), head):
        if sha is None or not integration.contains(sha):
            return "its commits have not landed"
    assert head is not None, "it is contained"
    has_room = len(trees.spares.paths()) < spares
    found = _examined(trees, integration, safe, checkout, surveys=has_room and cleanup is None)
    if not isinstance(found, str) and cleanup is not None:
        # Its effects on the files are examined like everything else.
        found = cleanup(trees.cwd_of(checkout)) or _examined(trees, integration, safe, checkout, surveys=has_room)
    if isinstance(found, str):
        return found
    ignored, files = found.ignored, found.files
    products = _products(trees, checkout, ignored)
    if products or ignored is None:
        # Before anything is renamed or deleted by ourselves: it takes as long as there are files, and is waited for.
        checkout.git.ask("clean", "-d", "-f", *trees.cleaning(), "-q", ok=(0, 1), timeout_s=LONG_S)
    if ignored is not None and len(trees.spares.paths()) < spares:
        files = survey(checkout.path, trees.kept_below(checkout.path)) if files is None else files.now()
        with repository_lock(trees.repository):
            (checkout.git_dir / READY_MARK).unlink(missing_ok=True)
            spare = trees.spares.add(checkout, head, files)
        if spare is not None:
            return Recycled(examined=None if files.empty else Examined(path=spare, sha=head))
    trees.remove(safe)
    return Recycled()


class _Found(Struct, frozen=True, kw_only=True):
    """A worktree that may go.

    Args:
        ignored: What git ignores in it; None if there is more to clean than that.
        files: What is unusual about its files; None if that is not known.
    """

    ignored: tuple[Path, ...] | None
    files: Survey | None


def _examined(
    trees: TaskWorktrees, integration: Integration, safe: str, checkout: Checkout, *, surveys: bool
) -> _Found | str:
    """What a worktree contains besides landed work, or why it must be kept.

    Args:
        surveys: Also survey the files, which only a worktree that becomes a spare needs.
    """
    surveyed: list[Survey] = []

    def survey_files() -> None:
        try:
            surveyed.append(survey(checkout.path, trees.kept_below(checkout.path)))
        except OSError:
            pass  # git is about to be refused too, and permissions are restored

    ignored = _ignored_alone(checkout, meanwhile=survey_files if surveys else lambda: None)
    if ignored is None:
        reason = reason_to_keep(trees, integration, safe)
        if reason is not None:
            return reason
    inner = _own_repository(_products(trees, checkout, ignored))
    if inner is not None:
        return f"it contains a repository: {inner.relative_to(checkout.path)}"
    return _Found(ignored=ignored, files=surveyed[0] if surveyed else None)


def _products(trees: TaskWorktrees, checkout: Checkout, ignored: tuple[Path, ...] | None) -> list[Path]:
    return [path for path in ignored or () if path not in trees.kept_below(checkout.path)]


def _ignored_alone(checkout: Checkout, *, meanwhile: Callable[[], None]) -> tuple[Path, ...] | None:
    """What git ignores here, if that is all that differs from a fresh checkout; otherwise None.

    A flag in the index hides a file from git, and a submodule has its own repository.

    Args:
        meanwhile: Called while git reads the files.
    """
    if not checkout.link_is_ours() or modules_of(checkout):
        return None
    index = checkout.git_dir / "index"
    if _has_repositories_inside(checkout, checkout.git, index):
        return None
    entries = _status(checkout, checkout.git, meanwhile=meanwhile)
    if all(entry.startswith(_IGNORED) for entry in entries):
        if not known_without_flags(index) and IndexListing(checkout.git, others=False).has_flags:
            return None
    else:
        # A session has changed the index since the work was committed: it may only be behind.
        private = checkout.git_dir / _INDEX
        private.with_name(f"{_INDEX}.lock").unlink(missing_ok=True)  # of a git that died; we alone make it
        try:
            shutil.copy2(index, private)  # with its time, by which git decides which entries to trust
        except OSError:
            return None
        git = checkout.git.with_index(private)
        git.ask("read-tree", "--reset", "HEAD")
        if _has_repositories_inside(checkout, git, private):
            return None
        entries = _status(checkout, git)
        if not all(entry.startswith(_IGNORED) for entry in entries) or IndexListing(git, others=False).has_flags:
            return None
        private.replace(index)
    return tuple(checkout.path / entry.removeprefix(_IGNORED) for entry in entries)


def _has_repositories_inside(checkout: Checkout, git: Git, index: Path) -> bool:
    """Whether an index names commits of repositories that are there: `git status` would obey their settings."""
    return any(os.path.lexists(checkout.path / link / ".git") for link in gitlinks(git, index))


def _status(checkout: Checkout, git: Git, *, meanwhile: Callable[[], None] = lambda: None) -> tuple[str, ...]:
    """How the files differ from HEAD, including ignored ones."""
    options = ("--porcelain", "-z", "--ignored", "--untracked-files=normal", "--ignore-submodules=none")
    answer = git.ask("status", *options, timeout_s=LONG_S, meanwhile=meanwhile)
    entries = split_items(answer.out)
    # Folders that git cannot read may hide something, and we read those that it ignores ourselves.
    if (entries or answer.err) and make_accessible(checkout.path):
        entries = split_items(git.ask("status", *options, timeout_s=LONG_S).out)
    return entries


def _own_repository(ignored: Iterable[Path]) -> Path | None:
    """A repository, below what git ignores, that may hold the only copy of a commit: it has no remote, or is shared."""
    for start in ignored:
        for folder, folders, names in os.walk(start):
            if ".git" in names:
                return Path(folder)
            if ".git" in folders:
                folders.remove(".git")
                try:
                    known = b"[remote" in (Path(folder) / ".git" / "config").read_bytes()
                except OSError:
                    known = False
                if not known:
                    return Path(folder)
    return None
