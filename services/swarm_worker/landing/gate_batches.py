"""Several approved tasks tested by one run of the gate: their merged results in a row, and which of them have passed.

Nothing is claimed for a batch. The results of later tasks are planned as if each landed after the one before; when such
a task is landed and its files are exactly those that were planned, the gate has passed already. Anything that changes
in between (a cancelled task, other landed work, another order) gives other files, and the gate runs again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import TaskSpec
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.merging.merging import Merge, MergeKind
from swarm_shared.git.plumbing.refs import tree_of
from swarm_shared.plan_marks import plan_marks
from swarm_shared.store.queue.landings import ApprovedWork, Landings
from swarm_worker.config import WorkerConfig
from swarm_worker.landing.plan_sync import PlanSync


class MergedResult(Struct, frozen=True, kw_only=True):
    """The commit that would land a task, and the tree of its files."""

    task_id: str
    sha: str
    tree: str


def planned(landings: Landings, integration: Integration, work: ApprovedWork, *, tip: str, sync: PlanSync) -> Merge:
    """The merge that lands a task's work on a commit of the integration branch."""
    return integration.plan_landing(
        work.head_sha,
        tip=tip,
        task_id=work.task_id,
        attempt_id=work.built_by,
        name=work.name,
        marks=partial(plan_marks, landings, integration.repository),
        finish=partial(sync.finish, history=(tip, work.head_sha)) if sync.wanted else None,
    )


class GateBatches:
    """What the gate of one task has passed, and what its next run may test together."""

    def __init__(self, database: TaskDatabase, integration: Integration, config: WorkerConfig, spec: TaskSpec) -> None:
        self._db, self._integration, self._config = database, integration, config
        self._gate = self._gate_of(spec)

    def result(self, task_id: str, sha: str) -> MergedResult:
        return MergedResult(task_id=task_id, sha=sha, tree=tree_of(self._integration.repository.git, sha))

    def covered(self, result: MergedResult) -> list[dict[str, Any]] | None:
        """The results of the gate if an earlier run has tested these files; else None."""
        tasks = self._db.landings.gate_pass(result.tree, gate=self._gate)
        if tasks is None:
            return None
        text = f"passed when {', '.join(tasks)} were tested together"
        return [
            {"command": command, "passed": True, "exit_code": 0, "signal": None, "output": text, "duration_s": 0.0}
            for command in self._config.gate
        ]

    def starting_with(self, first: MergedResult) -> list[MergedResult]:
        """This merged result and those of the next tasks to land, each on top of the one before.

        Left out: work that conflicts, and tasks for which the gate would run with other variables.
        """
        batch = [first]
        for work in self._db.landings.next_to_land(self._config.gate_batch - 1):
            spec = self._db.tasks.spec(work.task)
            if self._gate_of(spec) != self._gate:
                continue
            sync = PlanSync(self._integration.repository, spec.source if self._config.syncs else None)
            merge = planned(self._db.landings, self._integration, work, tip=batch[-1].sha, sync=sync)
            if merge.new is not None and merge.kind is not MergeKind.CONTAINED:
                batch.append(self.result(work.task_id, merge.new))
        return batch

    def passed(self, batch: Sequence[MergedResult], checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Record that several have passed together; the results, with a note of what was tested."""
        tasks = [result.task_id for result in batch]
        self._db.landings.note_gate_passes([result.tree for result in batch], gate=self._gate, tasks=tasks)
        note = f"tested together with {', '.join(tasks[1:])}"
        return [{**check, "output": f"{check['output']}\n{note}".strip()} for check in checks]

    def _gate_of(self, spec: TaskSpec) -> str:
        """Identifies what runs; a hash, because variables may hold secrets."""
        what = json.dumps([self._config.gate, sorted(spec.env.items())])
        return hashlib.sha256(what.encode()).hexdigest()
