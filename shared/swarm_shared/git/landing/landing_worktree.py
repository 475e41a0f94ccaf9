"""The worktree in which a commit is checked before it lands: no branch, one stable path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.stale_locks import clear_stale, repository_lock, worktree_locks
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.worktrees.listing import add_worktree, git_dir_of, remove_worktree


def landing_checkout(
    repository: Repository, path: Path, sha: str, *, holder_is_dead: Callable[[Path], bool]
) -> Checkout:
    """Check a commit out, detached, at our path; git-ignored files (build caches) are kept from the last time.

    Only one landing runs at a time. Everything that is neither in the commit nor ignored is deleted.

    Args:
        holder_is_dead: The proof for locks that are left here; see `clear_stale`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.parent.resolve() / path.name
    with repository_lock(repository) as git:
        git_dir = git_dir_of(repository, path)
        if git_dir is not None and not path.is_dir():
            remove_worktree(git, path)
            git_dir = None
        if git_dir is None:
            git_dir = add_worktree(git, repository, path, ("--detach", sha))
    checkout = Checkout.of(repository.git, path=path, git_dir=git_dir)
    clear_stale(worktree_locks(git_dir), holder_is_dead=holder_is_dead)
    checkout.put_back(sha, ref=None)
    return checkout
