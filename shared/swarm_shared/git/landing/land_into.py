"""Bringing all landed work into one of the user's branches, checkout included; only on request."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.branch_names import branch_of
from swarm_shared.domain.errors import NotFound
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.merging.marked import MarksOf
from swarm_shared.git.merging.merging import Merge, plan_merge
from swarm_shared.git.plumbing.commits import message_with_trailers
from swarm_shared.git.plumbing.diffs import changed_paths
from swarm_shared.git.plumbing.git_errors import DirtyCheckout, GitFailed, RefMoved
from swarm_shared.git.plumbing.index_listing import edited as edited_files
from swarm_shared.git.plumbing.refs import move_ref, read_ref
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.runner import LONG_S, Git
from swarm_shared.git.snapshots.untouched import untouched
from swarm_shared.git.worktrees.listing import checked_out_at

# Their presence in a git directory means that the person is in the middle of something.
_IN_THE_MIDDLE = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "sequencer")


class LandedInto(Struct, frozen=True, kw_only=True):
    """What became of it: with `merge.kind` CONFLICT or UNRELATED nothing was changed.

    Args:
        branch: The person's branch.
        merge: From where to where it went.
        checkout: The checkout that was updated with it; None when no checkout has the branch.
    """

    branch: str
    merge: Merge
    checkout: Path | None


def land_into(integration: Integration, branch: str, *, marks: MarksOf | None = None) -> LandedInto:
    """Bring the integration branch into `branch`: by fast-forward, or by a merge commit.

    Args:
        marks: As for `plan_merge`.

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
    as_checked_out: tuple[str, ...] = ()
    if at is not None and git is not None:
        as_checked_out = _refuse_if_dirty(git, at, ref)
    message = message_with_trailers(f"Merge {integration.branch} into {branch_of(ref)}", {})
    merge = plan_merge(repository.git, into=theirs, other=ours, message=message, marks=marks)
    if merge.new is not None and merge.new != merge.old:
        if git is None or at is None:
            move_ref(repository.git, ref, new=merge.new, old=merge.old, reason=f"swarm: land into {branch}")
        else:
            _update_checkout(git, at, ref, merge, repository, as_checked_out)
    return LandedInto(branch=branch, merge=merge, checkout=at)


def _refuse_if_dirty(git: Git, at: Path, ref: str) -> tuple[str, ...]:
    """Refuse a checkout with changes; files that only git sees as changed, such as by line ends, are returned."""
    if not at.is_dir():
        raise DirtyCheckout(at, (), "has the branch checked out and is not there; is its disk mounted?")
    git_dir = Path(git.line("rev-parse", "--path-format=absolute", "--git-dir"))
    unfinished = [name for name in _IN_THE_MIDDLE if (git_dir / name).exists()]
    if unfinished or git.line("symbolic-ref", "--quiet", "HEAD", ok=(0, 1)) != ref:
        raise DirtyCheckout(at, (), "is in the middle of a merge or rebase")
    changed = git.items("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=untracked")
    if not changed:
        return ()
    paths = [entry[3:] for entry in changed]
    if any(not entry.startswith(" M ") for entry in changed):
        raise DirtyCheckout(at, paths)
    with tempfile.TemporaryDirectory(prefix="swarm-fresh-", dir=git_dir) as scratch:
        same = untouched(git, at, edited_files(git, "HEAD"), scratch=Path(scratch))
    as_checked_out = tuple(change.path for change in same)
    edited = [path for path in paths if path not in as_checked_out]
    if edited:
        raise DirtyCheckout(at, edited)
    return as_checked_out


@contextmanager
def _out_of_the_way(at: Path, paths: Collection[str], git: Git) -> Iterator[None]:
    """Git refuses to overwrite what it sees as changed, and writes a missing file; on a failure they are back."""
    git_dir = Path(git.line("rev-parse", "--path-format=absolute", "--git-dir"))
    with tempfile.TemporaryDirectory(prefix="swarm-aside-", dir=git_dir) as folder:
        moved = [(at / path, Path(folder) / str(number)) for number, path in enumerate(paths)]
        try:
            for path, aside in moved:
                shutil.move(path, aside)
            yield
        except BaseException:
            for path, aside in moved:
                if aside.exists() and not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    shutil.move(aside, path)
            raise


def _update_checkout(
    git: Git, at: Path, ref: str, merge: Merge, repository: Repository, as_checked_out: Collection[str]
) -> None:
    """Files, index and branch in one, by git's own fast-forward: it refuses before it overwrites anything."""
    assert merge.new is not None
    in_the_way = changed_paths(git, merge.old, merge.new).intersection(as_checked_out) if as_checked_out else ()
    try:
        with _out_of_the_way(at, in_the_way, git) if in_the_way else nullcontext():
            git.ask("merge", "--ff-only", "--no-autostash", "--quiet", merge.new, timeout_s=LONG_S)
    except GitFailed as error:
        found = read_ref(repository.git, ref)
        if found not in (merge.old, merge.new):
            raise RefMoved(ref, expected=merge.old, found=found) from error
        overwritten = [line.strip() for line in error.said.splitlines() if line.startswith("\t")]
        if overwritten:
            raise DirtyCheckout(at, overwritten, "has files that would be overwritten") from error
        raise
