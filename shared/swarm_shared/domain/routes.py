"""Routes: the agent CLI, account and model that sessions of a role use, in order of preference.

Without `routes` in swarm.yaml, each agent CLI is an implicit route with the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from msgspec import Struct, field

from swarm_shared.domain.models import Role


class Route(Struct, frozen=True, kw_only=True):
    """One way to run a session. Holds apply to routes, so the name identifies CLI, account and model.

    `env` may name variables as ``${NAME}``. `tier` ranks routes of one role, higher is better; None: that of the first.
    """

    name: str
    agent_cli: str
    model: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
    tier: int | None = None

    def shares_sessions_with(self, other: Route) -> bool:
        """Whether it can resume sessions of the other: same CLI, account and environment."""
        return (self.agent_cli, self.account, dict(self.env)) == (other.agent_cli, other.account, dict(other.env))


class Openness(StrEnum):
    """Whether a session may start on a route now."""

    OPEN = "open"
    SOON = "soon"  # within moments: its starts are spaced out
    CLOSED = "closed"  # on hold, or at its limit of concurrent sessions


class Choice(Struct, frozen=True, kw_only=True):
    """The routes of one attempt, fixed for all of its sessions."""

    builder: Route
    validator: Route

    @property
    def names(self) -> tuple[str, ...]:
        """Each route once."""
        return tuple(dict.fromkeys((self.builder.name, self.validator.name)))


class Routing(Struct, frozen=True, kw_only=True):
    """The routes in swarm.yaml, in order of preference.

    In its methods `own_cli` is the agent CLI that a task names, empty if it names none, and `default_cli` the
    swarm's.
    """

    builder: tuple[Route, ...] = ()
    validator: tuple[Route, ...] = ()
    allow_lower: bool = False

    def candidates(self, own_cli: str, default_cli: str, role: Role) -> tuple[Route, ...]:
        """The routes of a task's builder or validator, best first; none for a validator that follows its builder."""
        stated = self.validator if role is Role.VALIDATOR else self.builder
        found = self._allowed(route for route in stated if own_cli in ("", route.agent_cli))
        if found or role is Role.VALIDATOR:
            return found
        name = own_cli or default_cli
        return (Route(name=name, agent_cli=name),)

    def choose(self, own_cli: str, default_cli: str, openness: Callable[[str], Openness]) -> Choice | None:
        """The first open routes; None if an attempt of such a task has to wait."""
        builder = _first_open(self.candidates(own_cli, default_cli, Role.BUILDER), openness)
        if builder is None:
            return None
        validators = self.candidates(own_cli, default_cli, Role.VALIDATOR)
        validator = _first_open(validators, openness) if validators else builder
        return None if validator is None else Choice(builder=builder, validator=validator)

    def find(self, name: str) -> Route:
        """The route of that name; an implicit one if none is configured."""
        for route in (*self.builder, *self.validator):
            if route.name == name:
                return route
        return Route(name=name, agent_cli=name)

    def home_cli(self, own_cli: str, default_cli: str, role: Role) -> str:
        """The agent CLI that a task's own model and arguments are meant for: that of the first route."""
        own = self.candidates(own_cli, default_cli, role)
        return (own or self.candidates(own_cli, default_cli, Role.BUILDER))[0].agent_cli

    def _allowed(self, routes: Iterable[Route]) -> tuple[Route, ...]:
        """The routes that may be used: none of a lower tier than the first, unless allowed."""
        found = tuple(routes)
        if not found or self.allow_lower or found[0].tier is None:
            return found
        wanted = found[0].tier
        return tuple(route for route in found if route.tier is None or route.tier >= wanted)


def _first_open(routes: Iterable[Route], openness: Callable[[str], Openness]) -> Route | None:
    for route in routes:
        match openness(route.name):
            case Openness.OPEN:
                return route
            case Openness.SOON:
                return None  # not worth switching routes for a moment
    return None
