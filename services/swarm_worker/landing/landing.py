"""Landing one approved task: merged in memory, checked if necessary, then added to the integration branch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from swarm_shared.domain.models import FailureClass, Outcome, TaskSpec
from swarm_shared.git.landing.between import Landed, landed_between
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.landing_worktree import landing_checkout
from swarm_shared.git.merging.merging import Merge, MergeKind, unexplained_paths
from swarm_shared.git.plumbing.refs import is_contained
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.repository_lock import file_lock
from swarm_shared.git.running.git_errors import GitError, GitUnusable, says_something
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.program.logs import event
from swarm_shared.store.queue.landings import LandingClaim
from swarm_shared.store.queue.policy import AttemptResult
from swarm_worker.config import WorkerConfig
from swarm_worker.landing import refusals
from swarm_worker.landing.gate_batches import GateBatches, planned
from swarm_worker.landing.integration_branch import IntegrationBranch, QueueStopped
from swarm_worker.landing.plan_sync import PlanSync
from swarm_worker.landing.refusals import Refused
from swarm_worker.session.session_types import SessionContext
from swarm_worker.session.steps import AttemptOutcome, CutShort, Steps, failed

LOG = logging.getLogger("swarm.worker")
# The user's branch may be merged in while the merged result is checked: then it is merged and checked again.
TRIES = 5


class Lander:
    """Lands for one worker, one claim at a time."""

    def __init__(
        self, around: SessionContext, config: WorkerConfig, repository: Repository, branch: IntegrationBranch
    ) -> None:
        self._around, self._config, self._repository, self._branch = around, config, repository, branch

    def land(self, landing: LandingClaim) -> AttemptOutcome:
        """As `Landing.run`."""
        tend = self._around.heart.beat_if_due
        return Landing(self._around, self._config, self._repository, self._branch, landing, tend=tend).run()


class Landing:
    """Runs one landing claim. `run` returns when no process of any check is left."""

    def __init__(
        self,
        around: SessionContext,
        config: WorkerConfig,
        repository: Repository,
        branch: IntegrationBranch,
        landing: LandingClaim,
        *,
        tend: Callable[[], None],
    ) -> None:
        self._config, self._repository, self._branch, self._landing = config, repository, branch, landing
        self._db, self._tree, self._tend = around.database, around.tree, tend
        self._claim = landing.claim
        self._steps = Steps(around, config, landing.claim)
        self._result = AttemptResult(outcome=Outcome.PASSED, base_sha=landing.base_sha, head_sha=landing.head_sha)
        self._checks: list[dict[str, Any]] = []  # on the merged result

    def run(self) -> AttemptOutcome:
        """Land it, or record why it cannot land.

        Raises:
            LeaseLost: Another worker owns the task. TreeUnproven: A process of a check could not be ended.
        """
        try:
            result = self._land()
        except CutShort as short:
            return self._steps.concluded(short.cut, self._result)
        except Refused as refused:
            result = refused.result(self._result)
        except QueueStopped as stopped:
            result = failed(self._result, FailureClass.INTERRUPTED, stopped.message)
        except (GitError, GitUnusable) as error:
            reason = f"{error.message}; {error.hint}" if error.hint else error.message
            result = failed(self._result, FailureClass.CRASH, reason)
            result = replace(result, blames_machine=says_something(error))
        if self._checks:
            result = replace(result, check_results=self._checks)
        return AttemptOutcome(result=result)

    def _land(self) -> AttemptResult:
        spec = self._db.tasks.spec(self._claim.task)
        sync = PlanSync(self._repository, spec.source if self._config.syncs else None)
        for _ in range(TRIES):
            self._checks = []
            with self._branch.held() as held:
                tip = held.tip()
                merge = self._planned(held.integration, tip, sync)
                into = held.integration.branch
            if merge.kind is MergeKind.UNRELATED:
                raise refusals.unrelated(into)
            if merge.new is None:
                between = self._between(tip, merge.conflicts)
                raise refusals.conflict(merge, into, between=between, raced=self._merged_what_it_was_given())
            if merge.kind is MergeKind.CONTAINED:
                if self._landing.head_sha != self._landing.base_sha:  # else there was nothing to land
                    self._record_landed(self._landing.landing_commit or tip)
                return self._result
            self._examine(spec, merge, tip, into)
            with self._branch.held() as held:
                if held.tip() != tip:
                    continue
                self._tree.clear()
                if not self._db.landings.pass_point_of_no_return(self._claim, new=merge.new, old=tip):
                    raise CutShort(self._steps.requested())
                held.advance(merge.new, old=tip)
            self._record_landed(merge.new)
            self._record_synced(sync)
            return self._result
        return failed(self._result, FailureClass.INTERRUPTED, "the landed work kept changing; it is tried again")

    def _planned(self, integration: Integration, tip: str, sync: PlanSync) -> Merge:
        known = self._landing.landing_commit
        if known is not None and integration.contains(known):
            return Merge(kind=MergeKind.CONTAINED, old=tip, new=tip)  # by a lander that died before recording it
        return planned(self._db.landings, integration, self._landing.work, tip=tip, sync=sync)

    # ───── what must hold before it lands ─────

    def _examine(self, spec: TaskSpec, merge: Merge, tip: str, into: str) -> None:
        assert merge.new is not None
        moved = tip != self._landing.base_sha
        if moved:
            self._refuse_reverts(merge, tip, into)
        # Two tasks that each pass alone and merge without a conflict can still break each other.
        commands = self._config.gate or ((*self._config.checks, *spec.checks) if moved else ())
        if not commands:
            return
        with file_lock(self._config.state_dir / "landing.lock", tend=self._tend) as descriptor:
            repository = self._repository.holding(descriptor)
            if self._config.gate:
                self._checks = self._gated(repository, merge.new, spec)
            else:
                self._checks = self._examined(repository, merge.new, commands, spec)
            failing = [check for check in self._checks if not check["passed"]]
            if failing and self._config.gate:
                self._stop_if_base_fails(repository, tip, commands, spec)
        if failing:
            # Where nothing has landed since, the failure is in the work itself.
            raced = moved and self._merged_what_it_was_given() and not self._contains(tip)
            raise refusals.failing(self._checks, into, between=self._between(tip), raced=raced)

    def _gated(self, repository: Repository, merged: str, spec: TaskSpec) -> list[dict[str, Any]]:
        """The results of the gate on a merged result, tested together with those of the next tasks to land.

        A batch that fails is halved until it passes or only this task's work is left.
        """
        commands = self._config.gate
        if self._config.gate_batch == 1:
            return self._examined(repository, merged, commands, spec)
        integration = Integration(repository=repository, ref=self._branch.ref())
        batches = GateBatches(self._db, integration, self._config, spec)
        first = batches.result(self._claim.task_id, merged)
        covered = batches.covered(first)
        if covered is not None:
            return covered
        batch = batches.starting_with(first)
        while True:
            checks = self._examined(repository, batch[-1].sha, commands, spec)
            if len(batch) == 1:
                return checks
            if all(check["passed"] for check in checks):
                return batches.passed(batch, checks)
            event(LOG, "gate_batch_failed", task=self._claim.task_id, size=len(batch))
            batch = batch[: len(batch) // 2]

    def _stop_if_base_fails(self, repository: Repository, tip: str, commands: Sequence[str], spec: TaskSpec) -> None:
        base = [check for check in self._examined(repository, tip, commands, spec) if not check["passed"]]
        if not base:
            return
        self._checks = base
        command = f"{base[0]['command']}{refusals.last_line(base[0])}"
        with self._branch.held() as held:
            held.stop(f"the base is failing: {command} fails on {held.integration.branch} without any new work")

    def _refuse_reverts(self, merge: Merge, tip: str, into: str) -> None:
        assert merge.new is not None
        base, head = self._landing.base_sha, self._landing.head_sha
        paths = unexplained_paths(
            self._repository.git, base=base, head=head, tip=tip, merged=merge.unfinished or merge.new
        )
        if paths:
            raise refusals.reverts(paths, into, between=self._between(tip, paths))

    def _merged_what_it_was_given(self) -> bool:
        given = self._landing.given_tip
        return given is not None and self._contains(given)

    def _contains(self, sha: str) -> bool:
        return is_contained(self._repository.git, sha, self._landing.head_sha)

    def _between(self, tip: str, paths: Sequence[str] = ()) -> tuple[Landed, ...]:
        return landed_between(self._repository.git, head=self._landing.head_sha, tip=tip, paths=paths)

    def _examined(
        self, repository: Repository, sha: str, commands: Sequence[str], spec: TaskSpec
    ) -> list[dict[str, Any]]:
        """The results of the commands on a commit, as check results."""
        path = self._config.state_dir / "landing"
        # Every git that was started for landing holds the lock that we have; its checks were proven gone.
        checkout: Checkout = landing_checkout(repository, path, sha, holder_is_dead=lambda _lock: True)
        cwd = checkout.path / repository.prefix
        return [self._steps.check(command, spec, cwd=cwd) for command in commands]

    def _record_synced(self, sync: PlanSync) -> None:
        if sync.outcome is not None:
            kind, message = sync.outcome
            self._db.landings.record_synced(self._landing, kind, message)
            event(LOG, f"item_{kind}", task=self._claim.task_id, item=message)

    def _record_landed(self, commit: str) -> None:
        self._db.landings.record_landed(self._landing, commit)
        event(LOG, "task_landed", task=self._claim.task_id, attempt=self._claim.number, commit=commit[:12])
