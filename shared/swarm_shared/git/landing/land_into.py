"""Bringing landed work into one of the user's branches, checkout included; only on request."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from shlex import quote

from msgspec import Struct

from swarm_shared.domain.branch_names import HEADS, INTEGRATION_BRANCH, TASK_BRANCHES, branch_of
from swarm_shared.domain.errors import NotFound, StateError
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.in_the_way import overwriting_refused
from swarm_shared.git.merging.marked import MarksOf
from swarm_shared.git.merging.merging import Merge, MergeKind, plan_merge
from swarm_shared.git.plumbing.commits import message_with_trailers
from swarm_shared.git.plumbing.diffs import changed_paths
from swarm_shared.git.plumbing.index_listing import edited as edited_files
from swarm_shared.git.plumbing.refs import is_contained, move_ref, read_ref
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.git_errors import DirtyCheckout, GitFailed, RefMoved
from swarm_shared.git.running.runner import LONG_S, Git
from swarm_shared.git.snapshots.untouched import untouched
from swarm_shared.git.worktrees.listing import all_checked_out_at
from swarm_shared.program.nearest import suggestion

NAMED_PATHS = 20
MAX_BRANCHES = 200
_PREVIEW_AGAIN = "nothing was changed; look at the preview again"
# Their presence in a git directory means that an operation of yours is unfinished.
_IN_THE_MIDDLE = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "sequencer")


class Seen(Struct, frozen=True, kw_only=True):
    """The commits that a preview showed: the head of the user's branch, and that of the integration branch."""

    into: str
    tip: str


class Heads(Struct, frozen=True, kw_only=True):
    """Both branches as they are now, as commit ids."""

    ref: str
    into: str
    tip: str


class LandedInto(Struct, frozen=True, kw_only=True):
    """The result: with `merge.kind` CONFLICT or UNRELATED nothing was changed.

    Args:
        branch: The user's branch.
        merge: From where to where it went.
        checkout: The checkout that was updated with it; None when no checkout has the branch.
    """

    branch: str
    merge: Merge
    checkout: Path | None

    def undo_command(self) -> str | None:
        """What moves the branch back, in a terminal; None if nothing was moved."""
        if self.merge.new in (None, self.merge.old):
            return None
        if self.checkout is None:
            return f"git branch --force {quote(self.branch)} {self.merge.old}"
        to = f"-B {quote(self.branch)} {self.merge.old}"
        return f"git -C {quote(str(self.checkout))} checkout --no-overwrite-ignore {to}"


def land_into(
    integration: Integration, branch: str, *, marks: MarksOf | None = None, seen: Seen | None = None
) -> LandedInto:
    """Bring the integration branch into `branch`: by fast-forward, or by a merge commit.

    Args:
        marks: As for `plan_merge`.
        seen: What a preview showed: exactly that is landed, and nothing if `branch` has moved since. Landing it a
            second time changes nothing and gives the result of the first.

    Raises:
        NotFound: There is no such branch, or nothing has landed yet.
        StateError: A branch is not as the preview showed it, is one of the swarm's, or has several checkouts.
        DirtyCheckout: It is checked out where something is not committed, where a merge, rebase or bisect is
            unfinished, or where a file, ignored or not, would be overwritten.
        RefMoved: The branch was moved meanwhile.
    """
    repository = integration.repository
    now = heads(integration, branch)
    checkouts = all_checked_out_at(repository, now.ref)
    at = next(iter(checkouts), None)
    tip = now.tip
    if seen is not None:
        tip = seen.tip
        if now.into != seen.into:
            return LandedInto(branch=branch, merge=_earlier(integration, now, seen, branch), checkout=at)
        if not is_contained(repository.git, tip, now.tip):
            raise StateError(f"{integration.branch} no longer contains what the preview showed", hint=_PREVIEW_AGAIN)
    git = None if at is None else git_of(repository, at)
    as_checked_out: tuple[str, ...] = ()
    if at is not None and git is not None:
        refuse_if_several(branch, checkouts)
        as_checked_out = refuse_if_dirty(git, at, now.ref)
    merge = plan_into(integration, now, tip=tip, marks=marks)
    if merge.new is not None and merge.new != merge.old:
        if git is None or at is None:
            move_ref(repository.git, now.ref, new=merge.new, old=merge.old, reason=f"swarm: land into {branch}")
        else:
            _update_checkout(git, at, now.ref, merge, repository, as_checked_out)
    return LandedInto(branch=branch, merge=merge, checkout=at)


def heads(integration: Integration, branch: str) -> Heads:
    """Where both branches are.

    Raises:
        NotFound: There is no such branch, or nothing has landed yet.
        StateError: It is not one of the user's branches.
    """
    ref = integration.repository.ref_for(branch)
    refuse_if_of_the_swarm(integration.ref, ref)
    into, tip = read_ref(integration.repository.git, ref), integration.tip()
    if into is None:
        raise NotFound(f"there is no branch {branch}", hint=_meant(integration, branch))
    if tip is None:
        raise NotFound(f"there is no branch {integration.branch}: nothing has landed", hint="run the swarm first")
    return Heads(ref=ref, into=into, tip=tip)


def _meant(integration: Integration, branch: str) -> str | None:
    return suggestion(branch, own_branches(integration), "your branches are")


def own_branches(integration: Integration) -> tuple[str, ...]:
    """The user's branches, those used last first; not those that the swarm made."""
    listed = integration.repository.git.line(
        "for-each-ref", "--sort=-committerdate", "--format=%(refname)", HEADS.rstrip("/")
    )
    refs = (ref for ref in listed.splitlines() if not is_of_the_swarm(integration.ref, ref))
    return tuple(branch_of(ref) for ref in islice(refs, MAX_BRANCHES))


def is_of_the_swarm(integration_ref: str, ref: str) -> bool:
    """Whether the swarm itself moves this branch: it is a task's, or work lands on it before it is merged."""
    return ref in (integration_ref, HEADS + INTEGRATION_BRANCH) or ref.startswith(HEADS + TASK_BRANCHES)


def refuse_if_of_the_swarm(integration_ref: str, ref: str) -> None:
    """Refuse to land into a branch that the swarm itself moves. Only names are compared; git is not asked."""
    if is_of_the_swarm(integration_ref, ref):
        hint = "name one of your own branches; see: git branch"
        raise StateError(f"{branch_of(ref)} is a branch of the swarm", hint=hint)


def refuse_if_several(branch: str, checkouts: Collection[Path]) -> None:
    """Refuse a branch with several checkouts: only one is updated, and the others' next commits would revert it."""
    if len(checkouts) > 1:
        raise StateError(
            f"{branch} has several checkouts: {', '.join(str(path) for path in checkouts)}",
            hint="nothing was changed; switch all but one to another branch: git switch --detach",
        )


def plan_into(integration: Integration, now: Heads, *, tip: str, marks: MarksOf | None) -> Merge:
    """What brings `tip` into the user's branch."""
    message = message_with_trailers(f"Merge {integration.branch} into {branch_of(now.ref)}", {})
    return plan_merge(integration.repository.git, into=now.into, other=tip, message=message, marks=marks)


def git_of(repository: Repository, at: Path) -> Git:
    """Git in a checkout of the user."""
    return repository.git.at(cwd=at, git_dir=None, work_tree=None)


def _earlier(integration: Integration, now: Heads, seen: Seen, branch: str) -> Merge:
    """The landing of the same preview that was done before, such as by a process that died before it could report."""
    git = integration.repository.git
    if not (is_contained(git, seen.tip, now.into) and is_contained(git, seen.into, now.into)):
        raise StateError(f"{branch} has moved since the preview", hint=_PREVIEW_AGAIN)
    if now.into == seen.tip:
        return Merge(kind=MergeKind.FAST_FORWARD, old=seen.into, new=now.into)
    if git.line("rev-list", "--parents", "--max-count=1", now.into).split()[1:] == [seen.into, seen.tip]:
        return Merge(kind=MergeKind.MERGED, old=seen.into, new=now.into)
    return Merge(kind=MergeKind.CONTAINED, old=now.into, new=now.into)


def merge_refusal(merge: Merge, *, branch: str, landed: str) -> StateError | None:
    """Why `landed`, the integration branch, cannot be merged into `branch`; None if it can."""
    if merge.kind is MergeKind.CONFLICT:
        more = len(merge.conflicts) - NAMED_PATHS
        named = ", ".join(merge.conflicts[:NAMED_PATHS]) + (f" and {more} more" if more > 0 else "")
        return StateError(
            f"{landed} and {branch} are in conflict: {named}",
            hint=f"nothing was changed; merge it yourself: git switch {quote(branch)} && git merge {quote(landed)}",
        )
    if merge.kind is MergeKind.UNRELATED:
        return StateError(
            f"{landed} and {branch} have no commit in common",
            hint=f"nothing was changed; was {branch} created again, or its first commit amended? see: git log --graph "
            f"{quote(branch)} {quote(landed)}",
        )
    return None


def refuse_if_dirty(git: Git, at: Path, ref: str, *, scratch_in: Path | None = None) -> tuple[str, ...]:
    """Refuse a checkout with changes; files that only git sees as changed, such as by line endings, are returned.

    Args:
        scratch_in: Where temporary files are made; its git directory by default.
    """
    if not at.is_dir():
        raise DirtyCheckout(at, (), "has the branch checked out but does not exist; is its disk mounted?")
    git_dir = Path(git.line("rev-parse", "--path-format=absolute", "--git-dir"))
    unfinished = [name for name in _IN_THE_MIDDLE if (git_dir / name).exists()]
    if unfinished or git.line("symbolic-ref", "--quiet", "HEAD", ok=(0, 1)) != ref:
        raise DirtyCheckout(at, (), "is in the middle of a merge, rebase or bisect", hint="finish it there first")
    changed = git.items("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=untracked")
    if not changed:
        return ()
    paths = [entry[3:] for entry in changed]
    if any(not entry.startswith(" M ") for entry in changed):
        raise DirtyCheckout(at, paths)
    with tempfile.TemporaryDirectory(prefix="swarm-fresh-", dir=scratch_in or git_dir) as scratch:
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
    """Files, index and branch in one, by git's own fast-forward: it refuses before it overwrites anything.

    That includes ignored files: what you keep out of git, such as an `.env`, exists nowhere else.
    """
    assert merge.new is not None
    in_the_way = changed_paths(git, merge.old, merge.new).intersection(as_checked_out) if as_checked_out else ()
    try:
        with _out_of_the_way(at, in_the_way, git) if in_the_way else nullcontext():
            options = ("--ff-only", "--no-overwrite-ignore", "--no-autostash", "--quiet")
            git.ask("merge", *options, merge.new, timeout_s=LONG_S)
    except GitFailed as error:
        found = read_ref(repository.git, ref)
        if found not in (merge.old, merge.new):
            raise RefMoved(ref, expected=merge.old, found=found) from error
        raise overwriting_refused(at, error) or error from error
