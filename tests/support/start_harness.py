"""Runs `start` as its user does: its own folder, real services, tiny `command` tasks, and a count of what is left.

Every process that a harness starts, however deep, has the harness's token in its environment, so that processes that
survive a run can be counted without asking the product.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.processes.procfs import read_stat

DEADLINE_S = 60.0
POLL_S = 0.02
TOKEN = "START_DESK_TOKEN"
PROGRAMS = {
    "swarm-worker": "swarm_worker",
    "swarm-reaper": "swarm_reaper",
    "swarm-dashboard": "swarm_dashboard",
}
T = TypeVar("T")


class Harness:
    """One database in one folder; `started` are the runs, newest last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = folder / "tasks.db"
        self.token = uuid.uuid4().hex
        self.started: list[subprocess.Popen[str]] = []
        self.python = sys.executable
        TaskDatabase(self.db).close()

    def add(self, *specs: TaskSpec) -> None:
        with TaskDatabase(self.db) as database:
            database.imports.run(specs, source="harness", actor="harness")

    def environment(self, **more: str) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SWARM_", "SUPERVISOR_"))}
        return {**clean, TOKEN: self.token, "SWARM_KILL_GRACE_S": "0.2", **more}

    def start(
        self,
        *words: str,
        program: Sequence[str] = ("-m", "amplifier_swarm.orchestrator"),
        agent_cli: str = "command",
        **environ: str,
    ) -> subprocess.Popen[str]:
        """Begin a run; its output is kept in files that `output` and `notices` read."""
        number = len(self.started)
        with self._file("out", number).open("w") as out, self._file("err", number).open("w") as err:
            process = subprocess.Popen(
                [self.python, *program, "--db", str(self.db), "--agent-cli", agent_cli, *words],
                cwd=self.folder,
                env=self.environment(**environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(self, *words: str, agent_cli: str = "command", **environ: str) -> int:
        """A whole run; its exit code."""
        return self.wait_end(self.start(*words, agent_cli=agent_cli, **environ))

    def wait_end(self, process: subprocess.Popen[str]) -> int:
        try:
            return process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the run did not end\n{self.everything()}") from None

    @property
    def output(self) -> str:
        """Standard output of the newest run."""
        return self._file("out", len(self.started) - 1).read_text()

    @property
    def notices(self) -> str:
        """Standard error of the newest run."""
        return self._file("err", len(self.started) - 1).read_text()

    def everything(self) -> str:
        """All available output, for a failure."""
        logs = sorted((self.folder / "tasks.db.swarm" / "var" / "log").glob("*"))
        parts = [f"--- {path.name}\n{path.read_text()[-3000:]}" for path in logs]
        return "\n".join(["--- out", self.output, "--- err", self.notices, *parts, f"alive: {self.alive()}"])

    def status(self, task_id: str) -> Status:
        with TaskDatabase(self.db) as database:
            return Status(database.tasks.get(task_id)["status"])

    def marker(self, name: str) -> Path:
        """A file by which a task and the test signal each other."""
        return self.folder / name

    def wait_for(self, what: str, condition: Callable[[], T | None], deadline_s: float = DEADLINE_S) -> T:
        end = time.monotonic() + deadline_s
        while not (value := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"waited {deadline_s:g} s in vain for {what}\n{self.everything()}")
            time.sleep(POLL_S)
        return value

    def wait_marker(self, name: str) -> None:
        self.wait_for(f"marker {name}", lambda: self.marker(name).exists() or None)

    def wait_notice(self, text: str) -> None:
        self.wait_for(f"notice {text!r}", lambda: text in self.notices or None)

    def wait_nothing_left(self, deadline_s: float = DEADLINE_S) -> None:
        self.wait_for("the end of all processes", lambda: not self.alive() or None, deadline_s)

    def alive(self) -> dict[int, str]:
        """Living processes with the token: pid and command line."""
        found = {}
        needle = f"{TOKEN}={self.token}".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) == os.getpid():
                continue
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state not in "ZX" and needle in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ").strip()
            except OSError:
                continue
        return found

    def pids_of(self, text: str) -> list[int]:
        """Living processes of the harness whose command line holds the text."""
        return [pid for pid, line in self.alive().items() if text in line]

    def pid_of(self, text: str) -> int:
        """The one process like that; for a moment, a process that it is about to start looks the same."""
        found: list[int] = []

        def is_alone() -> bool:
            found[:] = self.pids_of(text)
            return len(found) == 1

        self.wait_for(f"one process like {text!r}", is_alone)
        return found[0]

    def freeze(self, *texts: str) -> None:
        """Stop all processes whose command line contains one of the texts, none of them in the middle of a write."""
        with TaskDatabase(self.db) as database, database.connection.transaction():
            pids = [pid for text in texts for pid in self.pids_of(text)]
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            self.wait_for("all to be stopped", lambda: all((s := read_stat(p)) and s.state == "T" for p in pids))

    def install(self, **stand_ins: str) -> None:
        """Run with its own interpreter, next to which are these programs (shell text) and the other, real ones."""
        home = self.folder / "environment"
        programs = home / "bin"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = home / "lib" / version / "site-packages"
        packages.mkdir(parents=True)
        programs.mkdir()
        base = Path(sys.base_exec_prefix) / "bin" / version
        (programs / "python").symlink_to(base)
        (home / "pyvenv.cfg").write_text(f"home = {base.parent}\n")
        ours = next(path for path in sys.path if path.endswith("site-packages"))
        (packages / "these.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        for name, module in PROGRAMS.items():
            text = stand_ins.get(module)
            real = f"#!{programs / 'python'}\nimport sys\nfrom {module}.__main__ import main\nsys.exit(main())\n"
            (programs / name).write_text(f"#!/bin/sh\n{text}\n" if text is not None else real)
            (programs / name).chmod(0o755)
        self.python = str(programs / "python")

    def _file(self, kind: str, number: int) -> Path:
        return self.folder / f"{kind}-{number}"

    def clear_up(self) -> None:
        """Kill whatever is left, so that a failing test leaves nothing behind."""
        end = time.monotonic() + DEADLINE_S
        while (alive := self.alive()) and time.monotonic() < end:
            for pid in alive:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(POLL_S)
        for process in self.started:
            process.wait(DEADLINE_S)


@contextmanager
def harness() -> Iterator[Harness]:
    """A harness in a short temporary folder: socket paths are limited."""
    with tempfile.TemporaryDirectory(prefix="sw-", ignore_cleanup_errors=True) as folder:
        made = Harness(Path(folder))
        try:
            yield made
        finally:
            made.clear_up()


def task(task_id: str, run: str = "true", **more: object) -> TaskSpec:
    """A `command` task."""
    return TaskSpec(id=task_id, name=f"Task {task_id}", run=run, **more)  # type: ignore[arg-type]


def until(harness_folder: Path, name: str) -> str:
    """Shell text that waits for a marker file."""
    return f"while [ ! -e {harness_folder / name} ]; do sleep 0.05; done"
