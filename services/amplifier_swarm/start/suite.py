"""The life of this run's supervisord: start it in its own session, reach it, and end it with all it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from amplifier_swarm.start.checks.problems import ServiceFailed
from amplifier_swarm.start.ending.subtree import Subtree
from swarm_shared.domain.errors import SupervisorError
from swarm_shared.processes.identity import OWNER_VARIABLE, ProcessId, wait_for_ends
from swarm_shared.settings.settings import Settings, described, variable_of
from swarm_shared.supervisor.client import ProcessInfo, SupervisorClient
from swarm_shared.supervisor.files import SupervisorFiles

OVERRIDE = Path("supervisord.d", "50-scale.conf")
OUTPUT = "supervisord.out"
POLL_S = 0.05
TAIL_LINES = 15
# Settings that go to the services whatever their origin: paths are relative to our folder and not to theirs,
# and the supervisord plugin reads the environment alone.
_ALWAYS = frozenset({"db", "project_root", "workers", "dashboard", "graceful_timeout_s", "isolation"})


class Suite:
    """supervisord and everything below it. Only this class and the reaper talk to it."""

    def __init__(self, files: SupervisorFiles, environ: Mapping[str, str], subtree: Subtree) -> None:
        self._files = files
        self._environ = environ
        self._subtree = subtree
        self._process: subprocess.Popen[bytes] | None = None
        self.client = SupervisorClient(files.socket)
        self.identity: ProcessId | None = None

    @property
    def log_dir(self) -> Path:
        return self._files.log.parent

    def launch(self) -> None:
        """Start supervisord; it begins to start the services by itself.

        Its session is its own, so that a Ctrl+C of the terminal reaches only us.
        """
        # Left behind by a supervisord that was killed; it would be read before the plugin can correct it.
        (self._files.log.parents[2] / OVERRIDE).unlink(missing_ok=True)
        command = [sys.executable, "-P", "-m", "supervisor.supervisord"]
        with (self.log_dir / OUTPUT).open("wb") as output:
            self._process = subprocess.Popen(
                [*command, "--nodaemon", "--silent", "-c", str(self._files.configuration)],
                env=dict(self._environ),
                cwd=self.log_dir,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.identity = ProcessId.of(self._process.pid)

    def processes(self) -> tuple[ProcessInfo, ...] | None:
        """supervisord's table; None while it does not answer."""
        try:
            return self.client.processes()
        except SupervisorError:
            return None

    def ended(self) -> int | None:
        """supervisord's exit code, negative for a signal; None while it runs."""
        return None if self._process is None else self._process.poll()

    def death(self) -> ServiceFailed:
        """The error to report if supervisord ended without a request."""
        code = self.ended() or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        tail = last_lines(self.log_dir / OUTPUT) or last_lines(self._files.log)
        return ServiceFailed(
            f"supervisord {how}; all of its programs have been ended",
            hint=f"its log is {self._files.log}; start again to continue where the run was",
            tail=tail,
        )

    def stop(self, *, interrupt: bool, patience_s: float) -> tuple[str, ...]:
        """End the services, all at the same time, then supervisord, then any process that is left.

        Args:
            interrupt: Workers still run attempts: let them interrupt these now instead of finishing them.
            patience_s: Seconds after which what still runs is killed.

        Returns:
            Processes that could not be ended, as texts for display.
        """
        end = time.monotonic() + patience_s
        if self._process is not None and self._process.poll() is None:
            self._ask(interrupt)
            self._wait(end)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        left = self._subtree.end(grace_s=max(0.0, end - time.monotonic()))
        if self._process is not None:
            self._process.poll()
        return left

    def _ask(self, interrupt: bool) -> None:
        try:
            self.client.stop_all()
            if interrupt:
                # A worker takes the second SIGTERM for "now".
                for slot in self.client.slots():
                    if slot.pid:
                        self.client.signal(f"swarm-worker:{slot.name}", signal.SIGTERM)
            self.client.shutdown()
        except SupervisorError:
            if self._process is not None:
                self._process.terminate()  # equivalent to a shutdown, only slower

    def _wait(self, end: float) -> None:
        """Wait for supervisord, and keep it awake: it checks its children once a second, or when it is called."""
        assert self._process is not None
        while self._process.poll() is None and time.monotonic() < end:
            try:
                self.client.state()
            except SupervisorError:
                pass  # its socket is closed already, or it is still busy
            if self.identity is not None:
                wait_for_ends([self.identity], POLL_S)


def suite_environment(settings: Settings, environ: Mapping[str, str], owner: ProcessId) -> dict[str, str]:
    """The environment of supervisord and its programs: the run's settings as variables, whatever gave them."""
    result = {name: value for name, value in environ.items() if not name.startswith("SUPERVISOR_")}
    for one in described():
        given = settings.origins.get(one.name) != "default"
        value = getattr(settings, one.name)
        if one.metadata.get("file_only") or value is None or not (given or one.name in _ALWAYS):
            continue
        result[variable_of(one.name)] = _as_text(value)
    result[OWNER_VARIABLE] = f"{owner.pid}:{owner.start_time}"
    return result


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def last_lines(path: Path, count: int = TAIL_LINES) -> tuple[str, ...]:
    """The end of a log; empty when there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 32_768))
            return tuple(file.read().decode(errors="replace").splitlines()[-count:])
    except OSError:
        return ()
