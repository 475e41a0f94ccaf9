"""About this swarm and this installation: `dashboard`, `config`, `version`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from amplifier_swarm.app import App, command, json_option
from amplifier_swarm.terminal import print_json, remark, say, table
from swarm_shared.program.settings import described, variable_of

MASK = "•••"
LOOK_EVERY_S = 0.5


@command("dashboard", example="dashboard", short_help="The link of the dashboard.")
@click.option("--wait", is_flag=True, help="Print it once the dashboard runs.  [default: at once]")
@json_option
def dashboard(app: App, wait: bool, as_json: bool) -> None:
    """The link of this swarm's dashboard. It holds the token that opens it: keep it to yourself."""
    settings = app.settings()
    if wait:
        _wait_for_dashboard(app, settings.db)
    with app.open() as database:
        service = database.swarm.services().get("dashboard")
        running = service is not None and service.is_alive()
        token = (
            "" if settings.dashboard_auth == "none" else settings.dashboard_token or database.swarm.dashboard_token()
        )
    host = f"[{settings.dashboard_host}]" if ":" in settings.dashboard_host else settings.dashboard_host
    address = f"http://{host}:{settings.dashboard_port}/"
    if service is not None and running:
        address = str(service.detail.get("url") or address)
    url = address + (f"#t={token}" if token else "")
    if as_json:
        print_json({"url": url, "running": running})
        return
    say(url)
    if not running:
        remark("it is not running; start the swarm: amplifier-swarm start, or the dashboard alone: swarm-dashboard")


def _wait_for_dashboard(app: App, path: Path) -> None:
    """Return once a dashboard has come up, or when the process that started us has ended."""
    parent = os.getppid()
    while os.getppid() == parent:
        if path.exists():
            with app.open(read_only=True) as database:
                service = database.swarm.services().get("dashboard")
                if service is not None and service.is_alive():
                    return
        time.sleep(LOOK_EVERY_S)


@command("config", example="config\nconfig --json --db swarm.db", short_help="The settings in effect.")
@json_option
def config(app: App, as_json: bool) -> None:
    """The settings in effect here, and where each comes from: flag, variable, swarm.yaml, or the default."""
    settings = app.settings()
    shown = {}
    for field in described():
        value = getattr(settings, field.name)
        if field.metadata.get("secret") and value:
            value = MASK
        shown[field.name] = {
            "value": _plain(value),
            "origin": settings.origins[field.name],
            "variable": None if field.metadata.get("file_only") else variable_of(field.name),
            "help": field.metadata["help"],
        }
    if as_json:
        print_json({"settings": shown, "file": str(settings.db.with_name("swarm.yaml"))})
        return
    rows = [(name, _told(each["value"]), each["origin"], each["help"]) for name, each in shown.items()]
    table(("setting", "value", "from", "meaning"), rows, spare=("meaning", "from"))
    remark(f"swarm.yaml is looked for beside the database: {settings.db.with_name('swarm.yaml')}")


def _plain(value: Any, *, secret: bool = False) -> Any:
    """A setting in the types of JSON; what agents get in their environment may be a secret."""
    if isinstance(value, Mapping):
        return {key: _plain(item, secret=secret or key == "env") for key, item in value.items()}
    if secret:
        return MASK
    if isinstance(value, Path):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping | list):
        return ", ".join(value) or "none"
    return "none" if value in (None, "") else str(value)


@command("version", example="version", with_db=False, short_help="Versions of the suite and its engine.")
@json_option
def version(app: App, as_json: bool) -> None:
    """Versions of the suite, of Python and of the database engine, for a report of a fault."""
    import platform
    from importlib import metadata

    from swarm_shared.store.engine.connection import engine_version

    versions = {
        "amplifier-swarm": metadata.version("amplifier-swarm"),
        "python": platform.python_version(),
        "sqlite": engine_version(),
        "supervisor": metadata.version("supervisor"),
        "system": platform.platform(),
    }
    if as_json:
        print_json(versions)
        return
    for name, value in versions.items():
        say(f"{name} {value}")
