"""`dashboard`: print the dashboard's link."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.terminal import notice, print_json, say

LOOK_EVERY_S = 0.5


@command("dashboard", example="dashboard", short_help="Print the dashboard's link.")
@click.option("--wait", is_flag=True, help="Wait until the dashboard is running. [default: do not wait]")
@json_option
def dashboard(app: App, wait: bool, as_json: bool) -> None:
    """Print the link of this swarm's dashboard. It contains the token that opens the dashboard: keep it secret."""
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
        notice("it is not running; start the swarm: amplifier-swarm start, or the dashboard alone: swarm-dashboard")


def _wait_for_dashboard(app: App, path: Path) -> None:
    """Return once a dashboard is running, or when the process that started us has ended."""
    parent = os.getppid()
    while os.getppid() == parent:
        if path.exists():
            with app.open(read_only=True) as database:
                service = database.swarm.services().get("dashboard")
                if service is not None and service.is_alive():
                    return
        time.sleep(LOOK_EVERY_S)
