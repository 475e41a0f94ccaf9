"""A worktree as the workplace of an attempt: its work is committed, however it ends, and the commit is checked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.branch_names import task_branch
from swarm_shared.domain.models import TaskSpec
from swarm_shared.git.landing.bring_in import bring_in
from swarm_shared.git.merging.conflict_markers import conflict_markers, may_have_markers
from swarm_shared.git.plumbing.commits import message_with_trailers, task_trailers
from swarm_shared.git.plumbing.diffs import Diff, change_id, changed_files, diff
from swarm_shared.git.plumbing.pathspecs import outside
from swarm_shared.git.plumbing.refs import merge_base, read_ref
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.stale_locks import clear_stale, task_locks, worktree_locks
from swarm_shared.git.running.git_errors import GitError
from swarm_shared.git.snapshots.snapshot import Snapshot, take_snapshot
from swarm_shared.git.snapshots.submodules import Secured, align, note_set_up, secure
from swarm_shared.git.snapshots.undo import changes_since, undo_since
from swarm_shared.git.worktrees.leaks import Leak, leak
from swarm_shared.git.worktrees.spares import note_set_up_in, set_up_in
from swarm_shared.git.worktrees.taken_names import Settled, TakenNames
from swarm_shared.git.worktrees.task_worktrees import TaskWorktree, TaskWorktrees
from swarm_shared.program.logs import event
from swarm_shared.settings.setup_steps import kept_paths
from swarm_shared.store.queue.claims import Claim
from swarm_shared.store.views.changes import Since
from swarm_worker.config import WorkerConfig
from swarm_worker.landing.integration_branch import HeldBranch, IntegrationBranch
from swarm_worker.workplaces.built_in_checks import (
    NAMED_PATHS,
    does_not_fit,
    listed,
    not_on_a_remote,
    not_resolved,
    result,
    vanished,
    warning_of,
)
from swarm_worker.workplaces.outside import SETTINGS_CHECK, Shared
from swarm_worker.workplaces.recycler import Recycler
from swarm_worker.workplaces.refiller import Refiller
from swarm_worker.workplaces.user_checkout import UserCheckout
from swarm_worker.workplaces.workplace import Beyond, Sealed, Workplace

LOG = logging.getLogger("swarm.worker")


class Worktrees:
    """Gives each task its worktree, at the same path for all its attempts."""

    def __init__(
        self,
        database: TaskDatabase,
        config: WorkerConfig,
        repository: Repository,
        branch: IntegrationBranch,
        *,
        tend: Callable[[], None],
        must_yield: Callable[[], bool],
    ) -> None:
        """Bind to a repository.

        Args:
            tend: Called now and then while another process is waited for.
            must_yield: Whether this worker has something else to do than to make spares.
        """
        self._db, self._config, self._repository, self._branch = database, config, repository, branch
        self._tend = tend
        self._recycler = Recycler(database, config, self._trees(), branch)
        self._refiller = Refiller(
            database,
            self._trees(),
            least_free_bytes=config.min_free_bytes,
            must_yield=must_yield,
            tip=self._known_tip,
        )
        self._settled = Settled()
        self._user_checkout = UserCheckout(repository, ignore=(config.db, config.state_dir))

    def tidy(self) -> bool:
        if self._recycler.tidy() or self._clear_marks():
            return True
        return self._config.recycles and self._refiller.run_once(self._recycler.limit())

    def _known_tip(self) -> str | None:
        row = self._db.landings.integration()
        return None if row is None else row.tip

    def give_back_names(self) -> None:
        """Remove branches of workers that died before they could store which task they belong to."""
        try:
            with self._branch.held() as held:
                tip = held.integration.tip()
                if tip is not None:
                    for name in self._names(held, self._trees()).give_back(tip):
                        event(LOG, "branch_given_back", branch=task_branch(name))
        except GitError as error:
            # An empty branch does no harm; the next start tries again.
            event(LOG, "branch_left", level=logging.WARNING, reason=error.message)

    def _clear_marks(self) -> bool:
        """Delete what is left of names that were taken; whether there was anything."""
        if not self._settled.marks:
            return False
        try:
            with self._branch.held() as held:
                self._names(held, self._trees()).clear()
        except GitError as error:
            # It says nothing any more; the next start tries again.
            event(LOG, "mark_left", level=logging.WARNING, reason=error.message)
            self._settled.marks.clear()
        return True

    def _trees(self) -> TaskWorktrees:
        keep = kept_paths(self._config.setup)
        return TaskWorktrees(self._repository, self._config.state_dir / "worktrees", keep=keep)

    def _names(self, held: HeldBranch, trees: TaskWorktrees) -> TakenNames:
        # By a git that inherits the lock: after our death no other process checks before it has ended.
        return TakenNames(
            held.integration.repository, trees, is_stored=self._db.landings.is_named, settled=self._settled
        )

    @contextmanager
    def open(self, claim: Claim, spec: TaskSpec) -> Iterator[Workplace]:
        """Make or put in order the task's worktree, with what has landed as its base.

        Raises:
            QueueStopped: The integration branch needs the user.
            GitError: The worktree cannot be made.
        """
        self._refiller.note_work()
        trees = self._trees()
        with self._branch.held() as held:
            tip, into = held.follow(), held.integration
            names = self._names(held, trees)
            safe = self._db.landings.safe_id(claim, take=lambda name: names.take(name, tip))
            names.stored(safe)
        with trees.locked(safe, tend=self._tend) as descriptor:
            repository = self._repository.holding(descriptor)
            trees = trees.of(repository)
            # Every git that we start here inherits the lock, which we have; agents of earlier attempts were proven
            # gone before the task was claimed.
            opened = trees.open(safe, tip, holder_is_dead=lambda _lock: True, make_spare=self._recycler.make_spare)
            if opened.earlier_work and self._db.landings.failures(claim):
                opened = self._with_what_has_landed(opened, into.branch, tip, claim)
            shared = Shared.at_opening(repository, opened, trees.lock_of(safe).parent)
            try:
                yield TaskPlace(
                    self._db,
                    self._config,
                    repository,
                    opened,
                    claim,
                    spec,
                    self._user_checkout,
                    shared,
                    into=into.ref,
                    tip=tip,
                )
            finally:
                shared.settings.leave()

    def _with_what_has_landed(self, opened: TaskWorktree, into: str, tip: str, claim: Claim) -> TaskWorktree:
        merge = bring_in(opened, tip=tip, branch=into, task_id=claim.task_id, attempt_id=claim.attempt)
        if merge.new is None:
            return opened  # the agent resolves it: the conflicts are listed under what it must fix
        base = merge_base(opened.checkout.git, merge.new, tip) or opened.base_sha
        return replace(opened, head_sha=merge.new, base_sha=base)


class TaskPlace(Workplace):
    """One attempt in its task's worktree."""

    own = True

    def __init__(
        self,
        database: TaskDatabase,
        config: WorkerConfig,
        repository: Repository,
        opened: TaskWorktree,
        claim: Claim,
        spec: TaskSpec,
        user_checkout: UserCheckout,
        shared: Shared,
        *,
        into: str,
        tip: str,
    ) -> None:
        super().__init__(opened.cwd)
        self._db, self._config, self._repository = database, config, repository
        self._opened, self._claim, self._spec = opened, claim, spec
        self._user_checkout, self._before = user_checkout, user_checkout.before()
        self._shared = shared
        self._into, self._tip = into, tip  # the ref that this will land on, and where that was at the beginning
        self._git = opened.checkout.git
        self._sealed: Sealed | None = None
        self._made: Snapshot | None = None
        self._change = Diff(files=(), text="", truncated=False)  # known once it is sealed
        self._submodules: Sequence[Secured] = ()
        self._left_out: list[str] = []  # what was left out of the commit, and why

    def setup_due(self) -> Sequence[str]:
        done = {} if self._opened.submodules_missing else set_up_in(self._opened.checkout)
        return [step.run for step in self._config.setup if not step.is_done(self.cwd, done.get(step.run))]

    def set_up(self) -> None:
        note_set_up_in(self._opened.checkout, {step.run: step.digest(self.cwd) for step in self._config.setup})
        note_set_up(self._opened.checkout)

    def earlier_work(self) -> str | None:
        if not self._opened.earlier_work:
            return None
        files = changed_files(self._git, self._opened.base_sha, self._opened.head_sha)
        return Diff(files=files, text="", truncated=False).stat()

    def seal(self) -> Sealed:
        claim, opened = self._claim, self._opened
        message = message_with_trailers(
            f"{claim.task_id}: {self._spec.name} (attempt {claim.number})", task_trailers(claim.task_id, claim.attempt)
        )
        # Only processes of this attempt could hold one of these, and none is left.
        locks = (*worktree_locks(opened.checkout.git_dir), *task_locks(self._repository, opened.safe))
        clear_stale(locks, holder_is_dead=lambda _lock: True)
        self._submodules = secure(self._repository, opened.checkout, safe=opened.safe, message=message)
        # What the agent itself has merged in is not its own change.
        tip = read_ref(self._git, self._into)
        self._made = made = take_snapshot(
            opened.checkout,
            safe=opened.safe,
            base_sha=opened.base_sha,
            message=message,
            trunk=tip,
            prefix=self._repository.prefix,
        )
        if made.out_of_place:
            # Checks of the commit see these files.
            hidden, clean = bool(made.hidden), not made.refused
            opened.checkout.put_back(made.head_sha, ref=opened.ref, clean=clean, fresh_index=hidden)
            align(self._repository, opened.checkout)
        base = made.base_sha
        accident = f"the worktree was emptied: {listed(made.vanished)} missing" if made.emptied else None
        self._sealed = Sealed(base_sha=base, head_sha=made.head_sha, accident=accident)
        self._db.landings.note_head(claim, base_sha=base, head_sha=made.head_sha, given_tip=self._tip)
        self._change = self._kept(Since.BASE, base, made.head_sha)
        if opened.earlier_work:
            self._kept(Since.PREVIOUS, opened.head_sha, made.head_sha)
        self._left_out = [f"not in the commit: {line}" for line in made.refused]
        self._left_out += [f"a repository inside: {one.path}" for one in made.embedded]
        return self._sealed

    def checks(self) -> list[dict[str, Any]]:
        base, head = self._both()
        assert self._made is not None, "a commit was made"
        if self._made.conflicts:
            return [does_not_fit(self._made)]
        files = self._change.files
        markers = conflict_markers(self._git, base, head) if may_have_markers(self._change) else ()
        results = [
            result(
                "built-in: something was changed",
                passed=bool(files) or bool(self._spec.allow_empty),
                otherwise="nothing was changed",
                output="" if files else "nothing differs from what the task began with; what git ignores is not seen",
            ),
            result(
                "built-in: no conflict markers",
                passed=not markers,
                otherwise="conflict markers were added",
                output="\n".join(f"{marker.path}:{marker.line}" for marker in markers[:NAMED_PATHS]),
            ),
        ]
        if self._spec.files:
            paths = [path for file in files for path in (file.old_path, file.path) if path is not None]
            strays = outside(dict.fromkeys(paths), self._spec.files, prefix=self._repository.prefix)
            strict = self._config.strict_files
            otherwise = "other files than the task's were changed"
            results += warning_of("built-in: only declared files were changed", strays, otherwise if strict else None)
        if self._made.unresolved:
            results.append(not_resolved(self._made))
        if self._made.vanished:
            results.append(vanished(self._made))
        results += warning_of("built-in: everything could be committed", self._left_out)
        results += warning_of("built-in: landed changes were put back that a merge had dropped", self._made.restored)
        changed = {file.path for file in files if file.submodule}
        results += warning_of(
            "built-in: submodule commits are on their remote", not_on_a_remote(self._submodules, changed)
        )
        return results + warning_of("built-in: nothing was written outside the worktree", self._leaked())

    def change(self) -> str | None:
        _, head = self._both()
        found = self._change
        cut = "\n(cut: the table above is complete)" if found.truncated else ""
        return f"Commit {head}\n\n{found.stat()}\n\n{found.text}{cut}"

    def change_id(self) -> str | None:
        return change_id(self._git, *self._both())

    def beyond(self) -> Beyond:
        assert self._sealed is not None, "what was stashed is compared with a commit"
        found = self._shared.review(self._sealed, self._leak)
        for check in found.checks:
            if check["command"] == SETTINGS_CHECK:
                change_text = "; ".join(str(check["output"]).splitlines())
                self._db.queue.note_event(self._claim, "git_settings_changed", change_text)
        return found

    def restore(self) -> list[str]:
        _, head = self._both()
        checkout = self._opened.checkout
        note_set_up(checkout)  # what checks build in submodules is no work either
        moved = read_ref(self._git, self._opened.ref) != head or checkout.head_sha() != head
        if not moved and not changes_since(checkout, head):
            return []
        return [file.path for file in undo_since(checkout, head, ref=self._opened.ref)]

    def _kept(self, since: Since, base: str, head: str) -> Diff:
        """The change, stored for readers of the database."""
        found = diff(self._git, base, head)
        self._db.changes.keep(self._claim.attempt, since, base_sha=base, head_sha=head, change=found)
        return found

    def _both(self) -> tuple[str, str]:
        assert self._sealed is not None, "only a commit is reviewed"
        return self._sealed.base_sha, self._sealed.head_sha

    def _leaked(self) -> Sequence[str]:
        found = self._leak()
        if found:
            event(LOG, "leak_found", level=logging.WARNING, task=self._claim.task_id, paths=len(found.paths))
        paths = (path for path in found.paths if path != ".git/config")  # `outside` says what of it
        return (*paths, *(("another commit or branch is checked out there",) if found.head_moved else ()))

    def _leak(self) -> Leak:
        return leak(self._before, self._user_checkout.now())
