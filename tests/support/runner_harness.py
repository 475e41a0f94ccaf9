"""What the tests of runners need to know about a runner: how a swarm uses it, and how to make it fail."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from random import Random

from live_swarm import LiveSwarm, wait_until
from msgspec import Struct

from swarm_shared.processes.file_lock import try_lock
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import all_pids

# Leaves its parent, session and environment, ignores TERM, and holds the lock of the file `held` until it dies.
ESCAPE = """[ -e tried ] && exit 0
touch tried held
setsid sh -c 'trap "" TERM; (exec env -i PATH="$PATH" flock held sleep 600) &' < /dev/null > /dev/null 2>&1
"""
Kill = Callable[[Random], int]


class Matrix(Struct, frozen=True, kw_only=True):
    """How much is killed: tasks, sessions at once, and for how long."""

    tasks: int
    sessions: int
    kill_s: float

    def or_as_asked(self) -> Matrix:
        """This one, or the one that the variable MATRIX asks for: tasks, sessions and seconds, such as `200,16,120`."""
        if not (asked := os.environ.get("MATRIX")):
            return self
        tasks, sessions, kill_s = asked.split(",")
        return Matrix(tasks=int(tasks), sessions=int(sessions), kill_s=float(kill_s))


class RunnerHarness:
    """A swarm below `folder` whose sessions one runner runs. Make it with the `at` of its engine."""

    name = "local"
    matrix = Matrix(tasks=20, sessions=2, kill_s=40.0)
    # What the engine reports while it starts nothing.
    breakdown = ""

    def __init__(self, swarm: LiveSwarm) -> None:
        self.swarm = swarm
        self.use()

    def use(self, **options: object) -> None:
        """Let the sessions of the swarm run in this runner, with these options in addition to those that it needs."""
        stated = {**self.needs(), **options}
        words = ", ".join(f"{name}: {value}" for name, value in stated.items())
        text = f"runners: {{{self.name}: {{{words}}}}}\n" if stated else ""
        (self.swarm.folder / "swarm.yaml").write_text(text)
        self.swarm.settings |= {"SWARM_RUNNER": self.name, "SWARM_AGENT_CLI": "command"}

    def needs(self) -> dict[str, object]:
        """The options that it does not work without."""
        return {}

    def runs(self) -> list[str]:
        """The names of all runs that the engine still knows, or whose files are still there."""
        return []

    def runs_of_sessions(self) -> list[str]:
        """Those of sessions; a program that is killed while it tests the runner leaves its test run."""
        names = {name for (name,) in self.swarm.db.connection.rows("SELECT run_name FROM sessions")}
        return [name for name in self.runs() if name in names]

    def hidden(self) -> list[Path]:
        """Files that a session must not see."""
        paths = [self.swarm.folder / "secret", self.swarm.path]
        paths[0].write_text("x")
        return paths

    def clients(self) -> list[int]:
        """The processes of the open sessions: children of workers. Those that began just now may be missing."""
        rows = self.swarm.db.connection.rows(
            "SELECT pid, pid_start FROM sessions WHERE pid IS NOT NULL AND ended_at IS NULL"
        )
        return [pid for pid, start in rows if ProcessId.here(pid, start).is_alive()]

    def of_open_runs(self, program: bytes) -> list[int]:
        """Processes with that in their command line, and with the name of an open run there or in their environment."""
        rows = self.swarm.db.connection.rows(
            "SELECT run_name FROM sessions WHERE run_name IS NOT NULL AND run_gone_at IS NULL"
        )
        names, found = [name.encode() for (name,) in rows], []
        for pid in all_pids():
            line = _read(f"/proc/{pid}/cmdline")
            if program in line:
                everything = line + _read(f"/proc/{pid}/environ")
                found += [pid] if any(name in everything for name in names) else []
        return found

    def supervisors(self) -> list[int]:
        """The processes of the engine that follow one run each, if it has such processes."""
        return []

    def faults(self) -> Mapping[str, Kill]:
        """Other possible faults, each of which returns how often it occurred."""
        return {}

    def mend(self) -> None:
        """Undo the effects of faults."""

    def link_program(self) -> Path:
        """Let the swarm find the runner's program by a link of its own; the link."""
        link, real = self.swarm.folder / "bin" / self.name, shutil.which(self.name)
        assert real is not None
        link.parent.mkdir()
        link.symlink_to(real)
        self.swarm.settings["PATH"] = os.pathsep.join([str(link.parent), os.environ["PATH"]])
        return link

    def break_down(self) -> AbstractContextManager[None]:
        """Let nothing start meanwhile."""
        raise NotImplementedError

    # ───── of clusters ─────

    def fill(self) -> AbstractContextManager[None]:
        """Let runs wait for their turn meanwhile."""
        raise NotImplementedError

    def silence(self) -> AbstractContextManager[None]:
        """Let nothing respond meanwhile; running runs continue."""
        raise NotImplementedError

    def lose_node(self) -> AbstractContextManager[str]:
        """Lose the node of the only run, which continues there; returns its name."""
        raise NotImplementedError

    def end_as_another_user(self) -> None:
        """End the only run."""
        raise NotImplementedError


class LocalHarness(RunnerHarness):
    """Without confinement."""


class BwrapHarness(RunnerHarness):
    """Confined with bubblewrap."""

    name = "bwrap"


At = Callable[[Path], AbstractContextManager[RunnerHarness]]


@contextmanager
def swarm_of(kind: Callable[[LiveSwarm], RunnerHarness], folder: Path) -> Iterator[RunnerHarness]:
    """A harness on an empty swarm, which is ended, whatever the test did."""
    swarm = LiveSwarm(folder)
    try:
        yield kind(swarm)
    finally:
        swarm.end()


def is_free(path: Path) -> bool:
    """Whether nothing holds the lock of a file."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        return try_lock(descriptor)
    finally:
        os.close(descriptor)


def is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def kill(*pids: int) -> None:
    """Kill them at once: each is stopped first, so that none does its work in between."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
    for pid in pids:
        wait_until(partial(is_dead, pid))


def kill_one_of(pids: Callable[[], list[int]]) -> Kill:
    """Kills one of the processes that there are at the time."""

    def strike(rng: Random) -> int:
        if not (found := pids()):
            return 0
        kill(rng.choice(found))
        return 1

    return strike


def command_lines() -> bytes:
    """Those of all processes of this machine."""
    return b"\n".join(_read(f"/proc/{pid}/cmdline") for pid in all_pids())


def _read(path: str) -> bytes:
    """The contents of a file of a process; nothing if it has ended or hides it."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def output(swarm: LiveSwarm, stream: int = 1) -> str:
    """What sessions have written: 1 is standard output, 2 standard error."""
    sessions = [row[0] for row in swarm.db.connection.rows("SELECT id FROM sessions ORDER BY id")]
    chunks = [chunk for session in sessions for chunk in swarm.db.output.read(session, limit=10_000)]
    return b"".join(chunk.data for chunk in chunks if chunk.stream == stream).decode()


def call(*words: str, check: bool = True) -> str:
    """What a command prints."""
    ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert not check or ended.returncode == 0, f"{words}: {ended.stderr}"
    return ended.stdout.strip()
