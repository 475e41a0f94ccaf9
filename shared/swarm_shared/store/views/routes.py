"""The routes of a swarm for display: which is in use, which is on hold, and until when."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import Role
from swarm_shared.domain.routes import Openness, Route, Routing
from swarm_shared.domain.trouble import WORDS
from swarm_shared.store.queue.limits.route_book import RouteDoors
from swarm_shared.store.sql import SQL
from swarm_shared.store.swarm.swarm import ProviderHold, Swarm

_META_KEY = "routes"
_ROLES = (Role.BUILDER, Role.VALIDATOR)


class RouteState(Struct, frozen=True, kw_only=True):
    """One route of a role at one moment.

    `state` is open, held, probing (its hold is over and one attempt tries it), limited (as many attempts use it as may)
    or unused (of a lower tier than allowed). `in_use`: the next attempt takes it. `limit` is how many attempts may use
    it at once after trouble; None: as many as there are workers. `usd` and `tokens` are what its sessions have used in
    all, of both roles; None: none has reported that.
    """

    role: Role
    name: str
    agent_cli: str
    model: str
    account: str
    tier: int | None
    state: str
    in_use: bool
    running: int
    limit: int | None
    kind: str | None
    reason: str | None
    until_at: int | None
    usd: float | None
    tokens: int | None

    def shown(self) -> dict[str, Any]:
        """For JSON answers."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "until_at"}
        return {**fields, "cause": self.cause, "until": iso(self.until_at)}

    @property
    def cause(self) -> str | None:
        """The kind of its hold in words."""
        return None if self.kind is None else WORDS[self.kind]


class Routes(RouteDoors):
    """Reads, and what the workers' start writes down for the readers."""

    def note(self, routing: Routing) -> None:
        """Store which routes the workers have, without what may be secret."""
        bare = replace(
            routing,
            builder=tuple(replace(route, env={}, args=()) for route in routing.builder),
            validator=tuple(replace(route, env={}, args=()) for route in routing.validator),
        )
        if bare != self.stated():
            Swarm(self._db, self._clock).set_meta(_META_KEY, msgspec.json.encode(bare).decode())

    def stated(self) -> Routing:
        """The routes of the workers that were started last; none before that."""
        text = Swarm(self._db, self._clock).meta(_META_KEY)
        try:
            return Routing() if text is None else msgspec.json.decode(text, type=Routing)
        except msgspec.DecodeError:
            return Routing()

    def next_route(self, routing: Routing, own_cli: str, default_cli: str) -> Route:
        """The route of a task's next builder session, as far as it can be foreseen: the first one that is open now."""
        choice = routing.choose(own_cli, default_cli, self.openness())
        return routing.candidates(own_cli, default_cli, Role.BUILDER)[0] if choice is None else choice.builder

    def waits_for(self, own_cli: str, default_cli: str) -> list[ProviderHold]:
        """The holds that a task waits for now; none while one of its routes is open, or they are only limited."""
        routing, openness = self.stated(), self.openness()
        if routing.choose(own_cli, default_cli, openness) is not None:
            return []
        wanted = [route.name for role in _ROLES for route in routing.candidates(own_cli, default_cli, role)]
        now = self._clock.wall_ms()
        holds = Swarm(self._db, self._clock).holds()
        return [hold for hold in holds if hold.route in wanted and (hold.until_at is None or hold.until_at > now)]

    def now(self) -> list[RouteState]:
        """Each stated route of each role, best first; nothing without routes in swarm.yaml."""
        routing = self.stated()
        holds = {hold.route: hold for hold in Swarm(self._db, self._clock).holds()}
        moment = {"wall": self._clock.wall_ms(), "mono": self._clock.mono_ms()}
        limits = {str(route): int(sessions) for route, sessions, _, _ in self._db.rows(SQL["limited_routes"], moment)}
        spent = {str(route): (usd, tokens) for route, usd, tokens in self._db.rows(SQL["spent_by_route"])}
        openness = self.openness()
        states = []
        for role, routes in ((Role.BUILDER, routing.builder), (Role.VALIDATOR, routing.validator)):
            allowed = routing.candidates("", "", role) if routes else ()
            current = next((route for route in allowed if openness(route.name) is not Openness.CLOSED), None)
            for route in routes:
                hold = holds.get(route.name)
                usd, tokens = spent.get(route.name, (None, None))
                states.append(
                    RouteState(
                        role=role,
                        name=route.name,
                        agent_cli=route.agent_cli,
                        model=route.model,
                        account=route.account,
                        tier=route.tier,
                        state=self._state(route, hold, openness(route.name)) if route in allowed else "unused",
                        in_use=route == current,
                        running=int(self._db.value(SQL["attempts_on_route"], {"route": route.name})),
                        limit=limits.get(route.name),
                        kind=None if hold is None else hold.kind,
                        reason=None if hold is None else hold.reason,
                        until_at=None if hold is None else hold.until_at,
                        usd=usd,
                        tokens=tokens,
                    )
                )
        return states

    def _state(self, route: Route, hold: ProviderHold | None, openness: Openness) -> str:
        if hold is not None and (hold.until_at is None or hold.until_at > self._clock.wall_ms()):
            return "held"
        if openness is not Openness.CLOSED:
            return "open"
        return "limited" if hold is None else "probing"


def in_use(states: list[RouteState]) -> list[str]:
    """For display, a line for each role whose first route is not the one in use."""
    lines = []
    for role in _ROLES:
        own = [state for state in states if state.role is role]
        if not own or own[0].in_use:
            continue
        first, current = own[0], next((state for state in own if state.in_use), None)
        until = "until you resume" if first.until_at is None else f"until {iso(first.until_at)}"
        why = (
            f"{first.name} is held {until} ({first.cause})" if first.state == "held" else f"{first.name}: {first.state}"
        )
        lines.append(f"{role}s use {'no route now' if current is None else current.name}; {why}")
    return lines
