"""Our calls to supervisord: short ones that never wait for a program."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

from swarm_shared.domain.errors import NotFound, SupervisorError
from swarm_shared.supervisor.faults import (
    ALREADY_STARTED,
    NOT_RUNNING,
    SHUTDOWN_STATE,
    SupervisorAbsent,
    SupervisorRefused,
    SupervisorUnreachable,
)

__all__ = [
    "Orphan",
    "ProcessInfo",
    "Scaled",
    "Slot",
    "SupervisorAbsent",
    "SupervisorClient",
    "SupervisorRefused",
    "SupervisorState",
    "SupervisorUnreachable",
    "process_name",
]

TIMEOUT_S = 5.0
WORKERS = "swarm-worker"
REAPER = "swarm-reaper"
DASHBOARD = "swarm-dashboard"


class SupervisorState(StrEnum):
    """The state of supervisord, as far as others can know it: it refuses to say more while it stops or reloads."""

    RUNNING = "running"
    STOPPING = "stopping"


class ProcessInfo(Struct, frozen=True, kw_only=True):
    """One process of supervisord's table.

    `name` is the full one that commands take (`swarm-worker:swarm-worker-1`, `swarm-reaper`); `state` is one
    of supervisord's names; `pid` is 0 while it does not run, and only then `exit_status` means something;
    times are in seconds since 1970, 0 for never.
    """

    name: str
    state: str
    pid: int
    exit_status: int
    spawn_error: str
    started_at: int
    stopped_at: int
    log: str

    @classmethod
    def from_struct(cls, struct: dict[str, Any]) -> ProcessInfo:
        group, name = struct["group"], struct["name"]
        return cls(
            name=name if group == name else f"{group}:{name}",
            state=struct["statename"],
            pid=struct["pid"],
            exit_status=struct["exitstatus"],
            spawn_error=struct["spawnerr"],
            started_at=struct["start"],
            stopped_at=struct["stop"],
            log=struct["stdout_logfile"],
        )

    @property
    def is_up(self) -> bool:
        """True while there is a process, also one that is being stopped."""
        return self.pid != 0


class Slot(Struct, frozen=True, kw_only=True):
    """One worker slot; a retiring one leaves when it has finished what it runs."""

    name: str
    state: str
    pid: int
    retiring: bool


class Scaled(Struct, frozen=True, kw_only=True):
    """What a `scale` did, in process names.

    `kept` were about to leave and now stay, `returning` are being stopped and start again afterwards; `retiring` are
    also those of an earlier scale.
    """

    workers: int
    added: tuple[str, ...]
    retiring: tuple[str, ...]
    kept: tuple[str, ...] = ()
    returning: tuple[str, ...] = ()


class Orphan(Struct, frozen=True, kw_only=True):
    """A live process that supervisord inherited; the start time is field 22 of /proc/PID/stat."""

    pid: int
    start_time: int


def process_name(worker_id: str) -> str:
    """supervisord's full name of a worker: `worker-3` is `swarm-worker:swarm-worker-3`.

    Raises:
        NotFound: Not the name of a worker that supervisord runs.
    """
    if not re.fullmatch(r"worker-[1-9]\d{0,3}", worker_id):
        raise NotFound(f"no worker {worker_id!r} under supervisord", hint="`amplifier-swarm workers` lists them")
    return f"{WORKERS}:swarm-{worker_id}"


class SupervisorClient:
    """One supervisord. Each call opens its own connection: safe to use from several threads.

    Every method raises `SupervisorUnreachable` when nothing answers within the timeout, its kind
    `SupervisorAbsent` when nothing listens, and `SupervisorRefused` when supervisord refuses.
    """

    def __init__(self, socket_path: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        self.socket_path = socket_path
        self._timeout_s = timeout_s

    @classmethod
    def from_environment(cls) -> SupervisorClient:
        """The supervisord that runs this very process.

        Raises:
            SupervisorError: This process was not started by one with a unix socket.
        """
        url = os.environ.get("SUPERVISOR_SERVER_URL", "")
        if not url.startswith("unix://"):
            raise SupervisorError(
                "this process does not run under a supervisord with a unix socket",
                hint="start the swarm with `amplifier-swarm start` or `supervisord -c supervisord.conf`",
            )
        return cls(Path(url.removeprefix("unix://")))

    def state(self) -> SupervisorState:
        """Whether it runs or is stopping."""
        try:
            self._call("supervisor.getState")
        except SupervisorRefused as error:
            if error.fault == SHUTDOWN_STATE:
                return SupervisorState.STOPPING
            raise
        return SupervisorState.RUNNING

    def pid(self) -> int:
        """supervisord's own process."""
        return int(self._call("supervisor.getPID"))

    def processes(self) -> tuple[ProcessInfo, ...]:
        """All programs' processes, by name."""
        return tuple(ProcessInfo.from_struct(each) for each in self._call("supervisor.getAllProcessInfo"))

    def process(self, name: str) -> ProcessInfo:
        """One process by its full name."""
        return ProcessInfo.from_struct(self._call("supervisor.getProcessInfo", name))

    def slots(self) -> tuple[Slot, ...]:
        """The worker slots; answers also while supervisord stops."""
        return tuple(Slot(**each) for each in self._call("swarm.slots"))

    def orphans(self) -> tuple[Orphan, ...]:
        """What dead programs left behind; answers also while supervisord stops.

        A keeper whose worker was killed is among them and still at work: leave it to finish. Below a
        supervisord that is process 1 of a container, there can be processes that are not ours.
        """
        pairs = (text.split(":") for text in self._call("swarm.orphans"))
        return tuple(Orphan(pid=int(pid), start_time=int(start)) for pid, start in pairs)

    def beat(self, pid: int, *, grace_s: int = 0) -> None:
        """Say that the reaper of this pid works: it is killed when it stays silent for long."""
        self._call("swarm.beat", pid, grace_s)

    def scale(self, workers: int, *, now: bool = False) -> Scaled:
        """Run so many workers, 0 to 256; surplus ones retire, or with `now` get SIGTERM. Does not wait.

        Those that have not left yet and are needed again stay.
        """
        done = self._call("swarm.scale", workers, True, now)
        return Scaled(
            workers=done["workers"],
            added=tuple(done["added"]),
            retiring=tuple(done["retiring"]),
            kept=tuple(done["kept"]),
            returning=tuple(done["returning"]),
        )

    def restart_worker(self, slot: str, *, now: bool = False) -> None:
        """Let a worker finish its task and start again; with `now` it gets SIGTERM. Does not wait.

        Args:
            slot: The slot's name, such as `swarm-worker-2`.
            now: Stop it as SIGTERM does; a second call interrupts a task that it still finishes.

        Raises:
            SupervisorRefused: There is no such worker (fault BAD_NAME), or a scale has asked it to leave
                (STILL_RUNNING).
        """
        self._call("swarm.restart", slot, now)

    def start_process(self, name: str) -> None:
        """Start a process that is down; one that is up already is as good. Does not wait until it runs."""
        self._call("supervisor.startProcess", name, False, accept=(ALREADY_STARTED,))

    def stop_process(self, name: str) -> None:
        """Send the stop signal; a process that is down or stopping already is as good. Does not wait."""
        self._call("supervisor.stopProcess", name, False, accept=(NOT_RUNNING,))

    def signal(self, name: str, signal_number: signal.Signals) -> None:
        """Send a signal to the process itself, not to its group."""
        self._call("supervisor.signalProcess", name, str(int(signal_number)), accept=(NOT_RUNNING,))

    def stop_all(self) -> None:
        """Send the stop signal to every process at once; a shutdown goes group by group. Does not wait."""
        for process in self.processes():
            self.stop_process(process.name)

    def shutdown(self) -> None:
        """Stop all programs, workers first, then supervisord itself; one that does so already is as good."""
        self._call("supervisor.shutdown", accept=(SHUTDOWN_STATE,))

    def _call(self, method: str, *arguments: object, accept: Iterable[int] = ()) -> Any:
        """The answer of one method; None for a fault whose number is accepted."""
        try:
            from swarm_shared.supervisor.rpc import call  # few programs call it, and HTTP and XML load slowly

            return call(self.socket_path, self._timeout_s, method, arguments)
        except SupervisorRefused as error:
            if error.fault in accept:
                return None
            raise
