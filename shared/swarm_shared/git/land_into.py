"""Bringing everything that has landed into a branch of the person's, checkout included; only when asked."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from swarm_shared.errors import NotFound
from swarm_shared.git.commits import message_with_trailers
from swarm_shared.git.errors import DirtyCheckout, GitFailed, RefMoved
from swarm_shared.git.integration import Integration
from swarm_shared.git.merging import Merge, plan_merge
from swarm_shared.git.names import branch_of
from swarm_shared.git.refs import move_ref, read_ref
from swarm_shared.git.repository import Repository
from swarm_shared.git.runner import LONG_S, Git
from swarm_shared.git.worktrees import checked_out_at

# Their presence in a git directory means that the person is in the middle of something.
_IN_THE_MIDDLE = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "sequencer")


class LandedInto(Struct, frozen=True, kw_only=True):
    """What became of it: with `merge.kind` CONFLICT nothing was changed.

    Args:
        branch: The person's branch.
        merge: From where to where it went.
        checkout: The checkout that was updated with it; None when no checkout has the branch.
    """

    branch: str
    merge: Merge
    checkout: Path | None


def land_into(integration: Integration, branch: str) -> LandedInto:
    """Bring the integration branch into `branch`: by fast-forward, or by a merge commit.

    Raises:
        NotFound: There is no such branch, or nothing has landed yet.
        DirtyCheckout: It is checked out where something is not committed, or in the middle of a merge or rebase.
        RefMoved: The branch was moved meanwhile.
    """
    repository = integration.repository
    ref = repository.ref_for(branch)
    theirs, ours = read_ref(repository.git, ref), integration.tip()
    if theirs is None:
        raise NotFound(f"there is no branch {branch}", hint="see the branches: git branch")
    if ours is None:
        raise NotFound(f"there is no branch {integration.branch}: nothing has landed", hint="run the swarm first")
    at = checked_out_at(repository, ref)
    git = None if at is None else repository.git.at(cwd=at, git_dir=None, work_tree=None)
    if at is not None and git is not None:
        _refuse_if_dirty(git, at, ref)
    message = message_with_trailers(f"Merge {integration.branch} into {branch_of(ref)}", {})
    merge = plan_merge(repository.git, into=theirs, other=ours, message=message)
    if merge.new is not None and merge.new != merge.old:
        if git is None or at is None:
            move_ref(repository.git, ref, new=merge.new, old=merge.old, reason=f"swarm: land into {branch}")
        else:
            _update_checkout(git, at, ref, merge, repository)
    return LandedInto(branch=branch, merge=merge, checkout=at)


def _refuse_if_dirty(git: Git, at: Path, ref: str) -> None:
    if not at.is_dir():
        raise DirtyCheckout(at, (), "has the branch checked out and is not there; is its disk mounted?")
    git_dir = Path(git.line("rev-parse", "--path-format=absolute", "--git-dir"))
    unfinished = [name for name in _IN_THE_MIDDLE if (git_dir / name).exists()]
    if unfinished or git.line("symbolic-ref", "--quiet", "HEAD", ok=(0, 1)) != ref:
        raise DirtyCheckout(at, (), "is in the middle of a merge or rebase")
    changed = git.items("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=untracked")
    if changed:
        raise DirtyCheckout(at, [entry[3:] for entry in changed])


def _update_checkout(git: Git, at: Path, ref: str, merge: Merge, repository: Repository) -> None:
    """Files, index and branch in one, by git's own fast-forward: it refuses before it overwrites anything."""
    assert merge.new is not None
    try:
        git.ask("merge", "--ff-only", "--no-autostash", "--quiet", merge.new, timeout_s=LONG_S)
    except GitFailed as error:
        found = read_ref(repository.git, ref)
        if found not in (merge.old, merge.new):
            raise RefMoved(ref, expected=merge.old, found=found) from error
        in_the_way = [line.strip() for line in error.said.splitlines() if line.startswith("\t")]
        if in_the_way:
            raise DirtyCheckout(at, in_the_way, "has files that would be overwritten") from error
        raise
