"""Several different tasks in a row fail with the same message: the machine or the setup is at fault."""

from __future__ import annotations

import json
from typing import Any

from swarm_shared.domain.models import FailureClass, Outcome
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.queue.failures.fingerprints import Problem
from swarm_shared.store.queue.policy import AttemptResult
from swarm_shared.store.sql import SQL
from swarm_shared.store.swarm.swarm import PAUSED, SAME_DEATHS, Swarm

TASKS_IN_A_ROW = 3
ACTOR = "the swarm"


class SameDeaths(DataAccess):
    """The row so far, in one fact of the file; inside the caller's transaction."""

    def note(self, task: int, result: AttemptResult, problem: Problem | None) -> None:
        """Count the end of an attempt, and pause the queue when it completes a row.

        Only ends with an error text count (`blames_machine`): a process that was killed from outside printed none.
        Crashes of the row's tasks are forgiven, since they were not the tasks' fault.
        """
        if problem is not None and result.blames_machine:
            self._count(task, problem)
        elif _an_agent_worked(result):
            self._db.change(SQL["drop_meta"], {"key": SAME_DEATHS})

    def _count(self, task: int, problem: Problem) -> None:
        row = self._row()
        if row.get("fingerprint") != problem.fingerprint:
            row = {"fingerprint": problem.fingerprint, "tasks": []}
        tasks = [*(each for each in row["tasks"] if each != task), task]
        if len(tasks) < TASKS_IN_A_ROW:
            self._db.change(SQL["set_meta"], {"key": SAME_DEATHS, "value": json.dumps({**row, "tasks": tasks})})
            return
        self._db.change(SQL["drop_meta"], {"key": SAME_DEATHS})
        swarm = Swarm(self._db, self._clock)
        if PAUSED not in swarm.flags():
            reason = f"{len(tasks)} tasks in a row failed with the same message: {problem.sample}"
            swarm.set_flag(PAUSED, actor=ACTOR, reason=reason)
        for each in tasks:
            self._db.change(SQL["forgive_crashes"], {"task": each, "wall": self._clock.wall_ms()})

    def _row(self) -> dict[str, Any]:
        stored = self._db.value(SQL["meta"], {"key": SAME_DEATHS})
        return {} if stored is None else dict(json.loads(stored))


def _an_agent_worked(result: AttemptResult) -> bool:
    """Whether the end shows that agents can work on this machine, which breaks the row.

    Killed attempts have no class. Ends with an outside cause and crashes without a message prove nothing: they neither
    continue a row nor break it.
    """
    failure = result.failure_class
    if failure is None:
        return result.outcome is Outcome.PASSED
    return failure.blames_task and failure is not FailureClass.CRASH
