"""A queue at the present time, with a stand-in that carries out control rows as workers and reaper do."""

from __future__ import annotations

from pathlib import Path

from queue_harness import QueueHarness

from browser import wait_for
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import SwarmError
from swarm_shared.domain.models import TASK_VERBS, Outcome, Verb
from swarm_shared.merge_back.landing import carry_out_landing
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.claims import Claim
from swarm_shared.store.queue.policy import AttemptResult
from swarm_shared.store.requests.bulk import Bulk
from swarm_shared.store.requests.control import ControlRow
from swarm_shared.store.requests.steering import Applied
from swarm_shared.store.swarm.swarm import DRAINED, EMERGENCY_STOP, PAUSED, SEEN_MONO
from swarm_shared.text_import import carry_out_import

AN_HOUR_MS = 3_600_000
FLAGS = {Verb.PAUSE: PAUSED, Verb.DRAIN: DRAINED, Verb.EMERGENCY_STOP: EMERGENCY_STOP}


class SteeredQueue(QueueHarness):
    """Real clocks, because the dashboard is another process. It registers as the reaper, whose place it takes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.db.close()
        self.db = TaskDatabase(self.path)
        self.claims: dict[str, Claim] = {}
        answers = {"supervised": True, "supervisord_answers": True}
        # A heartbeat from the future, so that no test takes too long for it.
        alive = {SEEN_MONO: self.db.clock.mono_ms() + AN_HOUR_MS}
        self.db.swarm.register_service("reaper", ProcessId.mine(), answers | alive)

    def take(self, worker_id: str = "worker-1") -> Claim:
        claim = super().take(worker_id)
        self.claims[claim.task_id] = claim
        return claim

    def asked(self) -> ControlRow:
        """The row that the page writes, as soon as it exists."""
        return wait_for(self.db.control.pending)[0]

    def carry_out(self) -> ControlRow:
        """Carry out the page's request and store the outcome; returns the row."""
        row = self.asked()
        if row.verb is Verb.BULK:
            return self._carry_out_many(row)
        if row.verb is Verb.LAND:
            carry_out_landing(self.db, row, by="reaper")
            return row
        if row.verb is Verb.IMPORT:
            carry_out_import(self.db, row, by="reaper")
            return row
        claim = self.claims.pop(row.target, None)
        if row.verb in (Verb.KILL, Verb.CANCEL) and claim is not None:
            outcome = Outcome.KILLED if row.verb is Verb.KILL else Outcome.CANCELLED
            self.settle(claim, AttemptResult(outcome=outcome), answers=[row.id])
            return row
        with self.db.connection.transaction():
            try:
                status, result = "done", self._apply(row)
            except SwarmError as error:
                status, result = "refused", error.message
            self.db.control.answer(row.id, status, result, by="reaper")
        return row

    def _carry_out_many(self, row: ControlRow) -> ControlRow:
        bulk = Bulk(self.db.connection, self.clock)
        while not bulk.step(row):
            pass
        outcome = f"{row.argument['verb']}: {bulk.progress(row.id).summary()}"
        self.db.control.answer(row.id, "done", outcome, by="reaper")
        return row

    def _apply(self, row: ControlRow) -> str:
        if row.verb is Verb.ADD:
            return self.db.definitions.add(row.argument, actor=row.actor).text
        if row.verb is Verb.EDIT:
            return self.db.definitions.edit(row.target, row.argument, actor=row.actor).text
        if row.verb in TASK_VERBS:
            done = self.db.steering.apply(row.verb, row.target, row.argument, actor=row.actor)
            assert isinstance(done, Applied), done
            return done.text
        if row.verb in FLAGS:
            self.db.swarm.set_flag(FLAGS[row.verb], actor=row.actor)
        elif row.verb is Verb.RESUME:
            self.db.swarm.resume(actor=row.actor)
        return str(row.verb)
