"""A real supervisord in a short temporary folder, with the shipped configuration and stand-in programs.

The stand-ins lie next to the interpreter that runs supervisord, in a small virtual environment, just where an
installation puts the real ones. They obey the files in the folder:

    ready-NAME      written by a stand-in once it handles signals; its pid
    retiring-NAME   written when it got SIGUSR1, removed when it got SIGUSR2
    finish-NAME     read after that: the exit code to leave with
    hold-NAME       while it exists, SIGTERM is noted in `stopping-NAME` and otherwise ignored
    leave-behind    a worker that finds it starts a process in its own session, twice forked;
                    its pid goes to `left-NAME`
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil

from swarm_shared.domain.errors import SupervisorError
from swarm_shared.supervisor import files as supervisor_files
from swarm_shared.supervisor.client import SupervisorClient

DEADLINE_S = 20.0
POLL_S = 0.02
WORKER, REAPER, DASHBOARD = "swarm-worker", "swarm-reaper", "swarm-dashboard"
# Up at once, so that an exit is an exit and not a start that failed.
QUICK_START = f"[program:{WORKER}]\nstartsecs=0\n"

STILL = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)

T = TypeVar("T")

STAND_IN = """\
import os, signal, sys
name = sys.argv[2] if len(sys.argv) > 2 else os.path.basename(sys.argv[0])
watched = {signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, watched)

def note(kind, text=""):
    with open(f"{kind}-{name}.new", "w") as file:
        file.write(str(text))
    os.replace(f"{kind}-{name}.new", f"{kind}-{name}")

if name.startswith("worker") and os.path.exists("leave-behind"):
    if not os.fork():
        os.setsid()
        child = os.fork()
        if not child:
            os.execv("/bin/sleep", ["sleep", "300"])
        note("left", child)
        os._exit(0)
    os.wait()
if os.path.exists(f"retiring-{name}"):
    os.remove(f"retiring-{name}")  # that was an earlier process of this name
note("ready", os.getpid())
while True:
    got = signal.sigtimedwait(watched, 0.05)
    if got and got.si_signo == signal.SIGUSR1:
        note("retiring")
    elif got and got.si_signo == signal.SIGUSR2:
        if os.path.exists(f"retiring-{name}"):
            os.remove(f"retiring-{name}")
    elif got and os.path.exists(f"hold-{name}"):
        note("stopping")
    elif got:
        sys.exit(0)
    if os.path.exists(f"retiring-{name}") and os.path.exists(f"finish-{name}"):
        sys.exit(int(open(f"finish-{name}").read()))
"""


class Swarm:
    """A running supervisord; `home` is where it lives, `environment` where its programs are installed."""

    def __init__(self, home: Path, process: subprocess.Popen[bytes], environment: Path) -> None:
        self.home = home
        self.process = process
        self.client = SupervisorClient(supervisor_files.socket_path(home))
        self.environment = environment

    @property
    def override(self) -> Path:
        return self.home / "supervisord.d" / "50-scale.conf"

    @property
    def log(self) -> str:
        return (self.home / "var" / "log" / "supervisord.log").read_text()

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """supervisorctl with nothing in the environment."""
        command = self.ctl_command(*words)
        try:
            return subprocess.run(command, env={}, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"supervisorctl {' '.join(words)} hangs\n{self.log}") from None

    def ctl_command(self, *words: str) -> list[str]:
        conf = self.client.socket_path.parents[1] / "supervisord.conf"
        python = str(self.environment / "bin" / "python")
        return [python, "-m", "supervisor.supervisorctl", "-c", str(conf), *words]

    def note(self, kind: str, name: str, text: str = "") -> None:
        new = self.home / f"{kind}-{name}.new"
        new.write_text(text)
        new.rename(self.home / f"{kind}-{name}")  # a reader meanwhile sees nothing or all of it

    def noted(self, kind: str, name: str) -> bool:
        return (self.home / f"{kind}-{name}").exists()

    def ready_pid(self, name: str) -> int | None:
        """The pid under which the stand-in reports that it is ready; None before that."""
        try:
            return int((self.home / f"ready-{name}").read_text())
        except FileNotFoundError:
            return None

    def pids(self) -> dict[str, int]:
        """Full process name to pid, of what is up."""
        return {each.name: each.pid for each in self.client.processes() if each.pid}

    def worker_pids(self) -> dict[str, int]:
        """Worker id to pid, of the workers that are up."""
        prefix = f"{WORKER}:swarm-"
        return {name.removeprefix(prefix): pid for name, pid in self.pids().items() if name.startswith(prefix)}

    def wait_ready(self, *workers: str) -> dict[str, int]:
        """Wait until exactly these workers are up and handle signals; their pids."""

        def ready() -> dict[str, int] | None:
            pids = self.worker_pids()
            is_ready = all(self.ready_pid(worker) == pid for worker, pid in pids.items())
            return pids if set(pids) == set(workers) and is_ready else None

        return self.wait_for(f"workers {workers}", ready)

    def wait_for(self, what: str, condition: Callable[[], T | None], deadline_s: float = DEADLINE_S) -> T:
        return wait_for(what, condition, deadline_s=deadline_s, show=lambda: self.log)

    def wait_end(self) -> int:
        """The exit code of supervisord."""
        return self.process.wait(DEADLINE_S)


def wait_for(
    what: str, condition: Callable[[], T | None], *, deadline_s: float = DEADLINE_S, show: Callable[[], str]
) -> T:
    """The value of the condition once it is true; past the deadline, a failure with the available output."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s:g} s in vain for {what}\n{show()}")
        time.sleep(POLL_S)
    return value


@contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder whose path leaves room for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="sw-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def swarm(
    home: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    conf: str = "",
    files: Mapping[str, str] | None = None,
    launcher: Sequence[str] = (),
    own_path: bool = False,
) -> Iterator[Swarm]:
    """Run a swarm of stand-ins in its own folder; everything below supervisord is killed at the end.

    Args:
        home: Where it lives, as a state directory; a short temporary folder without one.
        environ: The whole environment of supervisord; empty unless given.
        conf: Text of an included file of its own.
        files: More files of the folder, by name.
        launcher: Words before the command that starts supervisord.
    """
    with short_folder() as folder:
        home = home or folder
        environment = folder / "environment"
        process = start(
            home,
            environ=environ,
            conf=conf,
            files=files,
            launcher=launcher,
            environment=environment,
            own_path=own_path,
        )
        try:
            running = Swarm(home, process, environment)
            wait_for("supervisord", lambda: _answers(running.client), show=lambda: _output(home))
            yield running
        finally:
            kill_tree(process)


def start(
    home: Path,
    *,
    environ: Mapping[str, str] | None = None,
    conf: str = "",
    files: Mapping[str, str] | None = None,
    launcher: Sequence[str] = (),
    environment: Path | None = None,
    daemon: bool = False,
    own_path: bool = False,
) -> subprocess.Popen[bytes]:
    """Lay out a folder and start supervisord there; the caller ends it with `kill_tree`.

    Args:
        own_path: Name the configuration as a user does, and not by a short alias of its folder.
    """
    paths = supervisor_files.prepare(home)
    environment = environment or home / "environment"
    if not environment.exists():
        _install(environment)
    if conf:
        (home / "supervisord.d" / "90-test.conf").write_text(conf)
    for name, text in (files or {}).items():
        (home / name).write_text(text)
    command = [
        str(environment / "bin" / "python"),
        "-m",
        "supervisor.supervisord",
        "-c",
        str(home / supervisor_files.CONF if own_path else paths.configuration),
    ]
    if not daemon:
        command.append("-n")
    with (home / "output").open("wb") as output:
        return subprocess.Popen(
            [*launcher, *command],
            cwd="/",
            env=dict(environ or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def kill_tree(process: subprocess.Popen[bytes] | psutil.Process) -> None:
    """Kill a process that we started and all below it, supervisord before the processes that it would restart."""
    try:
        tree = [psutil.Process(process.pid)]
        # Stopped first: what it starts between our scan and its death would survive without an owner.
        tree[0].suspend()
        wait_for("it to be stopped", lambda: tree[0].status() in STILL, show=lambda: str(tree[0]))
        tree += tree[0].children(recursive=True)
    except psutil.NoSuchProcess:
        tree = []
    for each in tree:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            pass  # it ended by itself
    process.wait(DEADLINE_S)


def is_running(pid: int) -> bool:
    """True while the process is alive; one that only waits to be reaped is not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start_time(pid: int) -> int:
    """Field 22 of /proc/PID/stat."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def _answers(client: SupervisorClient) -> bool:
    try:
        return bool(client.state())
    except SupervisorError:
        return False


def _output(home: Path) -> str:
    return (home / "output").read_text()


def _install(environment: Path) -> None:
    """A virtual environment that sees the packages of this one and has stand-ins as its programs."""
    programs = environment / "bin"
    programs.mkdir(parents=True)
    base = Path(sys.base_exec_prefix) / "bin" / f"python{sysconfig.get_python_version()}"
    (programs / "python").symlink_to(base)
    (environment / "pyvenv.cfg").write_text(f"home = {base.parent}\n")
    packages = environment / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    packages.mkdir(parents=True)
    ours = sysconfig.get_path("purelib")
    (packages / "these.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    for name in (WORKER, REAPER, DASHBOARD):
        program = programs / name
        program.write_text(f"#!{programs / 'python'} -IS\n{STAND_IN}")
        program.chmod(0o755)
