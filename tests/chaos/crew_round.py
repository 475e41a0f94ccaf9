"""A round under the tests' own spawner: programs die at random and at named points, and are restarted at once."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from chaos import points
from chaos.arena import Arena
from chaos.points import Point
from chaos.rounds import Progress, finish, judge
from chaos.spawner import Spawner, random_tampering
from chaos.tasks import Planned, batch, write_file
from chaos.verdict import Verdict
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import read_stat
from swarm_shared.processes.tree import descendants

WORKERS = 4
MEAN_PAUSE_S = 0.08
ARMED_SHARE = 0.8
BUSY_SHARE = 0.8
POLL_S = 0.02
# The programs that are killed from outside, in addition to those that die at named points.
VICTIMS: Mapping[str, int] = {"worker": 20, "agent": 20, "keeper": 10, "worker and keeper": 8, "reaper": 10, "all": 1}

MakeBatch = Callable[[Path, str, int], Sequence[Planned]]


class CrewRound:
    """Workers, a reaper and importers under one spawner, and the kills."""

    def __init__(
        self,
        arena: Arena,
        *,
        table: Mapping[str, Point] = points.POINTS,
        make_batch: MakeBatch | None = None,
        mean_pause_s: float = MEAN_PAUSE_S,
    ) -> None:
        """Starts nothing yet.

        Args:
            table: The named points at which programs die by themselves.
            make_batch: Plans the tasks of one import, by folder, beginning of their ids, and number.
            mean_pause_s: Between two kills from outside; the longer, the more reach their points.
        """
        self.arena, self._table, self._rng = arena, table, arena.rng
        self.spawner = Spawner(arena)
        self.armed = True
        self.mean_pause_s = mean_pause_s
        self._numbers = itertools.count(1)
        self._make_batch = make_batch or (lambda folder, prefix, count: batch(folder, prefix, count, self._rng))
        self._batches = itertools.count(1)
        self._importing: Sequence[Planned] | None = None

    # ───── restarting ─────

    def tend(self) -> None:
        """Restart programs that have ended, and continue with the import."""
        self._look_at_ends()
        if self.arena.expected:  # before, there may be no database
            for _ in range(WORKERS - len(self.spawner.members(points.WORKER))):
                self._start(points.WORKER)
            if not self.spawner.members(points.REAPER):
                self._start(points.REAPER)

    def feed(self) -> None:
        """Begin the next import when there is little left to do."""
        if self._importing is None and self.arena.is_hungry():
            number = next(self._batches)
            self._importing = self._make_batch(self.arena.folder, f"b{number}", self.arena.batch_tasks)
            write_file(self.arena.folder / "import.yaml", self._importing)
            self._import()

    @property
    def importing(self) -> bool:
        return self._importing is not None

    def _look_at_ends(self) -> None:
        for member, code in self.spawner.ended():
            self.arena.exits[f"{member.program} {code}"] += 1
            if member.program == points.IMPORT and self._importing is not None:
                if code == 0:
                    self.arena.expect(self._importing)
                    self._importing = None
                else:
                    self._import()  # like a user whose import was interrupted

    def _import(self) -> None:
        share = ARMED_SHARE if self.armed else 0.0
        tampering = random_tampering(self.arena, points.IMPORT, share, self._table)
        file = str(self.arena.folder / "import.yaml")
        words = ("import-tasks", file, "--db", str(self.arena.db))
        self.spawner.start(points.IMPORT, f"import-{next(self._numbers)}", *words, tampering=tampering)

    def _start(self, program: str) -> None:
        # A new name each time: one that crashes again and again is made to wait, by design.
        name = f"{program}-{next(self._numbers)}"
        words = ("--worker-id", name) if program == points.WORKER else ()
        share = ARMED_SHARE if self.armed else 0.0
        tampering = random_tampering(self.arena, program, share, self._table)
        self.spawner.start(program, name, *words, tampering=tampering)

    # ───── killing ─────

    def kill_somebody(self) -> None:
        """One kill from outside."""
        (what,) = self._rng.choices(list(VICTIMS), weights=list(VICTIMS.values()))
        workers = self.spawner.members(points.WORKER)
        reapers = [member.process for member in self.spawner.members(points.REAPER)]
        if what == "reaper":
            self.arena.kill("reaper", *reapers)
        elif what == "all":
            everybody = [
                one for each in workers for one in (each.process, worker_and_agents(each.process)[0]) if one is not None
            ]
            self.arena.kill("all at once", *reapers, *everybody)
        elif workers:
            # Mostly busy ones: the death of an idle one shows less.
            busy = [each for each in workers if worker_and_agents(each.process)[1]]
            chosen = self._rng.choice(busy if busy and self._rng.random() < BUSY_SHARE else workers)
            self._kill_one_of(what, chosen.process)

    def _kill_one_of(self, what: str, keeper: ProcessId) -> None:
        worker, agents = worker_and_agents(keeper)
        if what == "agent" and agents:
            self.arena.kill("agent", self._rng.choice(agents))
        elif what == "keeper":
            self.arena.kill("keeper", keeper)
        elif what == "worker" and worker is not None:
            self.arena.kill("worker", worker)
        elif what == "worker and keeper" and worker is not None:
            # Stopped first, so that neither can do anything in between: only the marks are left to find them by.
            for one in (keeper, worker):
                one.kill(signal.SIGSTOP)
            self.arena.kill("worker and keeper", worker, keeper)

    def close(self) -> None:
        self.spawner.close()


def worker_and_agents(keeper: ProcessId) -> tuple[ProcessId | None, list[ProcessId]]:
    """A keeper's worker, once it has forked one, and what lives below that."""
    for child in descendants(keeper.pid):
        stat = read_stat(child.pid)
        if stat is not None and stat.name == "swarm-worker":
            return child, descendants(child.pid)
    return None, []


def run_crew(crew: CrewRound, kills: int, progress: Progress) -> None:
    """Kill so many times, then let everything finish."""
    arena = crew.arena
    next_kill = time.monotonic()
    while (done := arena.all_kills().total()) < kills:
        progress(done)
        crew.feed()
        crew.tend()
        if time.monotonic() >= next_kill and arena.expected:
            crew.kill_somebody()
            next_kill = time.monotonic() + arena.rng.uniform(0, 2 * crew.mean_pause_s)
        time.sleep(POLL_S)
    crew.armed = False
    finish(arena, tend=crew.tend, more=lambda: crew.importing)


def run_crew_round(arena: Arena, kills: int, progress: Progress, name: str = "crew") -> Verdict:
    """Kill so many times, then let everything finish, stop, and judge."""
    began = time.monotonic()
    crew = CrewRound(arena)
    try:
        run_crew(crew, kills, progress)
        return judge(arena, name, began)
    finally:
        arena.clear_up()
        crew.close()
