"""How the outcome of an attempt affects routes: holds start and end, limits fall and rise."""

from __future__ import annotations

import random

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.models import FailureClass, Outcome
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.queue.policy import AttemptResult, next_hold
from swarm_shared.store.sql import SQL
from swarm_shared.store.swarm.swarm import RESUMED_AT

_TOO_FAST = frozenset({TroubleKind.THROTTLED, TroubleKind.OVERLOADED})


class RouteTrouble(DataAccess):
    """Applies outcomes of attempts to routes; inside the caller's transaction."""

    def __init__(self, connection: Connection, clock: Clock, rng: random.Random) -> None:
        super().__init__(connection, clock)
        self._rng = rng

    def note_end(self, attempt: str, claimed_at: int, result: AttemptResult, *, any_trouble: bool) -> None:
        """An attempt has ended: hold the route that failed, or reopen those that worked."""
        if result.trouble is not None and result.failure_class in (FailureClass.PROVIDER, FailureClass.SETUP):
            on = result.trouble_on
            route, agent_cli, _ = self._routes_of(attempt) if on is None else (on.name, on.agent_cli, None)
            if route is not None:
                self._hold(attempt, route, str(agent_cli), result.trouble, claimed_at)
        elif any_trouble and _has_answered(result):
            builder, _, validator = self._routes_of(attempt)
            routes = {builder, validator} if result.validator_result is not None else {builder}
            for route in routes - {None}:
                self._db.change(SQL["clear_hold_after_success"], {"route": route, "session_began": claimed_at})
                self._db.change(SQL["raise_limit"], {"route": route, "claimed_at": claimed_at})
                self._db.change(SQL["drop_reached_limit"], {"route": route})

    def _routes_of(self, attempt: str) -> tuple[str | None, str | None, str | None]:
        """The builder's route, its agent CLI, and the validator's route; None if there is none, as in a landing."""
        builder, agent_cli, validator = self._db.row(SQL["routes_of_attempt"], {"attempt": attempt}) or (None,) * 3
        return builder, agent_cli, validator

    def _hold(self, attempt: str, route: str, agent_cli: str, trouble: Trouble, session_began: int) -> None:
        wall = self._clock.wall_ms()
        known = self._db.row(SQL["hold_of"], {"route": route})
        since, step, probe = known or (0, 0, None)
        if known is not None and probe != attempt and session_began <= since:
            return  # the session began before the hold: the same trouble, already counted
        if session_began <= int(self._db.value(SQL["meta"], {"key": RESUMED_AT}) or 0):
            return  # the user has resumed since: the cause may be fixed, and the next attempt will show
        hold = next_hold(trouble, step=step, rng=self._rng)
        wait_ms = None if hold.wait_s is None else round(hold.wait_s * 1000)
        until_at = None if wait_ms is None else wall + wait_ms
        self._db.change(
            SQL["put_hold"],
            {
                "route": route,
                "agent_cli": agent_cli,
                "kind": hold.kind,
                "reason": trouble.text,
                "wall": wall,
                "until_at": until_at,
                "until_mono": None if wait_ms is None else self._clock.mono_ms() + wait_ms,
                "step": hold.step,
            },
        )
        if trouble.kind is not TroubleKind.STARTUP:
            # A canary runs alone after a hold, so its refusal does not show that too many ran at once.
            too_many = trouble.kind in _TOO_FAST and probe != attempt
            self._limit(route, wall, too_many=too_many)
        until = "until you resume" if hold.wait_s is None else f"for {hold.wait_s:.0f} s"
        self._event(
            "provider_hold",
            f"{route} is held {until}: {trouble.text}",
            data={"route": route, "kind": hold.kind, "until_at": until_at, "step": hold.step},
        )

    def _limit(self, route: str, wall: int, *, too_many: bool) -> None:
        """Space out starts after the hold; if too many ran at once, halve their number."""
        running = 1 + int(self._db.value(SQL["attempts_on_route"], {"route": route}))  # plus this one, which has ended
        limit = self._db.value(SQL["limit_of_route"], {"route": route})
        before = running if limit is None else max(running, int(limit))
        after = max(1, before // 2) if too_many else before
        self._db.change(SQL["put_limit"], {"route": route, "wall": wall, "sessions": float(after), "usual": before})


def _has_answered(result: AttemptResult) -> bool:
    """Whether the attempt shows that its agent CLI works."""
    judged = result.outcome is Outcome.PASSED or result.failure_class is FailureClass.QUALITY
    return judged or result.question is not None
