"""A worker's exclusive access to the integration branch: every move is recorded before it is made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from msgspec import Struct

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.branch_names import branch_of, landed_ref
from swarm_shared.domain.errors import ConfigError, SwarmError
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.landing_branch import landing_branch
from swarm_shared.git.merging.merging import MergeKind
from swarm_shared.git.plumbing.refs import move_ref
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.repository_lock import file_lock
from swarm_shared.git.plumbing.stale_locks import clear_stale, ref_lock
from swarm_shared.git.running.git_errors import BranchInUse, RefLocked, RefMoved
from swarm_shared.plan_marks import plan_marks

# Ours are certainly gone (they inherit our lock); a user's git holds a ref's lock for milliseconds.
STALE_LOCK_S = 10.0
LOCK_POLL_S = 0.1
LOCK_NAME = "swarm-integration.lock"  # in the common git dir: two swarms may share a repository
NAMED_PATHS = 10
_T = TypeVar("_T")


class QueueStopped(SwarmError):
    """Nothing can land until the user acts; the queue is paused with the reason."""


class HeldBranch(Struct, frozen=True, kw_only=True):
    """The branch while no other worker of this swarm moves it."""

    database: TaskDatabase
    integration: Integration
    actor: str

    def tip(self) -> str:
        """Where it is.

        Raises:
            QueueStopped: It was moved outside any swarm, or a swarm's landed work was removed from it.
        """
        row = self.database.landings.integration()
        assert row is not None, "a worker adopts the branch before it takes any task"
        integration = self.integration
        found = integration.tip()
        if found is None:
            # Deleted: the commits are known, so nothing is lost that this does not bring back.
            found = integration.landed_since(row.tip) or row.tip
            move_ref(integration.repository.git, integration.ref, new=found, old=None, reason="swarm: back")
        if found == row.tip:
            return found
        if found != integration.landed_since(row.tip):  # else by another swarm, on top of all that is ours
            if found != row.next_tip and not row.accepting:
                self.stop(
                    f"{integration.branch} was moved outside the swarm to {found[:12]}; the swarm had it at "
                    f"{row.tip[:12]}. `amplifier-swarm resume` continues from its current state"
                )
            integration.vouch(found)
        self.database.landings.note_tip(found)
        return found

    def follow(self) -> str:
        """Merge the user's branch in. Returns where the branch is then.

        Raises:
            QueueStopped: The merge conflicts, or the branch was moved outside the swarm.
        """
        tip = self.tip()
        row = self.database.landings.integration()
        if row is None or row.person_ref is None:
            return tip
        marks = partial(plan_marks, self.database.landings, self.integration.repository)
        merge = self.integration.plan_follow(row.person_ref, tip=tip, marks=marks)
        if merge.kind is MergeKind.UNRELATED:
            person = branch_of(row.person_ref)
            self.stop(
                f"{person} has no commit in common with {self.integration.branch}: it was created again, or its "
                "first commit was amended. Restore it, or start with another --land-into; then `amplifier-swarm resume`"
            )
        if merge.kind is MergeKind.CONFLICT or merge.new is None:
            person = branch_of(row.person_ref)
            self.stop(
                f"{person} cannot be merged into {self.integration.branch}: conflict in {_named(merge.conflicts)}. "
                f"Merge {person} into it manually, then run `amplifier-swarm resume`"
            )
        if merge.new != tip:
            self.database.landings.intend(new=merge.new, old=tip)
            self.advance(merge.new, old=tip)
        return merge.new

    def advance(self, new: str, *, old: str) -> None:
        """Move it; the move has already been recorded.

        Raises:
            QueueStopped: It is checked out, locked, or was moved meanwhile.
        """
        try:
            _past_dead_locks(self.integration, lambda: self.integration.advance(new, old=old))
        except RefMoved as error:
            self.tip()  # reports by whom; not by us, since we hold the lock
            self.stop(error.message)
        except (BranchInUse, RefLocked) as error:
            self.stop(f"{error.message}; {error.hint}")
        self.database.landings.note_tip(new)

    def stop(self, reason: str) -> NoReturn:
        self.database.landings.stop_queue(reason, actor=self.actor)
        raise QueueStopped(reason)


class IntegrationBranch:
    """Gives access to the branch, to one worker at a time among all swarms of the repository."""

    def __init__(self, database: TaskDatabase, repository: Repository, *, actor: str, tend: Callable[[], None]) -> None:
        self._database, self._repository = database, repository
        self._lock, self._actor, self._tend = repository.common_dir / LOCK_NAME, actor, tend

    def begin(self, branch: str) -> None:
        """Make or take over the branch, at this worker's start.

        Raises:
            ConfigError: It cannot be one, is checked out somewhere, or lacks what has landed elsewhere so far.
        """
        known = self._database.landings.integration()
        here = str(self._repository.common_dir)
        landed = None
        if known is not None and known.repository == here:
            landed = Integration(repository=self._repository, ref=known.ref)
            if landed.branch == branch:
                return
        integration = landing_branch(self._repository, branch, landed=landed)
        start = self._repository.head_sha
        assert start is not None, "a repository without a commit is not isolated"
        try:
            tip = _past_dead_locks(integration, lambda: integration.begin(start))
        except BranchInUse as error:
            raise ConfigError(error.message, hint=error.hint) from error
        self._database.landings.adopt(
            repository=here, ref=integration.ref, person_ref=self._repository.head_ref, tip=tip
        )

    def ref(self) -> str:
        """Its full name, as stored, so that all workers mean the same one."""
        row = self._database.landings.integration()
        assert row is not None, "a worker adopts the branch before it takes any task"
        return row.ref

    @contextmanager
    def held(self) -> Iterator[HeldBranch]:
        """Exclusive access to the branch, for a short time."""
        with file_lock(self._lock, tend=self._tend) as descriptor:
            repository = self._repository.holding(descriptor)
            integration = Integration(repository=repository, ref=self.ref())
            yield HeldBranch(database=self._database, integration=integration, actor=self._actor)


def _past_dead_locks(integration: Integration, move: Callable[[], _T]) -> _T:
    """Move the branch; if a lock left by a killed git blocks it, retry without the lock.

    Its maker may have been killed a moment ago, so it is only removed once it is old.
    """
    try:
        return move()
    except RefLocked:
        repository, ref = integration.repository, integration.ref
        locks = [ref_lock(repository, ref), ref_lock(repository, landed_ref(ref))]
        for _ in range(round(STALE_LOCK_S / LOCK_POLL_S)):
            if all(_is_old(lock) for lock in locks if lock.exists()):
                break
            repository.git.pause(LOCK_POLL_S)
        clear_stale(locks, holder_is_dead=_is_old)
        return move()


def _is_old(lock: Path) -> bool:
    try:
        return time.time() - lock.stat().st_mtime > STALE_LOCK_S
    except OSError:
        return False


def _named(paths: tuple[str, ...]) -> str:
    more = len(paths) - NAMED_PATHS
    return ", ".join(paths[:NAMED_PATHS]) + (f" and {more} more" if more > 0 else "")
