"""`routes` in swarm.yaml: for builder and validator a list of routes, best first."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.models import Role
from swarm_shared.domain.routes import Route
from swarm_shared.settings.stated import Stated

_ROLES = (Role.BUILDER, Role.VALIDATOR)
_KEYS = "name, agent_cli, model, args, env, account, tier"


def as_routes(raw: object) -> Mapping[str, tuple[Route, ...]]:
    """Routes by role.

    Raises:
        ConfigError: A key or value that cannot be; or two routes that are the same one, or share a name and are not.
    """
    stated = Stated("routes", raw)
    found = {role.value: _routes(stated, role) for role in _ROLES}
    stated.refuse_the_rest(", ".join(_ROLES))
    _refuse_doubles([route for routes in found.values() for route in routes])
    return MappingProxyType(found)


def _routes(stated: Stated, role: Role) -> tuple[Route, ...]:
    raw = stated.take(role)
    if raw is None:
        return ()
    if not isinstance(raw, list | tuple):
        raise stated.wrong(role, "must be a list of routes", "- {name: main, agent_cli: claude}")
    routes = tuple(_route(Stated(f"routes.{role}[{n}]", each)) for n, each in enumerate(raw))
    names = [route.name for route in routes]
    for name in names:
        if names.count(name) > 1:
            raise stated.wrong(role, f"two routes are named {name!r}", "give each route its own `name`")
    return routes


def _route(stated: Stated) -> Route:
    agent_cli, model = stated.text("agent_cli", required=True), stated.text("model")
    route = Route(
        name=stated.text("name") or (f"{agent_cli}/{model}" if model else agent_cli),
        agent_cli=agent_cli,
        model=model,
        args=stated.words("args"),
        env=stated.texts_by_name("env"),
        account=stated.text("account"),
        tier=stated.whole("tier"),
    )
    stated.refuse_the_rest(_KEYS)
    if not agent_cli:
        raise stated.wrong("agent_cli", "is empty", "the name of an agent CLI")
    return route


def _refuse_doubles(routes: list[Route]) -> None:
    """A hold belongs to a name: so a name means the same route in both roles, and a route has one name."""
    for n, one in enumerate(routes):
        for other in routes[:n]:
            is_same = _what(one) == _what(other)
            if one.name == other.name and not is_same:
                raise ConfigError(
                    f"routes: {one.name!r} names two different routes", hint="give each route its own name"
                )
            if one.name != other.name and is_same:
                raise ConfigError(
                    f"routes: {other.name!r} and {one.name!r} are the same agent CLI, account and model",
                    hint="use one name for both, so that they share what happens to the provider",
                )


def _what(route: Route) -> Route:
    return replace(route, name="", tier=None)
