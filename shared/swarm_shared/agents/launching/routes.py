"""Turns a route into the configuration of its sessions, and finds routes that cannot work."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from swarm_shared.agents.presets.catalog import choose
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.routes import Route, Routing

OPTIONS = "{options}"
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def on_route(presets: Mapping[str, AgentCli], route: Route, environ: Mapping[str, str]) -> AgentCli:
    """The preset of the route's agent CLI, with the route's environment.

    Args:
        environ: What ``${NAME}`` in the values of `env` is taken from; an unset variable is empty.

    Raises:
        ConfigError: There is no such agent CLI.
    """
    cli = choose(presets, route.agent_cli)
    stated = {**cli.env, **route.env}
    if not any("${" in value for value in stated.values()):
        return cli if not route.env else replace(cli, env=stated)
    env = {name: _VARIABLE.sub(lambda found: environ.get(found[1], ""), value) for name, value in stated.items()}
    return replace(cli, env=env)


def session_options(cli: AgentCli, *, model: str, args: tuple[str, ...]) -> tuple[str, ...]:
    """The words that `{options}` in the preset's command line becomes.

    Raises:
        ConfigError: The preset does not support them, does not know how to choose a model, or needs its provider too.
    """
    if not model and not args:
        return ()
    if not all(OPTIONS in words for words in (*cli.argv.values(), cli.resume or (OPTIONS,))):
        raise ConfigError(
            f"agent CLI {cli.name!r} takes neither model nor further arguments: its argv has no {OPTIONS}",
            hint=f"add {OPTIONS} as one word to `argv` and `resume` under agent_clis.{cli.name}",
        )
    if model and not cli.model_args:
        raise ConfigError(
            f"agent CLI {cli.name!r}: how to choose model {model!r} is not known",
            hint=f'state it under agent_clis.{cli.name}: model_args: ["--model", "{{model}}"]',
        )
    provider, slash, name = model.partition("/")
    if model and any("{provider}" in word for word in cli.model_args):
        if not (provider and slash and name):
            raise ConfigError(
                f"agent CLI {cli.name!r} needs the provider of model {model!r} too", hint="write it as provider/model"
            )
        model = name
    words = tuple(word.replace("{model}", model).replace("{provider}", provider) for word in cli.model_args)
    return (*(words if model else ()), *args)


def route_problems(
    routing: Routing, presets: Mapping[str, AgentCli], environ: Mapping[str, str]
) -> Iterator[ConfigError]:
    """Problems of configured routes, found without starting anything."""
    routes = {route.name: route for route in (*routing.builder, *routing.validator)}
    for route in routes.values():
        where = f"routes: {route.name!r}"
        if route.name in presets and route.name != route.agent_cli:
            yield ConfigError(
                f"{where} is the name of another agent CLI than its own, {route.agent_cli}", hint="rename the route"
            )
        try:
            cli = choose(presets, route.agent_cli)
            session_options(cli, model=route.model, args=route.args)
        except ConfigError as error:
            yield ConfigError(f"{where}: {error.message}", hint=error.hint)
        yield from _empty_variables(where, route.env, environ)


def empty_variables(cli: AgentCli, environ: Mapping[str, str]) -> Iterator[ConfigError]:
    """Variables in the environment of a preset that are taken from variables without a value here."""
    yield from _empty_variables(f"agent_clis.{cli.name}", cli.env, environ)


def _empty_variables(where: str, env: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[ConfigError]:
    for key, value in env.items():
        for name in _VARIABLE.findall(value):
            if not environ.get(name):
                yield ConfigError(
                    f"{where}: {key} is taken from ${{{name}}}, which is empty here",
                    hint=f"set {name} in the environment that the swarm is started in",
                )
