"""Creates a spare if there is no landed worktree to recycle: a checkout made before a task needs it."""

from __future__ import annotations

import uuid
from pathlib import Path

from swarm_shared.git.plumbing.permissions import remove_folder
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.stale_locks import repository_lock
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.worktrees.listing import add_worktree, git_dir_of, linked_below, remove_worktree
from swarm_shared.git.worktrees.spares import Spares
from swarm_shared.git.worktrees.survey import survey


class Filling:
    """The folder next to the spares in which new ones are checked out. One process at a time uses it (`lock`).

    Whatever is there was therefore left by a process that died or gave up, and is worth nothing.
    """

    def __init__(self, repository: Repository, spares: Spares) -> None:
        self._repository, self._spares = repository, spares
        self.root = spares.root.with_name("filling")
        self.lock = spares.root.with_name("filling.lock")

    def make(self, sha: str) -> bool:
        """Check a commit out and make a spare of it; False where that is not possible.

        Raises:
            GitError: It cannot be checked out; `clear` removes what there is of it.
        """
        path = self.root / uuid.uuid4().hex[:12]
        self.root.mkdir(parents=True, exist_ok=True)
        with repository_lock(self._repository) as git:
            git_dir = add_worktree(git, self._repository, path, ("--detach", sha))
        checkout = Checkout.of(self._repository.git, path=path, git_dir=git_dir)
        checkout.put_back(sha, ref=None, clean=False)
        found = survey(path)
        with repository_lock(self._repository):
            return self._spares.add(checkout, sha, found) is not None

    def is_clear(self) -> bool:
        return not self._left()

    def clear(self) -> None:
        """Remove what was not finished."""
        left = self._left()
        if left:
            with repository_lock(self._repository) as git:
                for path in left:
                    if git_dir_of(self._repository, path) is None:
                        remove_folder(path)
                    else:
                        remove_worktree(git, path)

    def _left(self) -> list[Path]:
        known = linked_below(self._repository, self.root)
        try:
            return sorted({*self.root.iterdir(), *known})
        except FileNotFoundError:
            return sorted(known)
