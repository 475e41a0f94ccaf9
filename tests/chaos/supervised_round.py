"""A round under the real supervisord with the shipped configuration: any of its processes is killed at random."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from chaos.arena import Arena
from chaos.rounds import POLL_S, Progress, finish, judge
from chaos.verdict import Verdict
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import read_stat
from swarm_shared.processes.tree import descendants
from swarm_shared.supervisor import files as supervisor_files

WORKERS = 4
# supervisord's own brakes would make each slot wait for seconds; they are not what is tested here.
NO_BRAKES = "".join(
    f"[program:{program}]\nstartsecs=0\n" for program in ("swarm-worker", "swarm-reaper", "swarm-dashboard")
)
SETTINGS = {"SWARM_WORKERS": str(WORKERS), "SWARM_DASHBOARD_PORT": "0"}
VICTIMS: Mapping[str, int] = {
    "worker": 40,
    "agent": 30,
    "keeper": 10,
    "reaper": 12,
    "dashboard": 7,
    "supervisord": 1,
}
MEAN_PAUSE_S = 0.3
LONGEST_MS = 400
IDLE_SHARE = 0.05
LEAVES_WITHIN_S = 90.0


class Supervised:
    """One supervisord after another in the same folder, and everything below the current one."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.stayed: list[str] = []  # processes that outlived a killed supervisord
        self._files = supervisor_files.prepare(arena.folder)
        (arena.folder / "supervisord.d" / "90-chaos.conf").write_text(NO_BRAKES)
        self._start()

    def kill_somebody(self) -> None:
        """One kill; nothing if there is currently no process of the chosen kind.

        While nothing is worked on there is little to learn from a death, and workers that die before they have finished
        anything are made to wait longer each time.
        """
        (what,) = self.arena.rng.choices(list(VICTIMS), weights=list(VICTIMS.values()))
        kinds = {process: kind_of(process) for process in descendants(self._supervisord.pid)}
        victims = [process for process, kind in kinds.items() if kind == what]
        if self.arena.rng.random() > IDLE_SHARE:
            if "agent" not in kinds.values():
                return
            if what in ("worker", "keeper"):
                victims = [each for each in victims if "agent" in map(kind_of, descendants(each.pid))]
        if what == "supervisord":
            self._kill_supervisord()
        elif victims:
            self.arena.kill(f"{what} (supervised)", self.arena.rng.choice(victims))

    def tend(self) -> None:
        """Make sure that supervisord is up."""
        if self._supervisord.poll() is not None:
            raise RuntimeError(f"supervisord has ended; see {self.arena.logs}/supervisord.log")

    def end(self) -> None:
        """Let the dead child's entry be removed."""
        self._supervisord.wait(LEAVES_WITHIN_S)

    def _start(self) -> None:
        with (self.arena.logs / "supervisord.log").open("ab") as log:
            self._supervisord = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(self._files.configuration)],
                env=self.arena.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _kill_supervisord(self) -> None:
        """Its programs exit by themselves; only then the next one is started, as a user would."""
        process = ProcessId.of(self._supervisord.pid)
        assert process is not None
        self.arena.kill("supervisord (supervised)", process)
        self._supervisord.wait()
        deadline = time.monotonic() + LEAVES_WITHIN_S
        while (programs := self._programs()) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        self.stayed += [f"{text}, long after supervisord was killed" for text in programs]
        self._start()

    def _programs(self) -> list[str]:
        """What is alive and no agent. An agent's leftover whose worker, keeper and reaper were killed in the moment
        before has no process left to end it: the next reaper does, before its task runs again."""
        return [text for process, text in self.arena.alive().items() if kind_of(process) != "agent"]


def kind_of(process: ProcessId) -> str | None:
    """The kind of a process below supervisord; None if it is of no kind, or has ended."""
    stat = read_stat(process.pid)
    if stat is None:
        return None
    if stat.name == "swarm-keeper":
        return "keeper"
    try:
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    for program in ("worker", "reaper", "dashboard"):
        if any(word.endswith(f"swarm-{program}") for word in words[:2]):
            return program
    return "agent" if any(word.endswith("chaos/agent.py") for word in words) else None


def run_supervised_round(arena: Arena, kills: int, progress: Progress, name: str = "supervisord") -> Verdict:
    """Kill so many times, then let everything finish, stop, and judge."""
    began = time.monotonic()
    swarm = Supervised(arena)
    try:
        while (done := arena.kills.total()) < kills:
            progress(done)
            arena.feed(longest_ms=LONGEST_MS)
            time.sleep(arena.rng.uniform(0, 2 * MEAN_PAUSE_S))
            swarm.tend()
            swarm.kill_somebody()
        finish(arena, tend=swarm.tend)
        verdict = judge(arena, name, began)
        verdict.left_over += swarm.stayed
        return verdict
    finally:
        arena.clear_up()
        swarm.end()
