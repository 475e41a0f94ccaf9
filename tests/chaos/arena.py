"""The place of one round: its folder, its tasks, the kills in it, and which of its processes are still alive."""

from __future__ import annotations

import os
import random
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from chaos import agent, ledger
from chaos.tasks import Expected, Planned, batch
from swarm_shared.database import TaskDatabase
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import all_pids, read_stat

TOKEN = "CHAOS_TOKEN"
BATCH_TASKS = 30
TESTS = Path(__file__).resolve().parents[1]
_NEVER_HANDED_ON = ("SWARM_", "SUPERVISOR_", "GIT_", "AMPLIFIER_SWARM_")
NO_MORE: Mapping[str, str] = MappingProxyType({})
SETTINGS = {
    "SWARM_AGENT_CLI": "command",
    "SWARM_ISOLATION": "none",
    "SWARM_KILL_GRACE_S": "0.1",
    "SWARM_HEARTBEAT_S": "1",
    # Here crashes do not mean that a task is poisonous.
    "SWARM_CRASH_BUDGET": "1000",
    "SWARM_CRASH_BACKOFF_S": "0",
    "SWARM_MIN_FREE_MB": "1",
}


class Arena:
    """One round's folder. `kills` counts by what was killed; `exits` by program and code, such as `worker -9`."""

    def __init__(
        self, folder: Path, seed: int, settings: Mapping[str, str] = NO_MORE, *, batch_tasks: int = BATCH_TASKS
    ) -> None:
        """Make the folder.

        Args:
            settings: Variables besides those that every round has.
            batch_tasks: How many tasks one import brings; the next one comes when half as many are left.
        """
        self.folder = folder
        self.batch_tasks = batch_tasks
        self.db = folder / "tasks.db"
        self.project = folder / "project"
        self.logs = folder / "logs"
        self.deaths = folder / "deaths"
        self.ledger = folder / agent.LEDGER
        for path in (self.project, self.logs, folder / agent.LOCKS, folder / agent.RUNS):
            path.mkdir(parents=True)
        self.token = uuid.uuid4().hex
        self.rng = random.Random(seed)
        self.expected: dict[str, Expected] = {}
        self.kills: Counter[str] = Counter()
        self.exits: Counter[str] = Counter()
        self._settings = {**SETTINGS, **settings, "SWARM_DB": str(self.db), "SWARM_PROJECT_ROOT": str(self.project)}

    def environment(self) -> dict[str, str]:
        """The environment of every process of the round; the processes are found by the token."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_NEVER_HANDED_ON)}
        return {**clean, **self._settings, TOKEN: self.token}

    def expect(self, planned: Sequence[Planned]) -> None:
        """Tasks that have been imported, according to the import itself."""
        self.expected |= {each.spec.id: each.expected for each in planned}

    def is_hungry(self) -> bool:
        """Whether there is so little left to do that it is time for more."""
        return not self.expected or self.unfinished() < self.batch_tasks / 2

    def feed(self, *, longest_ms: int) -> None:
        """Import more tasks when it is time, from this process, which is never killed."""
        if self.is_hungry():
            planned = batch(self.folder, f"t{len(self.expected)}", self.batch_tasks, self.rng, longest_ms=longest_ms)
            with TaskDatabase(self.db) as database:
                database.imports.run([each.spec for each in planned], source="chaos", actor="chaos")
            self.expect(planned)

    def kill(self, what: str, *processes: ProcessId) -> bool:
        """Kill the living ones of these; counted once for each, under `what`."""
        killed = [process for process in processes if process.is_alive() and process.kill(9)]
        self.kills[what] += len(killed)
        return bool(killed)

    def all_kills(self) -> Counter[str]:
        """Kills from outside, and those that processes did to themselves at named points."""
        rows = self.deaths.read_text().splitlines() if self.deaths.exists() else []
        return self.kills + Counter(row.partition(" ")[2] for row in rows)

    def unfinished(self) -> int:
        """The number of tasks that still move or could, according to the database."""
        return self._count(
            "tasks WHERE open_attempt IS NOT NULL"
            " OR status NOT IN ('completed', 'failed', 'blocked', 'held', 'cancelled')"
        )

    def taken_away(self) -> int:
        """The number of attempts that were reclaimed from their workers, according to the database."""
        return self._count("attempts WHERE fenced_at IS NOT NULL")

    def _count(self, what: str) -> int:
        with TaskDatabase(self.db, create=False, read_only=True) as database:
            return int(database.connection.value(f"SELECT count(*) FROM {what}"))

    def alive(self) -> dict[ProcessId, str]:
        """Every living process with the round's token, and those of the ledger, however they were started."""
        needle = f"{TOKEN}={self.token}".encode()
        found: dict[ProcessId, str] = {}
        for pid in all_pids():
            stat = read_stat(pid)
            if stat is None or stat.ended or pid == os.getpid():
                continue
            try:
                marked = needle in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if marked:
                found[ProcessId.here(pid, stat.start_time)] = f"pid {pid} ({stat.name}, state {stat.state})"
        for line in ledger.read(self.ledger):
            process = ProcessId.here(line.pid, line.start_time)
            if process.is_alive():
                found[process] = f"{line.task}: {line.event} of {line.text()}"
        return found

    def clear_up(self) -> None:
        """Kill whatever is left, so that a failed round leaves nothing behind."""
        while alive := self.alive():
            for process in alive:
                process.kill(9)
