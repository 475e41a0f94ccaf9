"""One swarm with a real agent CLI: a project, a queue, `amplifier-swarm` as its user runs it, and its processes."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from agents.clis import Cli
from agents.install import Installed
from agents.provider import Provider

BRANCH = "swarm/integration"
POLL_S = 0.05
END_S = 60.0  # for a swarm to stop
MARK = "AGENT_CLI_DESK"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """The user of a swarm."""

    name: str
    uid: int
    gid: int

    @staticmethod
    def me() -> User:
        return User(name=pwd.getpwuid(os.getuid()).pw_name, uid=os.getuid(), gid=os.getgid())

    @staticmethod
    def ordinary() -> User:
        """The user without permissions that every Unix has."""
        nobody = pwd.getpwnam("nobody")
        return User(name=nobody.pw_name, uid=nobody.pw_uid, gid=nobody.pw_gid)


class Harness:
    """A project in its own folder, and a queue for it; HOME is there as well."""

    def __init__(self, folder: Path, cli: Cli, provider: Provider, clis: Installed, user: User) -> None:
        self.cli, self.provider, self.user = cli, provider, user
        self.folder = folder
        self.project = folder / "project"
        self._mark = uuid.uuid4().hex
        self._running: subprocess.Popen[bytes] | None = None
        for path, text in cli.files(provider.url).items():
            file = folder / "home" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        for name in ("home", "tmp", "project"):
            (folder / name).mkdir(exist_ok=True)
        # Nothing of the environment of the tests: it may be an agent's session.
        self.env = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), clis.path, "/usr/local/bin:/usr/bin:/bin"]),
            "HOME": str(folder / "home"),
            # Codex refuses a HOME below the temporary folder.
            "TMPDIR": str(folder / "tmp"),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "GIT_CONFIG_GLOBAL": os.devnull,
            MARK: self._mark,
            **cli.env(provider.url),
        }
        (self.project / "README.md").write_text("A small project.\n", encoding="utf-8")
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, user.uid, user.gid)
        self.git("init", "-q", "-b", "main")
        self.git("add", ".")
        self.git("-c", "user.name=Someone", "-c", "user.email=someone@example.invalid", "commit", "-qm", "Begin")

    # ───── what its user types ─────

    def git(self, *words: str) -> str:
        return self._run(["git", "-C", str(self.project), *words]).stdout.decode()

    def swarm(self, *words: str) -> str:
        """One command, to its end.

        Raises:
            AssertionError: It failed.
        """
        ended = self._run([*self._program(), *words])
        assert ended.returncode == 0, f"{' '.join(words)}: {ended.stderr.decode()}{ended.stdout.decode()}"
        return ended.stdout.decode()

    def program(self, *words: str) -> str:
        """Another program, to its end.

        Raises:
            AssertionError: It failed.
        """
        ended = self._run(words)
        assert ended.returncode == 0, f"{' '.join(words)}: {ended.stderr.decode()}{ended.stdout.decode()}"
        return ended.stdout.decode()

    def queue(self, *tasks: Mapping[str, Any]) -> None:
        file = self.folder / "tasks.yaml"
        file.write_text(yaml.safe_dump({"tasks": list(tasks)}), encoding="utf-8")
        file.chmod(0o644)
        self.swarm("import-tasks", str(file))

    def start(self, *words: str) -> None:
        """`amplifier-swarm start`, in the background."""
        log = (self.folder / "start.log").open("ab")
        words = ("--agent-cli", self.cli.name, "--project-root", str(self.project), "--no-dashboard", *words)
        self._running = subprocess.Popen(
            [*self._program(), "start", *words],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **self._identity(),
        )
        log.close()

    def is_running(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def wait_end(self, limit_s: float) -> int:
        """The exit code of `start`."""
        assert self._running is not None
        try:
            return self._running.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"start did not end within {limit_s:g} s\n{self.story()}") from None

    def stop(self) -> None:
        """At once, if it runs."""
        if self.is_running():
            self.swarm("stop", "--now")
            self.wait_end(END_S)

    # ───── what its user sees ─────

    def task(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.swarm("task-info", task_id, "--json"))
        return found

    def status_of(self, task_id: str) -> str:
        """The status of a task; `missing` without one."""
        listed = json.loads(self.swarm("list-tasks", "--json"))["tasks"]
        return next((str(each["status"]) for each in listed if each["id"] == task_id), "missing")

    def tries(self, task_id: str) -> list[dict[str, Any]]:
        """The attempts of a task, without its landings."""
        return [each for each in self.task(task_id)["attempts"] if each["kind"] == "work"]

    def holds(self) -> list[dict[str, Any]]:
        """The pauses of agent CLIs."""
        found: list[dict[str, Any]] = json.loads(self.swarm("status", "--json"))["holds"]
        return found

    def landed(self) -> list[str]:
        """The files on the integration branch."""
        return self.git("ls-tree", "-r", "--name-only", BRANCH).split()

    def story(self) -> str:
        """For a failure: the end of what `start` printed."""
        log = self.folder / "start.log"
        return log.read_text(errors="replace")[-1500:] if log.exists() else ""

    def wait_for(self, what: str, condition: Callable[[], T | None], limit_s: float) -> T:
        end = time.monotonic() + limit_s
        while not (value := condition()):
            assert time.monotonic() < end, f"waited {limit_s:g} s for {what}\n{self.story()}"
            time.sleep(POLL_S)
        return value

    def alive(self, *texts: str) -> dict[int, str]:
        """Running processes that carry this harness's mark, or whose command line holds one of the texts."""
        found = {}
        needle = f"{MARK}={self._mark}".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) == os.getpid():
                continue
            try:
                line = (entry / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                ours = needle in (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if state not in "ZX" and (ours if not texts else any(text in line for text in texts)):
                found[int(entry.name)] = line
        return found

    # ───── machinery ─────

    def clear_up(self) -> None:
        """Leave nothing behind, whatever has failed."""
        for pid in self.alive():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self._running is not None:
            self._running.wait()

    def _program(self) -> list[str]:
        return [sys.executable, "-m", "amplifier_swarm", "--db", str(self.folder / "tasks.db")]

    def _run(self, words: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            **self._identity(),
        )

    def _identity(self) -> dict[str, Any]:
        if self.user.uid == os.getuid():
            return {}
        return {"user": self.user.uid, "group": self.user.gid, "extra_groups": ()}


def can_run(clis: Installed, user: User) -> bool:
    """Whether the user may run what is installed, and this Python: below a closed home, for example, no other user
    can.
    """
    command = [sys.executable, "-c", f"import os; os.listdir({str(clis.folder)!r})"]
    try:
        looked = subprocess.run(
            command, user=user.uid, group=user.gid, extra_groups=(), cwd="/", capture_output=True, check=False
        )
    except PermissionError:
        return False
    return looked.returncode == 0


@contextmanager
def harness(cli: Cli, clis: Installed, user: User) -> Iterator[Harness]:
    """A harness with a provider; removed afterwards with all its files, unless AGENTS_KEEP is set."""
    folder = Path(tempfile.mkdtemp(prefix=f"sw-{cli.name}-", dir="/tmp"))  # the CLIs' sandboxes may hide /dev/shm
    try:
        with Provider(hurry=True) as provider:
            made = Harness(folder, cli, provider, clis, user)
            try:
                yield made
            finally:
                made.clear_up()
    finally:
        if not os.environ.get("AGENTS_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
