"""The worker slots of the supervisord that runs this reaper: scaling, restarting, and starting again after a stop."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import InputError, SupervisorError
from swarm_shared.processes.identity import ProcessId
from swarm_shared.program.logs import event
from swarm_shared.settings.settings import MAX_WORKERS
from swarm_shared.supervisor.client import (
    REAPER,
    WORKERS,
    Slot,
    SupervisorClient,
    SupervisorUnreachable,
    process_name,
)

LOG = logging.getLogger("swarm.reaper")
TIMEOUT_S = 2.0  # deaths are not noticed during the call to supervisord
STEP_EVERY_MS = 500
REVIVE_FOR_MS = 15_000  # after a resume: workers that were about to leave may still do so
UNREACHABLE_FOR_MS = 10_000  # how long a supervisord that did not respond is not called again without need


@dataclass(slots=True, kw_only=True)
class _Restart:
    """One that has begun: the pid to be replaced, and whether its task has been interrupted."""

    old_pid: int
    interrupted: bool = False


class Slots:
    """Every method returns soon: what takes longer is done step by step."""

    def __init__(self, client: SupervisorClient | None, clock: Clock) -> None:
        """Bind to a supervisord; None when this process does not run under one."""
        self._client = client
        self._clock = clock
        self._restarting: dict[str, _Restart] = {}  # by worker
        self._next_restart_step: dict[str, int] = {}
        self._revive_until = 0
        self._next_look = 0
        self._unreachable_until = 0

    @classmethod
    def around_us(cls, clock: Clock) -> Slots:
        """Of the supervisord that started this process, if one did."""
        try:
            socket_path = SupervisorClient.from_environment().socket_path
        except SupervisorError:
            return cls(None, clock)
        return cls(SupervisorClient(socket_path, timeout_s=TIMEOUT_S), clock)

    @property
    def supervised(self) -> bool:
        """Whether this process runs under supervisord."""
        return self._client is not None

    def scale(self, argument: Mapping[str, Any]) -> str:
        """Set the number of workers (with `now`, surplus ones are stopped). Returns what was done, in one line.

        Raises:
            InputError: Not a number of workers.
            SupervisorError: There is no supervisord, or it refused.
        """
        workers, now = argument.get("workers"), argument.get("now", False)
        if type(workers) is not int or not 0 <= workers <= MAX_WORKERS or not isinstance(now, bool):
            raise InputError(f"{workers!r} is not a number of workers", hint=f"0 to {MAX_WORKERS}")
        done = self._supervisord("scaling").scale(workers, now=now)
        parts = [
            _who(done.added, "starts", "start"),
            _who(done.kept, "stays", "stay"),
            _who(done.returning, "starts again when it has stopped", "start again when they have stopped"),
            _who(done.retiring, "stops", "stop")
            if now
            else _who(done.retiring, "leaves after its current task", "leave after their current tasks"),
        ]
        wanted = f"{done.workers} {'worker' if done.workers == 1 else 'workers'} requested"
        return ": ".join(filter(None, (wanted, "; ".join(filter(None, parts)))))

    def restart(self, worker_id: str, *, now: bool = False, task: str | None = None) -> str | None:
        """Take the next step of restarting a worker; call again until it returns the outcome.

        Args:
            worker_id: The worker.
            now: Interrupt its task instead of letting the worker finish it.
            task: What it runs. A restart after a task is not waited for: supervisord remembers it.

        Raises:
            NotFound: Not a worker of supervisord.
            SupervisorError: There is no supervisord, or it refused.
        """
        supervisord = self._supervisord("restarting a worker")
        slot = process_name(worker_id).removeprefix(f"{WORKERS}:")
        mono = self._clock.mono_ms()
        if mono < self._next_restart_step.get(worker_id, 0):
            return None
        self._next_restart_step[worker_id] = mono + STEP_EVERY_MS
        try:
            said = self._restart_step(supervisord, worker_id, slot, now, task)
        except SupervisorUnreachable:
            raise
        except SupervisorError:
            self._restarting.pop(worker_id, None)
            raise
        if said is not None:
            self._restarting.pop(worker_id, None)
            del self._next_restart_step[worker_id]
        return said

    def _restart_step(
        self, supervisord: SupervisorClient, worker_id: str, slot: str, now: bool, task: str | None
    ) -> str | None:
        begun = self._restarting.get(worker_id)
        pid = _pid(supervisord.slots(), slot)
        if begun is None:
            supervisord.restart_worker(slot, now=now)
            if task is not None and not now:
                return f"{worker_id} restarts when it has finished {task}"
            self._restarting[worker_id] = _Restart(old_pid=pid)
        elif pid not in (0, begun.old_pid):
            return f"{worker_id} was restarted"
        elif now and pid == begun.old_pid and not begun.interrupted:
            supervisord.restart_worker(slot, now=True)
            begun.interrupted = True
        return None

    def revive(self) -> None:
        """After a resume: start the slots that have exited, and those that exit in the next moments."""
        if self._client is not None:
            self._revive_until = self._clock.mono_ms() + REVIVE_FOR_MS
            self._next_look = 0

    def run_once(self) -> None:
        """Continue a revival, when it is time."""
        now = self._clock.mono_ms()
        if self._client is None or not self._next_look <= now < self._revive_until:
            return
        self._next_look = now + STEP_EVERY_MS
        try:
            for slot in self._client.slots():
                if slot.state == "EXITED" and not slot.retiring:
                    self._client.start_process(f"{WORKERS}:{slot.name}")
                    event(LOG, "worker_revived", slot=slot.name)
        except SupervisorError as error:
            event(LOG, "revival_refused", level=logging.WARNING, reason=error)

    def beat(self, *, grace_s: int = 0) -> bool | None:
        """Report to supervisord that this process works. Returns whether supervisord responds, None if there is none.

        Args:
            grace_s: For this long supervisord must not treat silence as a failure.
        """
        if self._client is None:
            return None
        try:
            self._client.beat(os.getpid(), grace_s=grace_s)
        except SupervisorUnreachable:
            return False
        except SupervisorError:
            pass  # it said no: it is there
        return True

    def adopted(self) -> list[ProcessId]:
        """What dead programs left behind; none when supervisord cannot be reached."""
        now = self._clock.mono_ms()
        if self._client is None or now < self._unreachable_until:
            return []
        try:
            return [ProcessId.here(orphan.pid, orphan.start_time) for orphan in self._client.orphans()]
        except SupervisorError as error:
            # Without it there is nothing that it could have inherited; if it hangs, it must not delay us each time.
            self._unreachable_until = now + UNREACHABLE_FOR_MS
            event(LOG, "supervisord_unreachable", level=logging.WARNING, reason=error)
            return []

    def shut_down(self) -> None:
        """Stop all programs except this one at the same time, then supervisord, which ends this one last."""
        if self._client is None:
            return
        try:
            for process in self._client.processes():
                if process.name != REAPER:
                    self._client.stop_process(process.name)
            self._client.shutdown()
        except SupervisorError as error:
            event(LOG, "shutdown_refused", level=logging.WARNING, reason=error)

    def _supervisord(self, what: str) -> SupervisorClient:
        if self._client is None:
            raise SupervisorError(
                f"{what} needs supervisord, and this reaper does not run under one",
                hint="start the swarm with `amplifier-swarm start` or `supervisord -c supervisord.conf`",
            )
        return self._client


def _pid(slots: tuple[Slot, ...], name: str) -> int:
    """The process in that slot; 0 while none is."""
    return next((slot.pid for slot in slots if slot.name == name), 0)


def _who(names: tuple[str, ...], does: str, do: str) -> str:
    """`worker-2, worker-3 stay`; empty if none does."""
    ids = [name.removeprefix("swarm-") for name in names]
    return f"{', '.join(ids)} {does if len(ids) == 1 else do}" if ids else ""
