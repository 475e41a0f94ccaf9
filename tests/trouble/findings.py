"""The outcome of a run, read from its database alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarm_shared.database import TaskDatabase

SLACK_MS = 50  # a hold ends by the first of two clocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One attempt; seconds since the run began."""

    worker: str
    route: str
    begins_s: float
    ends_s: float
    refused: bool  # by the provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One hold of a route."""

    route: str
    kind: str
    begins_s: float
    ends_s: float | None  # None: until the user resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The figures to check, and the data of the timeline."""

    tasks: int
    completed: int
    attempts_burnt: int
    started_while_held: int
    most_canaries: int  # attempts refused between the end of a hold and the next hold of its route
    lower_tier: int  # attempts on a route below the first one's tier
    minutes: float
    refused: int
    bars: tuple[Bar, ...]
    holds: tuple[Held, ...]

    def problems(self) -> list[str]:
        """The promises that were broken."""
        wrong = []
        if self.completed != self.tasks:
            wrong.append(f"{self.tasks - self.completed} tasks did not complete")
        for count, what in (
            (self.attempts_burnt, "attempts burnt"),
            (self.started_while_held, "attempts started on a route while it was held"),
            (max(0, self.most_canaries - 1), "canaries too many after a hold"),
            (self.lower_tier, "attempts on a lower tier that is not allowed"),
        ):
            if count:
                wrong.append(f"{count} {what}")
        return wrong


def find(path: Path, *, began_ms: int, lower: Sequence[str] = ()) -> Findings:
    """Read a run's database.

    Args:
        lower: Names of routes of a lower tier.
    """
    with TaskDatabase(path, read_only=True) as database:
        rows = database.connection.dicts(
            "SELECT worker_id, route, claimed_at, ended_at, failure_class FROM attempts WHERE kind = 'work' "
            "ORDER BY claimed_at"
        )
        tasks = database.connection.rows("SELECT status, failures FROM tasks")
        events = [
            (event["at"], event["type"], event["data"])
            for event in database.connection.dicts("SELECT at, type, data FROM events ORDER BY id")
        ]
        now = database.clock.wall_ms()
    holds = _holds(events)
    return Findings(
        tasks=len(tasks),
        completed=sum(status == "completed" for status, _ in tasks),
        attempts_burnt=sum(failures for _, failures in tasks),
        started_while_held=sum(_is_within(row, hold) for hold in holds for row in rows),
        most_canaries=max((_canaries(hold, holds, rows) for hold in holds), default=0),
        lower_tier=sum(row["route"] in lower for row in rows),
        minutes=(max((row["ended_at"] or now for row in rows), default=began_ms) - began_ms) / 60_000,
        refused=sum(row["failure_class"] == "provider" for row in rows),
        bars=tuple(
            Bar(
                worker=row["worker_id"],
                route=row["route"],
                begins_s=(row["claimed_at"] - began_ms) / 1000,
                ends_s=((row["ended_at"] or now) - began_ms) / 1000,
                refused=row["failure_class"] == "provider",
            )
            for row in rows
        ),
        holds=tuple(
            Held(
                route=hold["route"],
                kind=hold["kind"],
                begins_s=(hold["at"] - began_ms) / 1000,
                ends_s=None if hold["ends"] is None else (hold["ends"] - began_ms) / 1000,
            )
            for hold in holds
        ),
    )


def _holds(events: list[tuple[int, str, str | None]]) -> list[dict[str, Any]]:
    """Each hold with the moment at which it ended: its time, or a resume of the user."""
    import json

    found = []
    for n, (at, kind, data) in enumerate(events):
        if kind != "provider_hold" or data is None:
            continue
        hold = json.loads(data)
        resumed = next((later for later, what, _ in events[n:] if what == "resumed"), None)
        until = hold["until_at"]
        ends = min((moment for moment in (until, resumed) if moment is not None), default=None)
        found.append({"route": hold["route"], "kind": hold["kind"], "at": at, "ends": ends, "until": until})
    return found


def _is_within(row: dict[str, Any], hold: dict[str, Any]) -> bool:
    if row["route"] != hold["route"] or row["claimed_at"] <= hold["at"]:
        return False
    return hold["ends"] is None or row["claimed_at"] < hold["ends"] - SLACK_MS


def _canaries(hold: dict[str, Any], holds: list[dict[str, Any]], rows: list[dict[str, Any]]) -> int:
    """Attempts that were refused after this hold's end and before the next hold of the route began."""
    if hold["ends"] is None or hold["ends"] != hold["until"]:
        return 0  # a resume of the user opens the route to all
    later = [each["at"] for each in holds if each["route"] == hold["route"] and each["at"] > hold["at"]]
    until = min(later, default=None)
    if until is None:
        return 0
    return sum(
        row["route"] == hold["route"]
        and row["failure_class"] == "provider"
        and hold["ends"] <= row["claimed_at"] <= until
        and not _answered_between(row["route"], hold["ends"], row["claimed_at"], rows)
        for row in rows
    )


def _answered_between(route: str, since: int, until: int, rows: list[dict[str, Any]]) -> bool:
    """Whether a canary has succeeded in between: then the route is open to all attempts."""
    return any(
        row["route"] == route
        and row["failure_class"] is None
        and row["claimed_at"] >= since
        and (row["ended_at"] or until + 1) <= until
        for row in rows
    )
