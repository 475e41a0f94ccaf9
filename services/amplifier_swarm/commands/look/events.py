"""`events`: show the event log."""

from __future__ import annotations

from typing import Any

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.submit import wait_for_a_commit
from amplifier_swarm.output.terminal import print_json, say
from swarm_shared.program.readable import cut
from swarm_shared.program.terminal_text import safe
from swarm_shared.settings.number_types import WholeNumber

EVENTS_AT_ONCE = 500


@command("events", example="events --limit 100\nevents -f --json --since 0", short_help="Show the event log.")
@click.option("-f", "--follow", is_flag=True, help="Continue until Ctrl+C.  [default: off]")
@click.option("--since", type=WholeNumber(0), help="Start after the event with this id. [default: the newest ones]")
@click.option(
    "--limit", type=WholeNumber(1, 100_000), default=50, show_default=True, help="The maximum number to show."
)
@json_option
def events(app: App, follow: bool, since: int | None, limit: int, as_json: bool) -> None:
    """Show what happened in the swarm, oldest first. With --json and -f, each line is one document."""
    with app.open(read_only=True) as database:
        found = database.events.newest(limit) if since is None else database.events.since(since, limit=limit)
        cursor = found[-1]["id"] if found else (since if since is not None else database.events.last_id())
        if as_json and not follow:
            print_json({"events": found, "last_id": cursor})
            return
        _print_events(found, as_json)
        while follow:
            found = database.events.since(cursor, limit=EVENTS_AT_ONCE)
            if found:
                _print_events(found, as_json)
                cursor = found[-1]["id"]
            else:
                wait_for_a_commit(database)


def _print_events(found: list[dict[str, Any]], as_json: bool) -> None:
    for event in found:
        if as_json:
            print_json(event, one_line=True)
            continue
        about = " ".join(f"{safe(event[name])}" for name in ("task_id", "worker_id") if event[name])
        say(f"{event['timestamp']}  {event['event_type']:<20} {about}  {cut(event['message'])}".rstrip())
