"""What landing into one of the user's branches would bring, and why it would be refused; changes nothing."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.domain.errors import StateError, SwarmError
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.in_the_way import in_the_way, would_overwrite
from swarm_shared.git.landing.land_into import (
    Heads,
    Seen,
    git_of,
    heads,
    merge_refusal,
    plan_into,
    refuse_if_dirty,
    refuse_if_several,
)
from swarm_shared.git.merging.marked import MarksOf
from swarm_shared.git.merging.merging import Merge, MergeKind
from swarm_shared.git.plumbing.diffs import FileChange, changed_files
from swarm_shared.git.running.git_errors import DirtyCheckout, GitFailed
from swarm_shared.git.running.runner import Git
from swarm_shared.git.worktrees.listing import all_checked_out_at

MAX_COMMITS = 100
_FORMAT = "--format=%H%x09%at%x09%(trailers:key=Swarm-Task,valueonly,separator=%x2C)%x09%an%x09%s"


class Arriving(Struct, frozen=True, kw_only=True):
    """A commit that the branch would get; `task_id` is empty if no task made it. `at` is seconds since 1970."""

    commit: str
    at: int
    task_id: str
    author: str
    title: str


class Preview(Struct, frozen=True, kw_only=True):
    """What landing would do now.

    Args:
        branch, landed: The names of the user's branch and of the integration branch.
        seen: Their commits; landing takes them, so that exactly this is landed.
        kind: How it would be done.
        commits: By first parent, newest first, at most `MAX_COMMITS`.
        commit_count: All commits that the branch would get, those of the tasks' branches included.
        files: What would change in the user's branch; empty if the branches cannot be merged.
        checkout: The checkout that would be updated; None when no checkout has the branch.
        refusal: Why it would be refused now; None when it would be done.
    """

    branch: str
    landed: str
    seen: Seen
    kind: MergeKind
    commits: tuple[Arriving, ...]
    commit_count: int
    files: tuple[FileChange, ...]
    checkout: Path | None
    refusal: SwarmError | None


def land_preview(integration: Integration, branch: str, *, marks: MarksOf | None = None) -> Preview:
    """Look at what landing into `branch` would bring. No ref, file, index or object of the repository is written.

    Args:
        marks: As for `plan_merge`.

    Raises:
        NotFound: There is no such branch, or nothing has landed yet.
        StateError: It is not one of the user's branches.
    """
    repository = integration.repository
    now = heads(integration, branch)
    git = repository.git
    checkouts = all_checked_out_at(repository, now.ref)
    at = next(iter(checkouts), None)
    with _scratch(git, repository.common_dir) as scratch:
        apart = replace(integration, repository=dataclasses.replace(repository, git=scratch))
        merge = plan_into(apart, now, tip=now.tip, marks=marks)
        files = () if merge.new in (None, merge.old) else changed_files(scratch, merge.old, str(merge.new))
    refusal: SwarmError | None = merge_refusal(merge, branch=branch, landed=integration.branch)
    if at is not None and refusal is None:
        try:
            refuse_if_several(branch, checkouts)
            refusal = _refusal_of_checkout(git_of(repository, at), at, now, merge, files)
        except StateError as error:
            refusal = error
    return Preview(
        branch=branch,
        landed=integration.branch,
        seen=Seen(into=now.into, tip=now.tip),
        kind=merge.kind,
        commits=_arriving(git, now),
        commit_count=int(git.line("rev-list", "--count", f"{now.into}..{now.tip}")),
        files=files,
        checkout=at,
        refusal=refusal,
    )


@contextmanager
def _scratch(git: Git, common_dir: Path) -> Iterator[Git]:
    """Git that stores what a merge makes in a folder that is removed again."""
    with tempfile.TemporaryDirectory(prefix="swarm-preview-") as folder:
        yield git.writing_to(Path(folder), known=common_dir / "objects")


def _refusal_of_checkout(
    git: Git, at: Path, now: Heads, merge: Merge, files: tuple[FileChange, ...]
) -> DirtyCheckout | GitFailed | None:
    """Why the checkout could not be updated; what landing itself finds out by trying is found by looking."""
    try:
        with tempfile.TemporaryDirectory(prefix="swarm-fresh-") as folder:
            refuse_if_dirty(git, at, now.ref, scratch_in=Path(folder))
        if merge.kind is MergeKind.CONTAINED:
            return None
        found = in_the_way(at, files)
        if found:
            return would_overwrite(at, found)
    except (DirtyCheckout, GitFailed) as error:
        return error
    return None


def _arriving(git: Git, now: Heads) -> tuple[Arriving, ...]:
    found = git.items(
        "log", "-z", "--first-parent", f"--max-count={MAX_COMMITS}", _FORMAT, f"{now.into}..{now.tip}", "--"
    )
    parts = (line.split("\t", 4) for line in found)
    return tuple(
        Arriving(commit=commit, at=int(at), task_id=task_id.strip(), author=author, title=title)
        for commit, at, task_id, author, title in parts
    )
