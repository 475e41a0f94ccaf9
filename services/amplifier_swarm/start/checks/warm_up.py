"""One agent session before the pool: it fills the agent CLI's cache alone, and shows that the CLI can start.

Done only where nothing cheaper could decide, and remembered for as long as program and agent stay the same.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

from amplifier_swarm.start.signals import Inbox
from amplifier_swarm.start.subtree import Subtree
from swarm_shared.agents.launching.agent_checks import AgentCliError
from swarm_shared.agents.launching.environment import Inherited
from swarm_shared.agents.launching.launch import SessionPlan, find_binary, prepare
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.agents.reading.session_result import Reading, SessionEnd, read_session
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import FailureClass, Role, TaskSpec
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import ON_LINUX
from swarm_shared.program.settings import Settings

TIMEOUT_S = 600.0  # a cold cache is fetched over the network
PROGRESS_EVERY_S = 15.0
KILL_GRACE_S = 2.0
OUTPUT_READ_BYTES = 1_000_000
TAIL_LINES = 15
META_KEY = "warmed_up"
_PR_SET_PDEATHSIG = 1
_TASK = TaskSpec(id="warm-up", name="Warm-up")
_PROMPT = (
    "This only checks that you can start. Use no tools and change nothing. "
    'Answer with exactly this JSON object: {"status": "success", "tests_passed": true}'
)
_CANNOT_START = frozenset({FailureClass.SETUP, FailureClass.CRASH})


class StoppedMeanwhile(Exception):
    """A person ended the run during the warm-up."""


class WarmUp:
    """The warm-up of one agent CLI with the run's builder agent."""

    def __init__(self, cli: AgentCli, settings: Settings, environ: Inherited, database: TaskDatabase) -> None:
        self._cli = cli
        self._settings = settings
        self._environ = environ
        self._database = database

    def is_remembered(self) -> bool:
        """Whether this program, as it is now, has been warmed up with this agent on this database."""
        known = json.loads(self._database.swarm.meta(META_KEY) or "{}")
        return bool(known.get(self._cli.name) == self._fingerprint())

    def run(self, *, inbox: Inbox, subtree: Subtree, say: Callable[[str], None]) -> Reading:
        """Run it and remember that it went well; what the session's end means.

        Raises:
            AgentCliError: The agent CLI cannot start.
            StoppedMeanwhile: A signal came.
        """
        say(f"warming up agent CLI {self._cli.name} with one short session; the first one may fetch what it needs")
        with tempfile.TemporaryDirectory(prefix="amplifier-swarm-") as folder:
            end = self._session(Path(folder), inbox, subtree, say)
        reading = read_session(self._cli, Role.BUILDER, end, self._database.clock.wall_ms())
        if reading.failure in _CANNOT_START:
            for line in (end.stdout + end.stderr).splitlines()[-TAIL_LINES:]:
                say(f"  {line}")
            raise AgentCliError(
                f"agent CLI {self._cli.name!r} cannot start: {reading.reason}",
                hint=f"run `{self._cli.binary}` in a shell in {self._settings.project_root}",
            )
        if reading.failure is not FailureClass.PROVIDER:
            self._remember()
        return reading

    def _session(self, folder: Path, inbox: Inbox, subtree: Subtree, say: Callable[[str], None]) -> SessionEnd:
        launch = prepare(
            self._cli,
            SessionPlan(
                role=Role.BUILDER,
                agent=self._settings.builder_agent,
                prompt=_PROMPT,
                task=_TASK,
                attempt_id=str(uuid.uuid4()),
                attempt_number=1,
                private_dir=folder,
                project_root=self._settings.project_root,
            ),
            self._environ,
        )
        (folder / "prompt").write_bytes(launch.stdin)
        out, err = folder / "stdout", folder / "stderr"
        with (folder / "prompt").open("rb") as prompt, out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                launch.argv,
                env=dict(launch.env),
                cwd=self._settings.project_root,
                stdin=prompt,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        try:
            self._wait(process, inbox, say)
        finally:
            code = process.poll()
            subtree.end(grace_s=KILL_GRACE_S if code is not None else 0.0)
            process.wait()
        if code is None:
            raise AgentCliError(
                f"agent CLI {self._cli.name!r} did not finish a first short session within {TIMEOUT_S:g} s",
                hint=f"run `{self._cli.binary}` in a shell and see what it waits for",
            )
        return SessionEnd(
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            stdout=_text(out),
            stderr=_text(err),
        )

    def _wait(self, process: subprocess.Popen[bytes], inbox: Inbox, say: Callable[[str], None]) -> None:
        began_ms = told_ms = self._database.clock.mono_ms()
        found = ProcessId.of(process.pid)
        descriptor = None if found is None else found.pidfd()
        try:
            while process.poll() is None:
                now_ms = self._database.clock.mono_ms()
                if inbox.take():
                    raise StoppedMeanwhile
                if now_ms - began_ms > TIMEOUT_S * 1000:
                    return
                if now_ms - told_ms > PROGRESS_EVERY_S * 1000:
                    told_ms = now_ms
                    say(f"still warming up, {(now_ms - began_ms) / 1000:.0f} s so far")
                inbox.wait(1.0 if descriptor is not None else 0.1, () if descriptor is None else (descriptor,))
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _fingerprint(self) -> str:
        """Names program and agent; another version of the program has another time of change."""
        binary = os.path.realpath(find_binary(self._cli, self._environ))
        return f"{binary} {os.stat(binary).st_mtime_ns} {self._settings.builder_agent}"

    def _remember(self) -> None:
        known = json.loads(self._database.swarm.meta(META_KEY) or "{}")
        self._database.swarm.set_meta(META_KEY, json.dumps({**known, self._cli.name: self._fingerprint()}))


def _die_with_parent() -> None:
    """In the child, before its program: if the run is killed, nothing else would end the session."""
    if ON_LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - OUTPUT_READ_BYTES))
        return file.read().decode(errors="replace")
