"""When the open tasks may be done, or why nothing continues: for `status`, `start` and the dashboard."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.models import GROUP_OF, Group, Status
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.sql import SQL
from swarm_shared.store.swarm.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP, PAUSED, RUNNER_DOWN, Swarm
from swarm_shared.store.swarm.workers import Staff, Workers
from swarm_shared.store.views.estimates.critical_path import critical_way
from swarm_shared.store.views.estimates.forecast import Forecast, foresee, mean

WINDOW_ATTEMPTS = 200
LOOKED_THROUGH = 5_000  # open tasks whose links are looked at; beyond, the amount of work outweighs any chain
STUCK_COUNTED = 10_000
_STOPS = {
    EMERGENCY_STOP: "stopped by an emergency stop",
    DRAINED: "shut down gracefully",
    PAUSED: "paused",
    DISK_LOW: "the disk is nearly full",
    RUNNER_DOWN: "the runner cannot start anything",
}
_ENDED = frozenset({Status.FAILED, Status.HELD, Status.CANCELLED})
_AT_WORK = frozenset({Status.CLAIMED, Status.IN_PROGRESS})


class Prospect(Struct, frozen=True, kw_only=True):
    """The open tasks at one moment.

    `stalled` says briefly why none of them continues, or why those that wait do not start; then there is no
    forecast. `waiting` tasks are open and can run, `stuck` ones wait for a task that failed, is held or was cancelled.
    `chain_s` is the longest remaining chain of tasks that can run, in seconds.
    """

    open_tasks: int
    running: int
    stuck: int
    stalled: str | None
    forecast: Forecast | None
    chain_s: float
    passes: int
    staff: Staff

    @property
    def eta_s(self) -> float | None:
        """Seconds until all that can run is done: 0 when nothing is open, None while it cannot be said."""
        if not self.open_tasks:
            return 0.0
        return None if self.forecast is None else self.forecast.eta_s


class _Open(Struct, frozen=True, kw_only=True):
    status: Status
    estimated_hours: float | None
    claimed_at: int | None


class Prospects(DataAccess):
    """Reads only; the cost is bounded at any size of the queue."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        super().__init__(connection, clock)
        self._swarm, self._workers = Swarm(connection, clock), Workers(connection, clock)

    def now(self, *, dead: Collection[int] = ()) -> Prospect:
        """The prospect of this moment.

        Args:
            dead: Runs of workers whose processes are known to have ended, whatever their rows say.
        """
        counts = {Status(s): int(n) for s, n, _ in self._db.rows(SQL["counters"])}
        open_tasks = sum(n for s, n in counts.items() if GROUP_OF[s] in (Group.NOT_STARTED, Group.IN_PROGRESS))
        staff = self._workers.staff(dead=dead)
        passes_s = self._passes_s()
        nothing = Prospect(
            open_tasks=open_tasks, running=0, stuck=0, stalled=None, forecast=None, chain_s=0.0,
            passes=len(passes_s), staff=staff,
        )  # fmt: skip
        if not open_tasks:
            return nothing
        now = self._clock.wall_ms()
        since = [at for (at,) in self._db.rows(SQL["at_work_since"])]
        usual_s = mean(passes_s) if passes_s else 0.0
        stuck, chain_s = self._stuck_and_chain(open_tasks, usual_s, now)
        waiting = max(0, open_tasks - len(since) - stuck)
        found = replace(nothing, running=len(since), stuck=stuck, chain_s=round(chain_s, 1))
        stalled = self._why_stalled(found, waiting, now)
        if stalled is not None or not passes_s:
            return replace(found, stalled=stalled)
        ages_s = [max(0, now - at) / 1000 for at in since]
        workers = max(len(staff.takers), len(ages_s), 1)
        forecast = foresee(passes_s, ages_s=ages_s, waiting=waiting, workers=workers)
        return replace(found, forecast=_no_sooner_than(chain_s, forecast))

    def usual_s(self) -> float | None:
        """Seconds that recent passes took on average; None before the first."""
        passes_s = self._passes_s()
        return mean(passes_s) if passes_s else None

    def _passes_s(self) -> list[float]:
        return [took_s for (took_s,) in self._db.rows(SQL["recent_passes"], {"window": WINDOW_ATTEMPTS})]

    def _why_stalled(self, found: Prospect, waiting: int, now: int) -> str | None:
        if not waiting:
            if found.running:
                return None
            return f"{_tasks(found.stuck)} wait{'s' if found.stuck == 1 else ''} for failed, held or cancelled ones"
        flags = self._swarm.flags()
        for name, words in _STOPS.items():
            if name in flags:
                return words
        if not found.staff.takers:
            return found.staff.why_none_takes()
        if not found.running:
            for hold in self._swarm.holds():
                if hold.until_at is None:
                    return f"{hold.route} is on hold until you resume"
                if hold.until_at > now:
                    return f"{hold.route} is on hold"
        return None

    def _stuck_and_chain(self, open_tasks: int, usual_s: float, now: int) -> tuple[int, float]:
        """How many open tasks cannot run, and the seconds of the longest chain among the others."""
        if open_tasks > LOOKED_THROUGH:
            number = int(self._db.value(SQL["tasks_stuck"], {"limit": STUCK_COUNTED}))
            at_work = [_open(row) for row in self._db.rows(SQL["open_tasks_at_work"])]
            return number, critical_way([task for _, task in at_work], (), usual_s=usual_s, now=now).seconds
        tasks = dict(_open(row) for row in self._db.rows(SQL["open_tasks"]))
        behind: dict[int, list[int]] = {}
        dead_ends: list[int] = []
        for task, needed, status in self._db.rows(SQL["open_links"]):
            if Status(status) in _ENDED:
                dead_ends.append(task)
            behind.setdefault(needed, []).append(task)
        stuck: set[int] = set()
        while dead_ends:
            task = dead_ends.pop()
            if task in stuck or tasks[task].status in _AT_WORK:
                continue
            stuck.add(task)
            dead_ends += behind.get(task, ())
        kept = {seq: place for place, seq in enumerate(seq for seq in tasks if seq not in stuck)}
        links = [(kept[a], kept[b]) for a, those in behind.items() if a in kept for b in those if b in kept]
        return len(stuck), critical_way([tasks[seq] for seq in kept], links, usual_s=usual_s, now=now).seconds


def _open(row: tuple[object, ...]) -> tuple[int, _Open]:
    seq, status, hours, claimed_at = row
    return int(str(seq)), _Open(
        status=Status(str(status)),
        estimated_hours=None if hours is None else float(str(hours)),
        claimed_at=None if claimed_at is None else int(str(claimed_at)),
    )


def _no_sooner_than(chain_s: float, forecast: Forecast) -> Forecast:
    """The forecast, put off as a whole where the chain takes longer."""
    later_s = max(0.0, chain_s - forecast.eta_s)
    return replace(
        forecast,
        eta_s=round(forecast.eta_s + later_s, 1),
        low_s=round(max(forecast.low_s, chain_s), 1),
        high_s=round(forecast.high_s + later_s, 1),
    )


def _tasks(number: int) -> str:
    return f"{number:,} task{'' if number == 1 else 's'}"
