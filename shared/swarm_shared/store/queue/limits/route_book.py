"""Which routes are open now, and how a claim changes that."""

from __future__ import annotations

from collections.abc import Callable

from swarm_shared.domain.routes import Choice, Openness, Routing
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.sql import SQL


class RouteDoors(DataAccess):
    """Reads only."""

    def choices(self, routing: Routing, default_cli: str, *, any_trouble: bool) -> dict[str, Choice | None]:
        """The routes of a claim by the agent CLI that a task names (empty: none); None if the claim has to wait."""
        openness = self.openness() if any_trouble else _all_open
        names = self._db.rows(SQL["agent_cli_names"])
        return {name: routing.choose(name, default_cli, openness) for (name,) in names}

    def openness(self) -> Callable[[str], Openness]:
        """The current state of each route."""
        now = {"wall": self._clock.wall_ms(), "mono": self._clock.mono_ms()}
        found: dict[str, Openness] = {}
        for route, sessions, running, must_wait in self._db.rows(SQL["limited_routes"], now):
            if running >= int(sessions):
                found[route] = Openness.CLOSED
            elif must_wait:
                found[route] = Openness.SOON
        found |= dict.fromkeys((route for (route,) in self._db.rows(SQL["closed_routes"], now)), Openness.CLOSED)
        return lambda route: found.get(route, Openness.OPEN)


class RouteBook(RouteDoors):
    """Writes inside the caller's transaction."""

    def note_claim(self, attempt: str, choice: Choice, *, spacing_s: float) -> None:
        """An attempt starts on routes in trouble: it probes an expired hold and delays the next start a little."""
        next_start = self._clock.mono_ms() + round(spacing_s * 1000)
        for route in choice.names:
            self._db.change(SQL["probe_hold"], {"attempt": attempt, "route": route})
            self._db.change(SQL["spread_starts"], {"route": route, "next_start_mono": next_start})


def _all_open(route: str) -> Openness:
    return Openness.OPEN
