"""`agents`: list the agent CLIs that a swarm may use, and check whether they work here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.as_started import as_started
from amplifier_swarm.output.terminal import notice, print_json, say, table
from swarm_shared.agents.launching.environment import inherited
from swarm_shared.agents.launching.readiness import Ready
from swarm_shared.agents.presets.catalog import choose, load_presets
from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import EXIT_AGENT_CLI, ConfigError, DatabaseError
from swarm_shared.program.readable import cut, duration
from swarm_shared.program.terminal_text import safe
from swarm_shared.settings.settings import Settings

if TYPE_CHECKING:
    from amplifier_swarm.agent_clis.report import AgentReport
    from amplifier_swarm.agent_clis.short_session import Call
    from swarm_shared.store.swarm.swarm import ProviderHold
    from swarm_shared.store.views.routes import RouteState

CALL_TIMEOUT_S = 300.0


@command(
    "agents",
    example="agents\nagents check codex\nagents check claude --call",
    short_help="List the agent CLIs: version, login, last use.",
)
@click.argument("action", required=False, type=click.Choice(["check"]))
@click.argument("name", required=False)
@click.option("--call", "calls", is_flag=True, help="With `check`: run one short session, which uses the model.")
@json_option
def agents(app: App, action: str | None, name: str | None, calls: bool, as_json: bool) -> int:
    """List the agent CLIs, built in and from swarm.yaml, with version, login, last use and holds.

    `check NAME` finds the program, runs its version command and its login check, and reports each. With --call it also
    runs one short session in a temporary folder, launched and read as by a worker. The exit code is 10 if one of these
    fails.
    """
    if (action is None and (name or calls)) or (action is not None and not name):
        raise click.UsageError("NAME and --call belong to `agents check NAME`.", click.get_current_context())
    settings, used, holds, routes = _known(app)
    if action is None:
        _list(app, settings, used, holds, routes, as_json=as_json)
        return 0
    return _check(app, settings, str(name), calls=calls, as_json=as_json)


def _known(app: App) -> tuple[Settings, dict[str, int], dict[str, ProviderHold], list[RouteState]]:
    """The settings of this swarm, last uses of agent CLIs, holds and routes; without a database, only the settings."""
    settings = app.settings()
    try:
        with app.open(read_only=True) as database:
            holds = {hold.agent_cli: hold for hold in database.swarm.holds()}
            known = as_started(settings, database), database.runs.last_uses(), holds
            return *known, database.routes.now()
    except DatabaseError:
        if settings.db.exists():
            raise
        return settings, {}, {}, []


def _list(
    app: App,
    settings: Settings,
    used: dict[str, int],
    holds: dict[str, ProviderHold],
    routes: list[RouteState],
    *,
    as_json: bool,
) -> None:
    from amplifier_swarm.agent_clis.report import report_on

    presets = load_presets(settings.agent_clis)
    reports = report_on(presets.values(), inherited(os.environ, presets), _folder(settings))
    if as_json:
        shown = [
            {
                **report.shown(),
                "default": report.name == settings.agent_cli,
                "last_used_at": iso(used.get(report.name)),
                "hold": _hold_shown(holds.get(report.name)),
            }
            for report in reports
        ]
        print_json({"agents": shown, "routes": [route.shown() for route in routes]})
        return
    now = app.clock.wall_ms()
    rows = [
        (
            report.name + (" (default)" if report.name == settings.agent_cli else ""),
            report.version or "",
            _ready_words(report),
            f"{duration(now - used[report.name])} ago" if report.name in used else "never",
            ", ".join(_notes(report, holds.get(report.name))),
            report.path or "",
        )
        for report in reports
    ]
    table(("agent CLI", "version", "ready", "last used", "notes", "path"), rows, spare=("path", "last used"))
    if routes:
        say()
        table(
            ("route", "for", "agent CLI", "model", "account", "tier", "state", "until"),
            [_route_row(route) for route in routes],
        )
    for hold in holds.values():
        notice(f"{hold.route} is on hold ({hold.cause}): {cut(hold.reason)}; amplifier-swarm resume")


def _route_row(route: RouteState) -> tuple[str, ...]:
    state = route.state + (" (in use)" if route.in_use else "")
    tier = "" if route.tier is None else str(route.tier)
    until = iso(route.until_at) or ("you resume" if route.state == "held" else "")
    return route.name, route.role, route.agent_cli, route.model, route.account, tier, state, until


def _notes(report: AgentReport, hold: ProviderHold | None) -> list[str]:
    held = [] if hold is None else [f"on hold ({hold.cause})"]
    return held + (["untried"] if report.untried else [])


def _ready_words(report: AgentReport) -> str:
    if report.problem is not None:
        return "not installed" if report.path is None else f"cannot start: {cut(report.problem, 60)}"
    match report.readiness.ready:
        case Ready.YES:
            return "ready"
        case Ready.NO:
            return f"not logged in: {cut(report.readiness.words, 60)}"
        case _:
            return "unknown"


def _hold_shown(hold: ProviderHold | None) -> dict[str, Any] | None:
    return None if hold is None else {"kind": hold.kind, "reason": hold.reason, "until": iso(hold.until_at)}


def _check(app: App, settings: Settings, name: str, *, calls: bool, as_json: bool) -> int:
    from amplifier_swarm.agent_clis.report import report_on
    from amplifier_swarm.agent_clis.short_session import call

    presets = load_presets(settings.agent_clis)
    cli = choose(presets, name)
    base = inherited(os.environ, presets)
    [report] = report_on([cli], base, _folder(settings))
    called: Call | None = None
    if calls and report.problem is None:
        if not as_json:
            notice(f"calling {name}…")
        called = call(cli, settings.builder_agent, base, clock=app.clock, timeout_s=CALL_TIMEOUT_S)
    works = report.can_work if called is None else called.reading.failure is None
    if as_json:
        print_json({**report.shown(), "call": None if called is None else called.shown(), "works": works})
    else:
        _print_check(report, called)
    return 0 if works else EXIT_AGENT_CLI


def _print_check(report: AgentReport, called: Call | None) -> None:
    facts = {"program": report.path or f"{report.problem}"}
    if report.path is not None:
        facts["version"] = report.version or report.problem or "it has no version command"
    if report.problem is None:
        words = f": {report.readiness.words}" if report.readiness.words else ""
        facts["login"] = {Ready.YES: "ready", Ready.NO: "not logged in", Ready.UNKNOWN: "unknown"}[
            report.readiness.ready
        ] + words
    if report.untried:
        facts["untried"] = (
            "the preset was written from the program's documentation and has not been tested with the program"
        )
    if called is not None:
        shown = called.shown()
        facts["call"] = (
            "answered" if shown["failure"] is None else f"{shown['failure']}: {shown['reason']}"
        ) + f", after {shown['seconds']:g} s"
        facts |= {"answer": str(shown["answer"])} if shown["answer"] else {}
        facts |= {"model": ", ".join(shown["models"])} if shown["models"] else {}
        facts |= {"tokens": f"{shown['tokens']:,}"} if shown["tokens"] is not None else {}
        facts |= {"cost": f"${shown['cost_usd']:.4f}"} if shown["cost_usd"] is not None else {}
    for word, value in facts.items():
        say(f"{word:<9} {safe(value)}")
    if report.advice:
        say(f"          → {safe(report.advice)}")


def _folder(settings: Settings) -> Any:
    """Where sessions work.

    Raises:
        ConfigError: It does not exist.
    """
    if not settings.project_root.is_dir():
        raise ConfigError(
            f"the project root {settings.project_root} is not a folder", hint="set it with SWARM_PROJECT_ROOT"
        )
    return settings.project_root
