"""The state of the whole swarm: flags, provider holds, other programs, and facts about the file."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from swarm_shared.domain.branch_names import branch_of
from swarm_shared.domain.clock import Clock
from swarm_shared.domain.trouble import WORDS
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.lifeline import Lifelines
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.sql import SQL
from swarm_shared.store.swarm.started_with import META_KEY, START, StartedWith, db_words

PAUSED, DRAINED, EMERGENCY_STOP, DISK_LOW = "paused", "drained", "emergency_stop", "disk_low"
RUNNER_DOWN = "runner_down"
BUDGET_ACTOR = "budget"  # who pauses the queue when a budget is used up
RESUMED_AT = "resumed_at"  # wall ms: what sessions that began earlier report of their provider is settled
SAME_DEATHS = "same_deaths"  # tasks in a row that failed with the same message, see `same_deaths`
_DISK_USE = "worktree_disk_use"
_ISOLATION, WORKTREE = "isolation", "worktree"
_SUBFOLDER = "subfolder"
_EVENT_OF_FLAG = {PAUSED: "paused", DRAINED: "drained", EMERGENCY_STOP: "emergency_stop", DISK_LOW: "paused"}


FOREIGN_SILENT_MS = 60_000  # programs show themselves every few seconds; clocks of machines differ by less
SEEN_MONO = "seen_mono"  # in a service's details: the moment of its sign of life, on a clock that does not jump


class Flag(Struct, frozen=True, kw_only=True):
    """A stored state that stops claims; every claim reads it, and it survives restarts."""

    name: str
    set_at: int
    actor: str
    reason: str


class ProviderHold(Struct, frozen=True, kw_only=True):
    """Why no session may start on a route, and until when (wall ms; None: until you resume)."""

    route: str  # without routes in swarm.yaml: the agent CLI
    agent_cli: str
    kind: str
    reason: str
    since: int
    until_at: int | None
    step: int

    @property
    def cause(self) -> str:
        """Its kind in words."""
        return WORDS[self.kind]


class Service(Struct, frozen=True, kw_only=True):
    """A program of the swarm other than the workers: reaper, dashboard or start."""

    name: str
    process: ProcessId
    started_at: int
    seen_at: int
    stopped_at: int | None
    detail: Mapping[str, Any]
    lifelines: Lifelines

    def is_alive(self) -> bool:
        """Whether its process runs; in another pid namespace it counts as running unless its lock file disproves it."""
        if self.stopped_at is not None:
            return False
        alive = self.process.is_alive()
        return self.lifelines.is_free(self.process) is not True if alive is None else alive

    def is_up(self, now_ms: int) -> bool:
        """Whether it runs; one of another machine, which cannot be seen here, while its signs of life are fresh."""
        return self.is_alive() and not (self.process.is_foreign and abs(now_ms - self.seen_at) > FOREIGN_SILENT_MS)

    def silent_ms(self, clock: Clock) -> int:
        """Since its last sign of life; neither steps of the wall clock nor sleep of the machine count, where known."""
        mono = self.detail.get(SEEN_MONO)
        if isinstance(mono, int) and self.process.boot_id == clock.boot_id():
            return max(0, clock.mono_ms() - mono)
        return abs(clock.wall_ms() - self.seen_at)


class Swarm(DataAccess):
    """Verbs on the swarm as a whole."""

    def flags(self) -> dict[str, Flag]:
        """Flags that are set, by name."""
        rows = self._db.rows(SQL["flags"])
        return {n: Flag(name=n, set_at=s, actor=a, reason=r) for n, s, a, r in rows}

    def set_flag(self, name: str, *, actor: str, reason: str = "") -> None:
        """Set a flag. Joins the caller's transaction or makes its own."""
        self._within(lambda: self._set(name, actor, reason))

    def note_runner_down(self, reason: str, *, actor: str) -> None:
        """Let no task start until the runner works again; the first reason stays."""
        if RUNNER_DOWN not in self.flags():
            self.set_flag(RUNNER_DOWN, actor=actor, reason=reason)

    def clear_flag(self, name: str) -> bool:
        """Clear a flag; whether it was set."""
        return bool(self._within(lambda: self._db.change(SQL["clear_flag"], {"name": name})))

    def resume(self, *, actor: str) -> None:
        """Clear pause, drain, emergency stop, provider holds and what stopped landing: the causes are fixed."""

        def clear() -> int:
            for name in (PAUSED, DRAINED, EMERGENCY_STOP, RUNNER_DOWN):
                self._db.change(SQL["clear_flag"], {"name": name})
            self._db.change(SQL["clear_holds"])
            self.set_meta(RESUMED_AT, str(self._clock.wall_ms()))
            self._db.change(SQL["clear_limits"])
            for (scope,) in self._db.rows(SQL["caps_reached"]):
                # It counts from now on, or the next session would pause the queue again.
                self._db.change(SQL["begin_meter"], {"scope": scope, "since": self._clock.wall_ms(), "stretch": 0})
                self._db.change(SQL["forget_caps"], {"key": scope})
            self._db.change(SQL["drop_meta"], {"key": SAME_DEATHS})
            self._db.change(SQL["accept_integration"])
            for row in self._db.rows(SQL["alive_workers"]):
                self._db.change(SQL["want_of_worker"], {"run": row[0], "wanted": None})
            self._event("resumed", f"by {actor}")
            return 0

        self._within(clear)

    def holds(self) -> list[ProviderHold]:
        """Routes on which no session may start now, or that only one attempt may probe."""
        return [
            ProviderHold(route=name, agent_cli=c, kind=k, reason=r, since=s, until_at=u, step=n)
            for name, c, k, r, s, u, n in self._db.rows(SQL["holds"])
        ]

    def register_service(self, name: str, process: ProcessId, detail: Mapping[str, Any] | None = None) -> None:
        """Say that a program runs, and what others may need of it (port, socket)."""
        values = {
            "name": name,
            **process.columns(),
            "wall": self._clock.wall_ms(),
            "detail": json.dumps(dict(detail or {})),
        }
        with self._db.transaction(durable=False):
            self._db.change(SQL["put_service"], values)

    def see_service(self, name: str, process: ProcessId, detail: Mapping[str, Any]) -> None:
        """Renew a program's sign of life and its details."""
        values = {
            "name": name,
            "pid": process.pid,
            "pid_start": process.start_time,
            "wall": self._clock.wall_ms(),
            "detail": json.dumps(dict(detail)),
        }
        with self._db.transaction(durable=False):
            self._db.change(SQL["see_service"], values)

    def end_service(self, name: str, process: ProcessId) -> None:
        values = {
            "name": name,
            "pid": process.pid,
            "pid_start": process.start_time,
            "wall": self._clock.wall_ms(),
        }
        with self._db.transaction(durable=False):
            self._db.change(SQL["end_service"], values)

    def services(self) -> dict[str, Service]:
        """The programs that have registered, by name, whether or not they still run."""
        found = {}
        lifelines = Lifelines(self._state_dir)
        for name, *columns, started, seen, stopped, detail in self._db.rows(SQL["services"]):
            process = ProcessId.from_row(*columns)
            found[name] = Service(
                name=name,
                process=process,
                started_at=started,
                seen_at=seen,
                stopped_at=stopped,
                detail=json.loads(detail),
                lifelines=lifelines,
            )
        return found

    def running(self, name: str) -> Service | None:
        """The program of that name, unless it has ended, has died, or is silent on another machine."""
        found = self.services().get(name)
        return found if found is not None and found.is_up(self._clock.wall_ms()) else None

    def meta(self, key: str) -> str | None:
        """A fact about the file."""
        value = self._db.value(SQL["meta"], {"key": key})
        return None if value is None else str(value)

    def set_meta(self, key: str, value: str) -> None:
        self._within(lambda: self._db.change(SQL["set_meta"], {"key": key, "value": value}))

    def note_disk_use(self, worktrees: int, spares: int, size_bytes: int) -> None:
        """Store what the worktrees take on the disk."""
        if (worktrees, spares, size_bytes) != (self.disk_use() or (0, 0, 0)):
            self.set_meta(_DISK_USE, f"{worktrees} {spares} {size_bytes}")

    def disk_use(self) -> tuple[int, int, int] | None:
        """Worktrees of tasks, spares, and the bytes of all, as the reaper saw them last; None before that."""
        value = self.meta(_DISK_USE)
        if value is None:
            return None
        worktrees, spares, size_bytes = map(int, value.split())
        return worktrees, spares, size_bytes

    def workplace(self) -> dict[str, str | None]:
        """Where agents work, as `status` reports it: `isolation` (None before the first worker) and `lands_on`."""
        isolation = self.meta(_ISOLATION)
        row = self._db.row(SQL["integration"]) if isolation == WORKTREE else None
        return {"isolation": isolation, "lands_on": None if row is None else branch_of(str(row[1]))}

    def subfolder(self) -> str | None:
        """Where in its worktree a task's agents work, empty for its top; None if they work in the project root.

        Before the first worker it is unknown: None.
        """
        return (self.meta(_SUBFOLDER) or "") if self.meta(_ISOLATION) == WORKTREE else None

    def note_workplace(self, isolation: str, *, subfolder: str = "") -> None:
        """Say where agents work from now on.

        Args:
            isolation: `worktree` or `none`.
            subfolder: Where the project root is below the top of its repository; empty for the top.
        """
        for key, value in ((_ISOLATION, isolation), (_SUBFOLDER, subfolder)):
            if self.meta(key) != value:
                self.set_meta(key, value)

    def note_started_with(self, started: StartedWith) -> None:
        """Store what the workers are started with."""
        if self.started_with() != started:
            self.set_meta(META_KEY, started.to_json())

    def started_with(self) -> StartedWith | None:
        """What the workers of the last start were started with; None before the first one."""
        return StartedWith.from_json(self.meta(META_KEY))

    def start_command(self) -> str:
        """The command that starts this swarm again as it was started last, for a shell in the current folder."""
        started = self.started_with()
        return (START if started is None else started.command()) + db_words(self._db.path)

    def dashboard_token(self) -> str:
        """The 256-bit secret of this database's dashboard; made on first use."""
        known = self.meta("dashboard_token")
        if known is not None:
            return known
        # Not by `secrets`, which loads OpenSSL: 3.5 MiB in every worker.
        fresh = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
        with self._db.transaction():
            self._db.change(SQL["set_meta_once"], {"key": "dashboard_token", "value": fresh})
        return self.meta("dashboard_token") or fresh

    def _set(self, name: str, actor: str, reason: str) -> int:
        values = {"name": name, "wall": self._clock.wall_ms(), "actor": actor, "reason": reason}
        self._db.change(SQL["set_flag"], values)
        self._event(_EVENT_OF_FLAG.get(name, "paused"), f"by {actor}" + (f": {reason}" if reason else ""))
        return 1

    def _within(self, change: Any) -> Any:
        if self._db.in_transaction:
            return change()
        with self._db.transaction():
            return change()
