"""A worktree for each task, at a path that stays the same for all its attempts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.branch_names import task_branch, task_ref
from swarm_shared.git.plumbing.permissions import make_accessible
from swarm_shared.git.plumbing.refs import is_contained, merge_base, move_ref, read_ref
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.repository_lock import LOCK_TIMEOUT_S, file_lock
from swarm_shared.git.plumbing.stale_locks import clear_stale, repository_lock, task_locks, worktree_locks
from swarm_shared.git.running.git_errors import BranchInUse, GitError, GitFailed
from swarm_shared.git.running.runner import Git
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.snapshots.snapshot import Snapshot, take_snapshot
from swarm_shared.git.snapshots.submodules import align, secure, seed
from swarm_shared.git.worktrees.include import copy_included
from swarm_shared.git.worktrees.listing import add_worktree, checked_out_at, git_dir_of, linked_below, remove_worktree
from swarm_shared.git.worktrees.outside_run import OutsideRun
from swarm_shared.git.worktrees.spares import Examined, Recycled, Spares

# In the git directory of a worktree: its files were checked out to the end. Without it they are a part of them,
# and the rest would be taken for deleted. Holds the project root's place below the top.
READY_MARK = "swarm-ready"
ASIDE = "set-aside"


class TaskWorktree(Struct, frozen=True, kw_only=True):
    """A worktree that is ready for an attempt, its files as on its branch.

    Args:
        checkout: The files and their git directory.
        cwd: Where the agent works: the project root inside the worktree.
        head_sha: Where its branch is now.
        base_sha: The commit of the integration branch that the work on it started from.
        earlier_work: Whether commits of earlier attempts are on the branch.
        leftover: What an unfinished attempt had left in the worktree, now a commit.
        set_aside: Where a folder was moved to that lay at our path and was no worktree any more.
        copied: The files of `.worktreeinclude` that were copied in.
        submodules_missing: A submodule is not where the branch has it, as that commit has to be fetched first.
    """

    safe: str
    checkout: Checkout
    cwd: Path
    head_sha: str
    base_sha: str
    earlier_work: bool
    leftover: Snapshot | None
    set_aside: Path | None
    copied: tuple[str, ...]
    submodules_missing: bool

    @property
    def ref(self) -> str:
        return task_ref(self.safe)


class TaskWorktrees:
    """The task worktrees of one swarm.

    Args:
        root: The folder that they are in, `<state directory>/worktrees`; its neighbours are ours too.
        keep: Paths below the project root that stay when another task takes a worktree over.
    """

    def __init__(self, repository: Repository, root: Path, *, keep: tuple[str, ...] = ()) -> None:
        self.repository = repository
        root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        self.keep = keep
        self.spares = Spares(repository, self.root.parent / "spares", keep=self.kept_below(Path()))

    def of(self, repository: Repository) -> TaskWorktrees:
        """The same ones, by another git."""
        return TaskWorktrees(repository, self.root, keep=self.keep)

    def kept_below(self, top: Path) -> tuple[Path, ...]:
        """What stays in a worktree that another task takes over."""
        return tuple(top / self.repository.prefix / path for path in self.keep)

    def cleaning(self) -> tuple[str, ...]:
        """Options of git-clean(1): delete everything but what is to be kept, repositories inside too."""
        patterns = (re.sub(r"([\\*?\[])", r"\\\1", str(path)) for path in self.kept_below(Path()))
        return ("-f", "-x", *(f"--exclude=/{pattern}" for pattern in patterns))

    def path_of(self, safe: str) -> Path:
        path = self.root / safe
        if path.parent != self.root or safe in ("", ".", ".."):
            raise GitError(f"{safe!r} is no name for a worktree", hint="use safe_id")
        return path

    def names(self) -> tuple[str, ...]:
        """The safe ids of all worktrees that git knows here, also half-made ones; asks no git process."""
        return tuple(path.name for path in linked_below(self.repository, self.root))

    def lock_of(self, safe: str) -> Path:
        """The file that is locked (`locked`) by a process that works in a task's worktree, or removes it."""
        return self.root.parent / "worktree-locks" / self.path_of(safe).name

    def cwd_of(self, checkout: Checkout) -> Path:
        """Where the agents of a worktree have worked; its top where that folder is missing."""
        try:
            cwd = checkout.path / os.fsdecode((checkout.git_dir / READY_MARK).read_bytes())
        except OSError:
            return checkout.path
        return cwd if cwd.is_dir() else checkout.path

    def outside_run_of(self, safe: str) -> OutsideRun:
        """What runs in a task's worktree outside our process tree."""
        return OutsideRun(self.root.parent / "worktree-runs" / self.path_of(safe).name)

    @contextmanager
    def locked(
        self, safe: str, *, tend: Callable[[], None] = lambda: None, timeout_s: float = LOCK_TIMEOUT_S
    ) -> Iterator[int]:
        """Lock a task's worktree, in which no command of an earlier holder runs; the descriptor is for git to inherit.

        Raises:
            RepositoryBusy: Another process held the lock all the time.
            GitError: A command of an earlier holder is not proven gone.
        """
        with file_lock(self.lock_of(safe), tend=tend, timeout_s=timeout_s) as descriptor:
            self.outside_run_of(safe).end(tend)
            yield descriptor

    def find(self, safe: str) -> Checkout | None:
        """The worktree of a task as it is, finished or not; None when there is none."""
        path = self.path_of(safe)
        git_dir = git_dir_of(self.repository, path)
        if git_dir is None or not path.is_dir() or not (git_dir / READY_MARK).exists():
            return None
        return Checkout.of(self.repository.git, path=path, git_dir=git_dir)

    def open(
        self,
        safe: str,
        base_sha: str,
        *,
        holder_is_dead: Callable[[Path], bool],
        make_spare: Callable[[], Recycled | None] = lambda: None,
    ) -> TaskWorktree:
        """Open a task's worktree, new or with the work of its earlier attempts.

        The caller has claimed the task, and has proven that nothing of an earlier attempt is alive. What is in the
        worktree is committed before it is put in order.

        Args:
            base_sha: The tip of the integration branch; a branch without its own work starts there.
            holder_is_dead: The proof for locks that are left in the worktree and on the branch; see `clear_stale`.
            make_spare: Makes a spare without a checkout, of a landed worktree; None if there is none to make.
                Asked whenever there is no spare, so that another checkout is made only where all are in use.

        Raises:
            BranchInUse: The task's branch is checked out elsewhere, by a user or another swarm.
        """
        git, ref, path = self.repository.git, task_ref(safe), self.path_of(safe)
        clear_stale(task_locks(self.repository, safe), holder_is_dead=holder_is_dead)
        checkout = self.find(safe)
        leftover, set_aside = None, None
        if checkout is not None:
            make_accessible(path)
            clear_stale(worktree_locks(checkout.git_dir), holder_is_dead=holder_is_dead)
            secure(self.repository, checkout, safe=safe, message=_LEFTOVER_MESSAGE)
            prefix = self.repository.prefix
            leftover = take_snapshot(checkout, safe=safe, base_sha=base_sha, message=_LEFTOVER_MESSAGE, prefix=prefix)
        self._refuse_if_elsewhere(safe)
        tip = self._start_branch(ref, base_sha)
        # What could not be committed is safe only as long as nothing cleans up.
        clean = checkout is not None and not (leftover is not None and leftover.refused)
        if checkout is None:
            checkout, set_aside = self._make(safe, tip, make_spare)
        else:
            hidden = leftover is not None and bool(leftover.hidden)
            checkout.put_back(tip, ref=ref, clean=clean, fresh_index=hidden)
        base = merge_base(git, tip, base_sha) or base_sha
        checkout.note_start(tip, base_sha=base)
        aligned = align(self.repository, checkout)
        seed(self.repository, checkout)
        (checkout.git_dir / READY_MARK).write_bytes(os.fsencode(self.repository.prefix))
        cwd = path / self.repository.prefix
        cwd.mkdir(parents=True, exist_ok=True)
        return TaskWorktree(
            safe=safe,
            checkout=checkout,
            cwd=cwd,
            head_sha=tip,
            base_sha=base,
            earlier_work=tip != base_sha,
            leftover=leftover if leftover is not None and leftover.created else None,
            set_aside=set_aside,
            copied=copy_included(self.repository, path),
            submodules_missing=not aligned,
        )

    def remove(self, safe: str) -> None:
        """Remove a task's worktree with all that is in it; its branch stays. Ask `prune` whether it may go."""
        path = self.path_of(safe)
        with repository_lock(self.repository) as git:
            git_dir = git_dir_of(self.repository, path)
            if git_dir is not None:
                # Should we die in the middle, what is left is no worktree with deleted files.
                (git_dir / READY_MARK).unlink(missing_ok=True)
                remove_worktree(git, path)
            elif path.is_dir():
                raise GitError(f"{path} is left, and git knows no such worktree", hint="look at it, then delete it")

    def _start_branch(self, ref: str, base_sha: str) -> str:
        """The tip of the task's branch, which is created, or moved to the base if it has no work yet."""
        git = self.repository.git
        tip = read_ref(git, ref)
        if tip is not None and not is_contained(git, tip, base_sha):
            return tip
        if tip != base_sha:
            move_ref(git, ref, new=base_sha, old=tip, reason="swarm: start of a task")
        return base_sha

    def _refuse_if_elsewhere(self, safe: str) -> None:
        at = checked_out_at(self.repository, task_ref(safe))
        if at is not None and at != self.path_of(safe):
            raise BranchInUse(task_branch(safe), at)

    def _make(self, safe: str, tip: str, make_spare: Callable[[], Recycled | None]) -> tuple[Checkout, Path | None]:
        """A worktree with the files of a commit, from a spare if there is one; and where what was there has gone."""
        added = self._add(safe, make_spare)
        checkout, spare = added.checkout, added.spare
        try:
            if not self._moved_on(added, tip):
                checkout.put_back(tip, ref=task_ref(safe), clean=spare, more=self.cleaning() if spare else ())
        except (GitError, OSError):
            if not spare:
                raise
            # Whatever is wrong with it was not found out before: it is discarded.
            checkout = self._add(safe, None).checkout
            checkout.put_back(tip, ref=task_ref(safe), clean=False)
        return checkout, added.set_aside

    def _moved_on(self, added: _Added, tip: str) -> bool:
        """Whether the worktree was just examined, so that it has the files of a commit without another look at them."""
        if added.examined is None:
            return False
        try:
            added.checkout.move_on(added.examined.sha, tip)
        except GitFailed:
            return False
        return True

    def _add(self, safe: str, make_spare: Callable[[], Recycled | None] | None) -> _Added:
        """A registered worktree: a spare, or one without files. Without `make_spare` no spare is taken."""
        path, git, set_aside = self.path_of(safe), self.repository.git, None
        may_be_made = make_spare is not None
        examined: Examined | None = None
        while True:
            with repository_lock(self.repository) as locked:
                git_dir = git_dir_of(self.repository, path)
                if git_dir is not None:
                    # Its folder has vanished, or its checkout was never finished, so no agent has worked in it.
                    self._remove_unused(locked, git_dir, path)
                set_aside = self._set_aside(path) or set_aside
                taken = None
                if make_spare is not None:
                    first = None if examined is None else examined.path
                    taken = self.spares.take(path, ref=task_ref(safe), first=first)
                if taken is not None:
                    checkout = Checkout.of(git, path=path, git_dir=taken.git_dir)
                    if examined is not None and taken.spare != examined.path:
                        examined = None
                    return _Added(checkout=checkout, set_aside=set_aside, spare=True, examined=examined)
                if not may_be_made:
                    git_dir = add_worktree(locked, self.repository, path, (task_branch(safe),))
                    checkout = Checkout.of(git, path=path, git_dir=git_dir)
                    return _Added(checkout=checkout, set_aside=set_aside)
            # Another task may take it first: then it is tried again.
            recycled = make_spare() if make_spare is not None else None
            may_be_made, examined = recycled is not None, recycled.examined if recycled is not None else None

    def _remove_unused(self, git: Git, git_dir: Path, path: Path) -> None:
        if path.is_dir() and (git_dir / READY_MARK).exists():
            raise GitError(f"the worktree {path} has just been made by another process", hint="try again")
        lost = Checkout.of(self.repository.git, path=path, git_dir=git_dir)
        for secured in secure(self.repository, lost, safe=path.name, message=None):
            if secured.problem is not None:
                raise GitError(f"commits of submodule {secured.path} are in {git_dir} alone: {secured.problem}")
        remove_worktree(git, path)

    def _set_aside(self, path: Path) -> Path | None:
        """A folder that git does not know may still contain work: move it, delete nothing."""
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return None
        home = self.root.parent / ASIDE
        home.mkdir(parents=True, exist_ok=True)
        number = 1
        while (aside := home / f"{path.name}-{number}").exists():
            number += 1
        make_accessible(path)  # to move a folder is to write into it
        shutil.move(path, aside)
        return aside


class _Added(Struct, frozen=True, kw_only=True):
    """A registered worktree.

    Args:
        set_aside: Where what lay at its path has gone.
        spare: Whether it was a spare.
        examined: That spare, if it was examined just before it was taken.
    """

    checkout: Checkout
    set_aside: Path | None
    spare: bool = False
    examined: Examined | None = None


_LEFTOVER_MESSAGE = "Swarm: what an interrupted attempt had left\n"
