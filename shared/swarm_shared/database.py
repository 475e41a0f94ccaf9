"""The entry point to the SQLite file: opens it and groups its operations."""

from __future__ import annotations

import random
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from swarm_shared.domain.clock import Clock, SystemClock
from swarm_shared.processes.lifeline import Lifelines
from swarm_shared.reaping import Limits, Reaping, sole_reaper
from swarm_shared.settings.settings import Settings
from swarm_shared.store.engine import schema as migrations
from swarm_shared.store.engine.connection import Connection, create_file
from swarm_shared.store.importing.imports import Imports
from swarm_shared.store.queue.landings import Landings
from swarm_shared.store.queue.limits.spending import Spending
from swarm_shared.store.queue.policy import Budgets
from swarm_shared.store.queue.queue import Queue
from swarm_shared.store.queue.recovery import Recovery
from swarm_shared.store.records.events import Events
from swarm_shared.store.records.outbox import Outbox
from swarm_shared.store.records.output import Output
from swarm_shared.store.requests.control import Control
from swarm_shared.store.requests.definitions import Definitions
from swarm_shared.store.requests.steering import Steering
from swarm_shared.store.swarm.swarm import Swarm
from swarm_shared.store.swarm.workers import Workers
from swarm_shared.store.views.changes import Changes
from swarm_shared.store.views.estimates.prospect import Prospects
from swarm_shared.store.views.failures import Failures
from swarm_shared.store.views.file_health import Health
from swarm_shared.store.views.routes import Routes
from swarm_shared.store.views.runs import Runs
from swarm_shared.store.views.tasks import Tasks

RESET_DEADLINE_S = 40.0
RESET_POLL_S = 0.05


class TaskDatabase:
    """One open database: for one thread, opened after any fork, closed by its owner.

    Operations are grouped: `queue` (claim, settle), `tasks` (reading), `workers`, `control`, `steering`,
    `definitions` (requests), `swarm` (flags, holds, services), `output`, `outbox`, `events`, `imports`, `recovery`,
    `runs`, `health`, `landings`, `changes`, `failures`, `prospects`, `routes`, `spending`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        create: bool = True,
        read_only: bool = False,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Open the file, creating or upgrading it first unless disabled.

        Args:
            path: The database file.
            create: Create the file if it is missing, readable by its owner only.
            read_only: Change nothing, not even an old schema.

        Raises:
            DatabaseError: Missing, damaged, of another program, of a newer version, or on a network disk.
        """
        self.path = Path(path).absolute()
        self.clock = clock or SystemClock()
        rng = rng or random.Random()
        if create and not read_only:
            create_file(self.path)
        self.connection = Connection(self.path, read_only=read_only)
        try:
            if read_only or not create:
                migrations.check(self.connection, may_upgrade=not read_only)
            if not read_only:
                migrations.prepare(self.connection)
        except BaseException:
            self.connection.close()
            raise
        self.queue = Queue(self.connection, self.clock, rng)
        self.tasks = Tasks(self.connection, self.clock)
        self.workers = Workers(self.connection, self.clock)
        self.control = Control(self.connection, self.clock)
        self.steering = Steering(self.connection, self.clock)
        self.definitions = Definitions(self.connection, self.clock)
        self.swarm = Swarm(self.connection, self.clock)
        self.output = Output(self.connection, self.clock)
        self.outbox = Outbox(self.connection, self.clock)
        self.events = Events(self.connection, self.clock)
        self.imports = Imports(self.connection, self.clock)
        self.failures = Failures(self.connection, self.clock)
        self.health = Health(self.connection, self.clock)
        self.landings = Landings(self.connection, self.clock)
        self.changes = Changes(self.connection, self.clock)
        self.recovery = Recovery(self.connection, self.clock, rng)
        self.runs = Runs(self.connection, self.clock)
        self.prospects = Prospects(self.connection, self.clock)
        self.routes = Routes(self.connection, self.clock)
        self.spending = Spending(self.connection, self.clock)

    def find_orphaned_tasks(self, timeout_minutes: float = 30) -> list[dict[str, Any]]:
        """Tasks claimed or in progress with no live worker, or with no sign of life for that long.

        Returns:
            Dictionaries with `id`, `status`, `attempt`, `worker_id`, `claimed_at` and `last_progress_at` (wall ms).
            A healthy long task is never among them.
        """
        return [orphan.shown() for orphan in self._reaping(timeout_minutes).orphans()]

    def reset_orphaned_tasks(self, timeout_minutes: float = 30) -> int:
        """End the remaining processes of orphaned tasks, prove them gone, and make the tasks ready, held or failed by
        their limits.

        Returns:
            How many were reset. Blocks while old processes are ended, at most some seconds.
        """
        reaping = self._reaping(timeout_minutes)
        deadline = time.monotonic() + RESET_DEADLINE_S
        done = 0
        while True:
            with sole_reaper(self._state_dir, wait=True):
                done += reaping.run_once()
                if not reaping.orphans() or time.monotonic() > deadline:
                    return done
            time.sleep(RESET_POLL_S)

    def close(self) -> None:
        """Close the connection; calling it again does nothing."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _state_dir(self) -> Path:
        return self.path.with_name(self.path.name + ".swarm")

    def _reaping(self, timeout_minutes: float) -> Reaping:
        return Reaping(
            self.recovery,
            self.workers,
            clock=self.clock,
            budgets=Budgets.of(Settings()),
            limits=Limits(orphan_timeout_ms=round(timeout_minutes * 60_000), overdue_ms=0),
            lifelines=Lifelines(self._state_dir),
        )
