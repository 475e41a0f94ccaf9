"""Starts the agent CLI before the workers do: it fills the CLI's cache alone, and shows that the CLI can start.

No model is asked. Done only where nothing cheaper could decide, and remembered for as long as program, agents and the
filled cache stay.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from amplifier_swarm.start.ending.subtree import Subtree
from amplifier_swarm.start.signals import Inbox
from swarm_shared.agents.amplifier.home import registered_bundles
from swarm_shared.agents.amplifier.persona import BASE_BUNDLE
from swarm_shared.agents.launching.agent_checks import AgentCliError
from swarm_shared.agents.launching.environment import Inherited
from swarm_shared.agents.launching.launch import SessionPlan, find_binary, prepare
from swarm_shared.agents.presets.cli import AgentCli, Store
from swarm_shared.agents.reading.error_text import last_line
from swarm_shared.agents.reading.session_result import SessionEnd, read_session
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Role, TaskSpec
from swarm_shared.processes.identity import ProcessId
from swarm_shared.program.readable import cut
from swarm_shared.program.terminal_text import without_colours
from swarm_shared.settings.settings import Settings

TIMEOUT_S = 600.0  # a cold cache is fetched over the network
PROGRESS_EVERY_S = 15.0
PROGRESS_CHARS = 120
KILL_GRACE_S = 2.0
OUTPUT_READ_BYTES = 1_000_000
TAIL_LINES = 15
META_KEY = "warmed_up"
_PR_SET_PDEATHSIG = 1
_TASK = TaskSpec(id="warm-up", name="Warm-up")


class StoppedMeanwhile(Exception):
    """The user ended the run during the warm-up."""


class WarmUp:
    """The warm-up of one agent CLI with the agents that its sessions will be."""

    def __init__(
        self,
        cli: AgentCli,
        agents: Sequence[tuple[Role, str]],
        settings: Settings,
        environ: Inherited,
        database: TaskDatabase,
    ) -> None:
        self._cli = cli
        self._agents = agents
        self._settings = settings
        self._environ = environ
        self._database = database

    def is_remembered(self) -> bool:
        """Whether this program, as it is now, has been warmed up with these agents, and still has what it fetched."""
        if self._cli.store is Store.AMPLIFIER and (registered_bundles(self._environ) or {}).get(BASE_BUNDLE) is None:
            return False
        known = json.loads(self._database.swarm.meta(META_KEY) or "{}")
        return bool(known.get(self._cli.name) == self._fingerprint())

    def run(self, *, inbox: Inbox, subtree: Subtree, say: Callable[[str], None]) -> None:
        """Start the CLI once for each agent.

        Raises:
            AgentCliError: The agent CLI cannot start.
            StoppedMeanwhile: A signal came.
        """
        say(f"warming up agent CLI {self._cli.name}, without a model; the first start may fetch what it needs")
        for role, agent in self._agents:
            with tempfile.TemporaryDirectory(prefix="amplifier-swarm-") as folder:
                end = self._start(Path(folder), role, agent, inbox, subtree, say)
            if end.exit_code == 0:
                continue
            reading = read_session(self._cli, role, end, self._database.clock.wall_ms())
            for line in (end.stdout + end.stderr).splitlines()[-TAIL_LINES:]:
                say(f"  {line}")
            raise AgentCliError(
                f"agent CLI {self._cli.name!r} cannot start: {reading.reason}",
                hint=f"run `{self._cli.binary}` in a shell in {self._settings.project_root}",
            )

    def _start(
        self, folder: Path, role: Role, agent: str, inbox: Inbox, subtree: Subtree, say: Callable[[str], None]
    ) -> SessionEnd:
        launch = prepare(
            replace(self._cli, argv={role: self._cli.warm_up}),
            SessionPlan(
                role=role,
                agent=agent,
                prompt="",
                task=_TASK,
                attempt_id=str(uuid.uuid4()),
                attempt_number=1,
                private_dir=folder,
                project_root=self._settings.project_root,
            ),
            self._environ,
        )
        out, err = folder / "stdout", folder / "stderr"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                launch.argv,
                env=dict(launch.env),
                cwd=self._settings.project_root,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        try:
            self._wait(process, out, inbox, say)
        finally:
            code = process.poll()
            subtree.end(grace_s=KILL_GRACE_S if code is not None else 0.0)
            process.wait()
        if code is None:
            raise AgentCliError(
                f"agent CLI {self._cli.name!r} did not finish its first start within {TIMEOUT_S:g} s",
                hint=f"run `{self._cli.binary}` in a shell and see what it waits for",
            )
        return SessionEnd(
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            stdout=_text(out),
            stderr=_text(err),
        )

    def _wait(self, process: subprocess.Popen[bytes], out: Path, inbox: Inbox, say: Callable[[str], None]) -> None:
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
                    doing = cut(last_line(without_colours(_text(out))), PROGRESS_CHARS)
                    waited = f"still warming up, {(now_ms - began_ms) / 1000:.0f} s so far"
                    say(f"{waited}: {doing}" if doing else waited)
                inbox.wait(1.0 if descriptor is not None else 0.1, () if descriptor is None else (descriptor,))
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _fingerprint(self) -> str:
        """Identifies program and agents; another version of the program has another modification time."""
        binary = os.path.realpath(find_binary(self._cli, self._environ))
        return " ".join([binary, str(os.stat(binary).st_mtime_ns), *(agent for _, agent in self._agents)])

    def remember(self) -> None:
        """Record the success."""
        known = json.loads(self._database.swarm.meta(META_KEY) or "{}")
        self._database.swarm.set_meta(META_KEY, json.dumps({**known, self._cli.name: self._fingerprint()}))


def _die_with_parent() -> None:
    """In the child, before its program: if the run is killed, nothing else would end the session."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - OUTPUT_READ_BYTES))
        return file.read().decode(errors="replace")
