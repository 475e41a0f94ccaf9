"""One run at a time per database: holds the lock, and waits until an earlier run's processes have ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import StateError, SupervisorError
from swarm_shared.processes.file_lock import try_lock
from swarm_shared.processes.identity import ProcessId, owner_from
from swarm_shared.store.swarm.swarm import Service
from swarm_shared.supervisor.client import SupervisorAbsent, SupervisorClient

LOCK = "start.lock"
# A keeper's own effort takes up to ten seconds, a graceful end of gunicorn and supervisord some more.
PATIENCE_S = 30.0
SAY_AFTER_S = 1.0
SILENT_MS = 60_000  # a reaper reports every few seconds that it is alive
POLL_S = 0.1

Wait = Callable[[float], object]


@contextmanager
def exclusive_run(state_dir: Path, database: TaskDatabase) -> Iterator[None]:
    """Hold the lock for runs on this database; the kernel releases it however this process ends.

    Raises:
        StateError: Another run holds it.
    """
    state_dir.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(state_dir / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        if not try_lock(lock):
            other = database.swarm.services().get("start")
            named = f" (process {other.process.pid})" if other is not None else ""
            raise StateError(
                f"another run already works on {database.path}{named}",
                hint="watch it: amplifier-swarm status; end it: amplifier-swarm stop",
            )
        yield
    finally:
        os.close(lock)


class Leftover(Struct, frozen=True, kw_only=True):
    """A process of a swarm that is running on this database. `leaves`: its owner is dead, so it is about to end."""

    text: str
    leaves: bool


def wait_for_earlier_run(
    database: TaskDatabase,
    client: SupervisorClient,
    *,
    worker_ids: frozenset[str],
    wait: Wait,
    say: Callable[[str], None],
) -> None:
    """Return when no process of another run or service uses the database.

    Args:
        worker_ids: Names that this run's workers will have; a worker that you started under another name may continue.
        wait: Called with the seconds between two polls.
        say: Called once with what is being waited for, if it takes longer than a moment.

    Raises:
        StateError: Another swarm is running and is not about to end, or a remaining process of an earlier run does not
        end.
    """
    began_ms = database.clock.mono_ms()
    said = False
    while leftovers := _leftovers(database, client, worker_ids):
        waited_s = (database.clock.mono_ms() - began_ms) / 1000
        stays = [each.text for each in leftovers if not each.leaves]
        if stays or waited_s > PATIENCE_S:
            raise StateError(
                f"a swarm already works on {database.path}: {', '.join(stays or [s.text for s in leftovers])}",
                hint="end it first: amplifier-swarm stop; or supervisorctl -c supervisord.conf shutdown",
            )
        if waited_s > SAY_AFTER_S and not said:
            say(f"waiting for the end of an earlier run: {', '.join(each.text for each in leftovers)}")
            said = True
        wait(POLL_S)


def _leftovers(database: TaskDatabase, client: SupervisorClient, worker_ids: frozenset[str]) -> list[Leftover]:
    found = _supervisord(client)
    reaper = database.swarm.services().get("reaper")
    if reaper is not None and reaper.is_alive() and not _is_stale(reaper, database.clock.wall_ms()):
        found.append(_process("swarm-reaper", reaper.process))
    for worker in database.workers.alive():
        if worker.worker_id in worker_ids and worker.process.is_alive():
            found.append(_process(worker.worker_id, worker.process))
    return found


def _supervisord(client: SupervisorClient) -> list[Leftover]:
    try:
        return [_process("supervisord", ProcessId.of(client.pid()))]
    except SupervisorAbsent:
        return []
    except SupervisorError:
        # While it stops it refuses everything, and may outlive all services that are known here: its socket and
        # the dashboard's port are taken until it has ended.
        return [Leftover(text="supervisord", leaves=True)]


def _is_stale(service: Service, now_ms: int) -> bool:
    """Whether a service of another container, which cannot be judged by its process, has long been silent."""
    return service.process.is_alive() is None and now_ms - service.seen_at > SILENT_MS


def _process(name: str, process: ProcessId | None) -> Leftover:
    if process is None:
        return Leftover(text=name, leaves=True)
    owner = owner_from(_environment(process.pid))
    return Leftover(text=f"{name} (process {process.pid})", leaves=owner is not None and owner.is_alive() is False)


def _environment(pid: int) -> dict[str, str]:
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)
