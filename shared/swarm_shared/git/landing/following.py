"""The branch that finished work lands on: where it begins, how it follows the user's branch, how it moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.branch_names import HEADS, INTEGRATION_BRANCH, branch_of, landed_ref
from swarm_shared.git.merging.marked import MarksOf
from swarm_shared.git.merging.merging import Merge, MergeKind, plan_merge
from swarm_shared.git.plumbing.commits import message_with_trailers, task_trailers
from swarm_shared.git.plumbing.refs import RefMove, is_contained, move_ref, move_refs, read_ref
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.git_errors import RefMoved
from swarm_shared.git.worktrees.listing import checked_out_at, refuse_if_checked_out


class Integration(Struct, frozen=True, kw_only=True):
    """One integration branch of a repository.

    Each move is first planned, then recorded by the caller, then carried out by `advance`, so that the work of a lander
    that dies in between can be completed from the record.
    """

    repository: Repository
    ref: str = HEADS + INTEGRATION_BRANCH

    @property
    def branch(self) -> str:
        return branch_of(self.ref)

    def tip(self) -> str | None:
        """Its commit now; None before `begin`."""
        return read_ref(self.repository.git, self.ref)

    def checked_out_at(self) -> Path | None:
        """The checkout that has it, which prevents landing; None if there is none."""
        return checked_out_at(self.repository, self.ref)

    def landed_since(self, tip: str) -> str | None:
        """Where a swarm, this one or another in the repository, put the branch last; None unless it holds `tip`."""
        last = read_ref(self.repository.git, landed_ref(self.ref))
        return last if last is not None and is_contained(self.repository.git, tip, last) else None

    def vouch(self, tip: str) -> None:
        """Record for all swarms of the repository that the branch's position is correct."""
        move_refs(self.repository.git, [RefMove(ref=landed_ref(self.ref), new=tip, forced=True)], reason="swarm: known")

    def contains(self, sha: str) -> bool:
        """Whether a commit has landed; a commit that the repository does not (or no longer) have has not."""
        tip = self.tip()
        return tip is not None and is_contained(self.repository.git, sha, tip)

    def begin(self, start_sha: str) -> str:
        """Create the branch from the user's commit unless it exists. Returns its tip.

        Raises:
            BranchInUse: It is checked out somewhere.
        """
        refuse_if_checked_out(self.repository, self.ref)
        tip = self.tip()
        if tip is not None:
            return tip
        try:
            move_ref(self.repository.git, self.ref, new=start_sha, old=None, reason="swarm: begin")
        except RefMoved as error:
            if error.found is None:
                raise
            return error.found  # another worker was quicker
        return start_sha

    def plan_follow(self, person_ref: str, *, tip: str, marks: MarksOf | None = None) -> Merge:
        """The merge of the user's branch; a branch that was deleted in the meantime gives nothing to merge.

        Args:
            person_ref: The branch that was checked out when the swarm began, such as ``refs/heads/main``.
            tip: The integration branch as the caller knows it.
            marks: As for `plan_merge`.
        """
        theirs = read_ref(self.repository.git, person_ref)
        if theirs is None or person_ref == self.ref:
            return Merge(kind=MergeKind.CONTAINED, old=tip, new=tip)
        message = message_with_trailers(f"Merge {branch_of(person_ref)} into {self.branch}", {})
        return plan_merge(self.repository.git, into=tip, other=theirs, message=message, marks=marks)

    def plan_landing(
        self,
        head_sha: str,
        *,
        tip: str,
        task_id: str,
        attempt_id: str,
        name: str,
        marks: MarksOf | None = None,
        finish: Callable[[str], str] | None = None,
    ) -> Merge:
        """What lands a task's commit: a commit with two parents, which names task and attempt.

        `marks` and `finish` are as for `plan_merge`.
        """
        message = message_with_trailers(f"Land {task_id}: {name}", task_trailers(task_id, attempt_id))
        return plan_merge(
            self.repository.git,
            into=tip,
            other=head_sha,
            message=message,
            fast_forward=False,
            marks=marks,
            finish=finish,
        )

    def advance(self, new: str, *, old: str, reason: str = "swarm: land") -> None:
        """Move the branch, only from where it is known to be; no checkout is touched.

        Raises:
            BranchInUse: It is checked out somewhere: the user would undo the landed work with the next commit.
            RefMoved: It was moved by others. RefLocked: A lock blocks it.
        """
        refuse_if_checked_out(self.repository, self.ref)
        moves = [
            RefMove(ref=self.ref, new=new, old=old),
            RefMove(ref=landed_ref(self.ref), new=new, forced=True),
        ]
        move_refs(self.repository.git, moves, reason=reason)
