"""The worktrees of a repository: lists them with their checkouts, and adds or removes exactly one.

Never `git worktree prune`: it forgets a user's worktree on a disk that is not mounted just now, with everything
staged in it and the commits of its detached HEAD.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.branch_names import HEADS, branch_of
from swarm_shared.git.plumbing.on_disk import has_reftable
from swarm_shared.git.plumbing.permissions import remove_folder
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.git_errors import BranchInUse, GitFailed
from swarm_shared.git.running.runner import LONG_S, Git, split_items

_TRIES = 5
_PAUSE_S = 0.2
# Where git notes the branch that an unfinished rebase will move at its end, or that a bisect returns to; a bisect notes
# it without refs/heads.
_NOTED_BRANCH = (("rebase-merge/head-name", ""), ("rebase-apply/head-name", ""), ("BISECT_START", HEADS))


class Listed(Struct, frozen=True, kw_only=True):
    """A worktree as git lists it; `ref` is None when its HEAD is detached. `missing` ones may be unmounted."""

    path: Path
    ref: str | None
    head_sha: str | None
    missing: bool


def list_worktrees(git: Git) -> tuple[Listed, ...]:
    """All worktrees, the user's own checkout first.

    Source: git-worktree(1), porcelain format: one attribute to a line, an empty one between worktrees.
    """
    records: list[dict[str, str]] = [{}]
    for item in split_items(_patiently(git, "worktree", "list", "--porcelain", "-z")):
        if not item:
            records.append({})
            continue
        name, _, value = item.partition(" ")
        records[-1][name] = value
    return tuple(
        Listed(
            path=Path(record["worktree"]),
            ref=record.get("branch"),
            head_sha=record.get("HEAD"),
            missing="prunable" in record,
        )
        for record in records
        if "worktree" in record and "bare" not in record
    )


def checked_out_at(repository: Repository, ref: str) -> Path | None:
    """The checkout that has this branch, or is rebasing or bisecting it; None when it can be moved freely.

    A worktree that is missing now counts: its disk may come back.
    """
    return next(iter(all_checked_out_at(repository, ref)), None)


def all_checked_out_at(repository: Repository, ref: str) -> tuple[Path, ...]:
    """All of them: `git worktree add --force` checks a branch out a second time."""
    if not _may_be_checked_out(repository, ref):
        return ()
    found = [listed.path for listed in list_worktrees(repository.git) if listed.ref == ref]
    noted = (_files_of(repository, git_dir) for git_dir in _git_dirs(repository) if _notes(git_dir, ref))
    return tuple(dict.fromkeys((*found, *(path for path in noted if path is not None))))


def refuse_if_checked_out(repository: Repository, ref: str) -> None:
    """Raise BranchInUse where moving this branch would make files in a checkout look changed."""
    at = checked_out_at(repository, ref)
    if at is not None:
        raise BranchInUse(branch_of(ref), at)


def git_dir_of(repository: Repository, path: Path) -> Path | None:
    """The git directory of the linked worktree that was added at this path; None when there is none.

    Read from the repository's side: the `.git` in the worktree is in reach of agents.
    """
    for admin in _admin_dirs(repository):
        if _files_of(repository, admin) == path:
            return admin
    return None


def linked_below(repository: Repository, folder: Path) -> tuple[Path, ...]:
    """The linked worktrees that git knows right in a folder, also those whose files have vanished."""
    found = (_files_of(repository, admin) for admin in _admin_dirs(repository))
    return tuple(path for path in found if path is not None and path.parent == folder)


def add_worktree(git: Git, repository: Repository, path: Path, what: tuple[str, ...]) -> Path:
    """Register a worktree without files yet; its git directory. To be called under the repository's lock.

    Files come later and outside the lock: registering takes milliseconds, a big checkout seconds.
    The branch has to exist: git then writes no tracking into the configuration, where parallel adds collide.

    Args:
        git: What `repository_lock` gave.
        what: ``(branch,)``, or ``("--detach", sha)``.

    Raises:
        GitFailed: It failed again and again.
    """
    # Without -f git itself refuses a branch that is checked out elsewhere; what the path was known for before has
    # been removed.
    _patiently(git, "worktree", "add", "--quiet", "--no-checkout", str(path), *what)
    admin = git_dir_of(repository, path)
    if admin is None:
        raise GitFailed(("worktree", "add"), 0, f"{path} is not in the list of worktrees", git.cwd)
    return admin


def remove_worktree(git: Git, path: Path) -> None:
    """Remove one worktree of ours, its files included; also when they have vanished. Under the repository's lock.

    The files go first: git would forget a worktree whose folder it cannot delete.

    Raises:
        GitError: Something of it cannot be deleted; git still knows the worktree.
    """
    remove_folder(path)
    # Twice: a worktree whose add was killed is still locked by it.
    _patiently(git, "worktree", "remove", "--force", "--force", str(path))


def _patiently(git: Git, *arguments: str) -> bytes:
    """Output of a command that trips over worktrees which are just being added or removed.

    They may be an agent's own, who knows nothing of our lock; git reads all of them, half-made ones too.
    """
    for _ in range(_TRIES - 1):
        try:
            return git.ask(*arguments, timeout_s=LONG_S).out
        except GitFailed:
            git.pause(_PAUSE_S)
    return git.ask(*arguments, timeout_s=LONG_S).out


def _may_be_checked_out(repository: Repository, ref: str) -> bool:
    """Whether any checkout's own files name the branch, which asks no git process; in doubt it may be."""
    if has_reftable(repository.common_dir):
        return True
    for git_dir in _git_dirs(repository):
        head = git_dir / "HEAD"
        if head.is_symlink() or _first_line(head) in (f"ref: {ref}", None):
            return True
        if _notes(git_dir, ref):
            return True
    return False


def _notes(git_dir: Path, ref: str) -> bool:
    """Whether an unfinished rebase or bisect of this checkout began on the branch."""
    for name, prefix in _NOTED_BRANCH:
        noted = _first_line(git_dir / name)
        if noted is not None and prefix + noted == ref:
            return True
    return False


def _admin_dirs(repository: Repository) -> Iterator[Path]:
    folder = repository.common_dir / "worktrees"
    if folder.is_dir():
        yield from sorted(folder.iterdir())


def _git_dirs(repository: Repository) -> Iterator[Path]:
    yield repository.common_dir
    yield from _admin_dirs(repository)


def _files_of(repository: Repository, git_dir: Path) -> Path | None:
    """The folder with the files that belong to a git directory."""
    if git_dir == repository.common_dir:
        listed = list_worktrees(repository.git)
        return listed[0].path if listed else git_dir
    link = _first_line(git_dir / "gitdir")
    if link is None:
        return None
    # Newer gits can write it relative to the git directory.
    return Path(os.path.normpath(git_dir / link)).parent


def _first_line(file: Path) -> str | None:
    """What git wrote into a file of one value: a path in it may hold line endings, only the last one is git's."""
    try:
        return os.fsdecode(file.read_bytes()).removesuffix("\n")
    except OSError:
        return None
