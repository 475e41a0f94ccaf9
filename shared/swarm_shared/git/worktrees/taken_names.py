"""Reserves names for branches of tasks in a repository that others also use, so that a crash leaves no branch behind.

A name is taken in git first and stored in the database then. Until that is done there is a mark next to the branch: it
is created with it, all or none, and says whose branch it is. Of a stored name it says nothing any more, and is deleted
with the next name that is taken, or by `clear`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from swarm_shared.domain.branch_names import TAKEN_REFS, task_ref
from swarm_shared.git.plumbing.refs import RefMove, is_contained, move_refs, read_ref, refs_below
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.stale_locks import clear_stale, ref_lock
from swarm_shared.git.running.git_errors import RefLocked
from swarm_shared.git.worktrees.listing import checked_out_at
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees

_ID_DIGITS = 16


@dataclass(slots=True)
class Settled:
    """Marks of names that are in the database, each with its commit: to be deleted at the next opportunity."""

    marks: dict[str, str] = field(default_factory=dict)


class TakenNames:
    """What one swarm takes. Every call wants the integration branch held: one asks at a time, of all swarms."""

    def __init__(
        self,
        repository: Repository,
        trees: TaskWorktrees,
        *,
        is_stored: Callable[[str], bool],
        settled: Settled | None = None,
    ) -> None:
        """Bind to a repository.

        Args:
            trees: By their folder, swarms of one repository are distinguished.
            is_stored: Whether a task in the database has this name.
            settled: What earlier calls of this worker have left to delete.
        """
        self._repository, self._trees, self._is_stored = repository, trees, is_stored
        self._settled = settled or Settled()
        self._marks = TAKEN_REFS + hashlib.sha256(os.fsencode(trees.root)).hexdigest()[:_ID_DIGITS] + "/"
        self._taken: dict[str, str] = {}

    def take(self, safe: str, tip: str) -> bool:
        """Make the branch of that name, at once so that no other swarm does; False when it is taken.

        One of an earlier queue is taken over where nothing on it is still to land.
        """
        git, ref = self._repository.git, task_ref(safe)
        found = read_ref(git, ref)
        if found is not None:
            self.give_back(tip)
            found = read_ref(git, ref)
        if found is None:
            mark = self._marks + safe
            moves = [RefMove(ref=ref, new=tip), RefMove(ref=mark, new=tip, forced=True)]
            self._move([*moves, *self._outdated()], reason="swarm: start of a task")
            self._settled.marks.clear()
            self._taken[safe] = tip
            return True
        return checked_out_at(self._repository, ref) == self._trees.path_of(safe) and is_contained(git, found, tip)

    def stored(self, safe: str) -> None:
        """Say that the name is in the database, for one that was just taken or had been before."""
        tip = self._taken.pop(safe, None)
        if tip is not None:
            self._settled.marks[self._marks + safe] = tip

    def clear(self) -> None:
        """Delete the marks of all names that were said to be stored."""
        outdated = self._outdated()
        if outdated:
            self._move(outdated, reason="swarm: name of a task")
        self._settled.marks.clear()

    def _outdated(self) -> list[RefMove]:
        """Deletions of marks that say nothing any more; another worker may have deleted one already."""
        git, marks = self._repository.git, self._settled.marks
        return [RefMove(ref=mark, new=None, old=tip) for mark, tip in marks.items() if read_ref(git, mark) == tip]

    def give_back(self, tip: str) -> tuple[str, ...]:
        """Remove what we took and never stored; returns the names that are free again.

        A branch that holds anything that is not on the integration branch, whose tip is `tip`, or that is
        checked out stays: it is no longer empty, or not only ours.
        """
        git = self._repository.git
        free = []
        for mark, made_at in refs_below(git, self._marks).items():
            safe = mark.removeprefix(self._marks)
            moves = [RefMove(ref=mark, new=None, old=made_at)]
            ref = task_ref(safe)
            found = None if self._is_stored(safe) else read_ref(git, ref)
            if found is not None and is_contained(git, found, tip) and checked_out_at(self._repository, ref) is None:
                moves.append(RefMove(ref=ref, new=None, old=found))
                free.append(safe)
            self._move(moves, reason="swarm: name released")
        return tuple(free)

    def _move(self, moves: Sequence[RefMove], *, reason: str) -> None:
        git = self._repository.git
        try:
            move_refs(git, moves, reason=reason)
        except RefLocked:
            # Git has waited for it, longer than a user's git or a removal takes; and who else makes branches of
            # tasks has the integration branch, and so have we: the process that made this lock is dead.
            locks = [ref_lock(self._repository, move.ref) for move in moves]
            if not clear_stale(locks, holder_is_dead=lambda _lock: True):
                raise
            move_refs(git, moves, reason=reason)
