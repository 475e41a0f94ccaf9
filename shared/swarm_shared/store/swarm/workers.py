"""Rows of worker processes: registration, heartbeat, requests to leave, and how they ended."""

from __future__ import annotations

import socket
from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct

from swarm_shared.domain.errors import ConfigError
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.sql import SQL

OVER = frozenset({"stopped", "crashed"})  # statuses of a worker that has ended
CRASHES_BEFORE_BACKOFF = 2
CRASH_BACKOFF_BASE_S = 2.0
CRASH_BACKOFF_CAP_S = 120.0
CRASH_SPAN_MS = 10 * 60 * 1000  # a crash longer ago than this is forgiven


class WorkerRun(Struct, frozen=True, kw_only=True):
    """One start of a worker process that has not ended, according to its row."""

    run: int
    worker_id: str
    status: str
    process: ProcessId
    keeper: ProcessId | None
    hostname: str
    heartbeat_at: int  # by the clock of its machine
    lease_until_mono: int
    attempt: str | None
    task: int | None
    tree_gone: bool

    @property
    def is_absent(self) -> bool:
        """Whether its process is known to have ended, or belongs to another machine."""
        return self.process.is_foreign or self.process.is_alive() is False

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> WorkerRun:
        run, worker_id, status, pid, start, keeper_pid, keeper_start, boot, ns, host, hostname, *rest = row
        heartbeat_at, lease, attempt, task, gone = rest
        process = ProcessId.from_row(pid, start, boot, ns, host)
        return cls(
            run=run,
            worker_id=worker_id,
            status=status,
            process=process,
            keeper=None if keeper_pid is None else process.beside(keeper_pid, keeper_start),
            hostname=hostname,
            heartbeat_at=heartbeat_at,
            lease_until_mono=lease,
            attempt=attempt,
            task=task,
            tree_gone=gone is not None,
        )


class Staff(Struct, frozen=True, kw_only=True):
    """The living workers by what they are at: those that take tasks, and those that only finish what they run."""

    takers: tuple[str, ...]
    draining: tuple[str, ...]
    retiring: tuple[str, ...]

    def why_none_takes(self) -> str:
        """Where there are no takers, why."""
        parts = [
            f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {doing}"
            for names, doing in ((self.draining, "draining"), (self.retiring, "leaving"))
            if names
        ]
        return f"no worker takes tasks: {'; '.join(parts)}" if parts else "no worker is running"


class Uses(Struct, frozen=True, kw_only=True):
    """What a worker and all below it use; `cpu_share` in whole processors, None before there was a span to measure."""

    rss_bytes: int
    cpu_share: float | None
    processes: int


ABROAD_ADVICE = (
    "its task is held after five minutes without a heartbeat, not started again; if that machine no longer uses this "
    "database: amplifier-swarm release TASK --gone"
)


def unknown_abroad(names: Sequence[str], hostname: str) -> str:
    """What is known here of workers of another machine."""
    them = "they run" if len(names) > 1 else "it runs"
    return f"{', '.join(names)} started on another machine, {hostname}; whether {them} is not known here"


class Workers(DataAccess):
    """Verbs on worker rows."""

    def register(
        self,
        worker_id: str,
        process: ProcessId,
        keeper: ProcessId,
        *,
        lease_s: float,
        wanted: str | None = None,
    ) -> int:
        """Write down a worker's start; its run number.

        Raises:
            ConfigError: A living process holds the same name.
        """
        wall = self._clock.wall_ms()
        with self._db.transaction(durable=False):
            for run, *columns in self._db.rows(SQL["alive_worker_named"], {"worker_id": worker_id}):
                other = ProcessId.from_row(*columns)
                if other.is_foreign:
                    continue  # a file that was moved here; runs have their own numbers, so both rows may stay
                if other.is_alive() is not False:
                    raise ConfigError(
                        f"{worker_id} already runs as process {other.pid}",
                        hint="give this worker another name: --worker-id worker-N",
                    )
                self._end(run, "crashed", "its process had died before the name was started again")
            self._db.change(
                SQL["add_worker"],
                {
                    "worker_id": worker_id,
                    **process.columns(),
                    "keeper_pid": keeper.pid,
                    "keeper_start": keeper.start_time,
                    "hostname": socket.gethostname(),
                    "wall": wall,
                    "lease_until_mono": self._clock.mono_ms() + round(lease_s * 1000),
                },
            )
            run = self._db.last_id()
            self._event("worker_started", f"process {process.pid}", worker_id=worker_id)
        return int(run)

    def heartbeat(self, run: int, *, began_mono_ms: int, lease_s: float, uses: Uses | None = None) -> bool:
        """Renew the lease, counted from `began_mono_ms`; False when the row says that this worker is over."""
        with self._db.transaction(durable=False):
            return bool(
                self._db.change(
                    SQL["heartbeat"],
                    {
                        "run": run,
                        "wall": self._clock.wall_ms(),
                        "lease_until_mono": began_mono_ms + round(lease_s * 1000),
                        "rss_bytes": None if uses is None else uses.rss_bytes,
                        "cpu_share": None if uses is None else uses.cpu_share,
                        "processes": None if uses is None else uses.processes,
                    },
                )
            )

    def set_status(self, run: int, status: str, reason: str | None = None) -> None:
        """Record the worker's state: idle, busy, waiting, draining or retiring."""
        with self._db.transaction(durable=False):
            self._db.change(SQL["set_worker_status"], {"run": run, "status": status, "reason": reason})

    def release(self, run: int) -> None:
        """The worker no longer has an attempt, whatever became of it."""
        with self._db.transaction(durable=False):
            self._db.change(SQL["free_worker"], {"run": run, "completed": 0, "failed": 0})

    def wanted(self, run: int) -> str | None:
        """What this worker was asked to do: drain, retire, or nothing."""
        row = self._db.row(SQL["worker_wanted"], {"run": run})
        return None if row is None else row[0]

    def staff(self, *, dead: Collection[int] = ()) -> Staff:
        """The live workers; `dead` are runs that take no task, see `absent`."""
        takers: list[str] = []
        draining: list[str] = []
        retiring: list[str] = []
        for row in self.shown():
            if row["status"] in OVER or row["run"] in dead:
                continue
            at = row["wanted"] or row["status"]
            where = draining if at in ("drain", "draining") else retiring if at in ("retire", "retiring") else takers
            where.append(str(row["worker_id"]))
        return Staff(takers=tuple(takers), draining=tuple(draining), retiring=tuple(retiring))

    def task_of(self, worker_id: str) -> str | None:
        """The task that a living worker runs; None for one that runs none, or does not live."""
        return next((row["current_task_id"] for row in self.shown() if row["worker_id"] == worker_id), None)

    def want(self, worker_id: str, wanted: str | None) -> bool:
        """Ask a living worker to drain or retire. Joins the caller's transaction; False when none has that name."""
        found = False
        for row in self._db.rows(SQL["alive_worker_named"], {"worker_id": worker_id}):
            found = bool(self._db.change(SQL["want_of_worker"], {"run": row[0], "wanted": wanted})) or found
        return found

    def end(self, run: int, *, crashed: bool, reason: str) -> bool:
        """Mark a worker's row as over, once; whether this call did it."""
        with self._db.transaction(durable=False):
            return self._end(run, "crashed" if crashed else "stopped", reason)

    def _end(self, run: int, status: str, reason: str) -> bool:
        known = self._db.row(SQL["worker_run"], {"run": run})
        values = {"run": run, "status": status, "reason": reason, "wall": self._clock.wall_ms()}
        if known is None or not self._db.change(SQL["end_worker"], values):
            return False
        self._event(f"worker_{status}", reason, worker_id=known[1])
        return True

    def alive(self) -> list[WorkerRun]:
        """Worker starts whose rows have not ended, whether or not their processes live."""
        return [WorkerRun.from_row(row) for row in self._db.rows(SQL["alive_workers"])]

    def present(self) -> list[WorkerRun]:
        """Those of `alive` that may take tasks here."""
        return [each for each in self.alive() if not each.is_absent]

    def absent(self) -> set[int]:
        """Runs of the others."""
        return {each.run for each in self.alive() if each.is_absent}

    def number_alive(self) -> int:
        """How many workers have rows that have not ended."""
        return int(self._db.value(SQL["number_of_alive_workers"]))

    def get(self, run: int) -> WorkerRun | None:
        row = self._db.row(SQL["worker_run"], {"run": run})
        return None if row is None else WorkerRun.from_row(row)

    def shown(self) -> list[dict[str, Any]]:
        """The latest start of each worker as dictionaries, for display; times in milliseconds."""
        return self._db.dicts(SQL["workers_shown"])

    def is_keeper(self, process: ProcessId) -> bool:
        """Whether the process is, or was, the keeper of some worker."""
        values = {
            "keeper_pid": process.pid,
            "keeper_start": process.start_time,
            "boot_id": process.boot_id,
        }
        return self._db.row(SQL["is_keeper"], values) is not None

    def record_tree_gone(self, keeper: ProcessId) -> None:
        """The keeper's own proof, after its worker died, that nothing below it is left."""
        with self._db.transaction(durable=True):
            self._db.change(
                SQL["tree_gone"],
                {
                    "keeper_pid": keeper.pid,
                    "keeper_start": keeper.start_time,
                    "boot_id": keeper.boot_id,
                    "pid_ns": keeper.pid_ns,
                    "wall": self._clock.wall_ms(),
                },
            )

    def crash_backoff_s(self, worker_id: str, run: int) -> float:
        """Seconds to wait before the first claim, by how often this worker crashed in a row without finishing a task.

        supervisord restarts without limit once a process has lived for a moment, so the damping is ours.
        """
        crashes = 0
        now = self._clock.wall_ms()
        for status, finished, _started, stopped in self._db.rows(
            SQL["crashes_in_a_row"], {"worker_id": worker_id, "run": run}
        ):
            recent = stopped is None or now - stopped < CRASH_SPAN_MS
            if status != "crashed" or finished or not recent:
                break
            crashes += 1
        if crashes < CRASHES_BEFORE_BACKOFF:
            return 0.0
        return float(min(CRASH_BACKOFF_CAP_S, CRASH_BACKOFF_BASE_S * 2 ** (crashes - CRASHES_BEFORE_BACKOFF)))
