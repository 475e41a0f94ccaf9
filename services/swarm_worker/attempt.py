"""One attempt from its claim to the result that settles it."""

from __future__ import annotations

from msgspec.structs import replace

from swarm_shared.domain.errors import ConfigError, InputError
from swarm_shared.domain.models import FailureClass
from swarm_shared.git.running.git_errors import GitError, GitUnusable, says_something
from swarm_shared.store.queue.claims import Claim
from swarm_worker.config import WorkerConfig
from swarm_worker.landing.integration_branch import QueueStopped
from swarm_worker.session.brief import Brief
from swarm_worker.session.record import Record
from swarm_worker.session.session_types import SessionContext
from swarm_worker.session.steps import AttemptOutcome
from swarm_worker.stages import Stages
from swarm_worker.workplaces.workplace import Workplaces


class Attempt:
    """Runs one claim to its end. When `run` returns, no process of any session is left.

    ::

        claimed ── preparing: the place is opened, setup commands run ─────── setup failed ──▶ crash
           │
        building: the builder's session, which is repeated while its answer cannot be read
           │        ├─ asks a question ─────────────────────────────────────────────────────▶ held
           │        └─ failed, died, held up by its provider, no answer ──▶ quality, crash, provider, unreadable
        sealed: its work is a commit (with worktrees)
           │
        checking: checks of the commit and of the task ──────────────────── one failed ──▶ quality
           │
        validating: the validator's session, in the state of the commit ─── objects ──▶ quality
           │
        passed ──▶ completed, or approved: it waits to land, by a separate claim

    From every state a request, a stop, a limit or a lost lease cuts it short: its processes are ended and proven gone,
    what is there becomes a commit, and the cut decides: killed, cancelled, interrupted, quality, crash, or nothing at
    all where the lease is lost. What each end means for the task is `store/queue/policy.py`.
    """

    def __init__(self, around: SessionContext, config: WorkerConfig, workplaces: Workplaces, claim: Claim) -> None:
        self._around, self._config, self._workplaces, self._claim = around, config, workplaces, claim
        self._record = Record()

    def run(self) -> AttemptOutcome:
        """Run its stages.

        Raises:
            LeaseLost: The task has another owner; the sessions are gone, and the result is void.
            TreeUnproven: Something of a session could not be ended.
        """
        try:
            spec = self._around.database.tasks.spec(self._claim.task)
            with self._workplaces.open(self._claim, spec) as place:
                try:
                    brief = Brief(self._around.database, self._config, self._claim, spec, place)
                except ConfigError as error:
                    return AttemptOutcome(result=self._record.cannot_start(error, on=None))
                return Stages(self._around, self._config, self._claim, spec, place, brief, self._record).run()
        except InputError as error:
            return AttemptOutcome(result=self._record.unfit(error))
        except QueueStopped as stopped:
            return AttemptOutcome(result=self._record.failed(FailureClass.INTERRUPTED, stopped.message))
        except (GitError, GitUnusable) as error:
            # The work is not at fault, so other work would not help: after some tries the user must decide.
            reason = f"{error.message}; {error.hint}" if error.hint else error.message
            result = self._record.failed(FailureClass.CRASH, reason)
            return AttemptOutcome(result=replace(result, blames_machine=says_something(error)))
