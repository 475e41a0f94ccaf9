"""`notify`: list notification targets and messages; `notify test` sends a message to each target."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.terminal import notice, print_json, say, table
from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import ConfigError, DatabaseError
from swarm_shared.program.readable import cut
from swarm_shared.settings.settings import Settings

if TYPE_CHECKING:
    from swarm_shared.notifying.delivery import Delivery
    from swarm_shared.settings.notify_settings import NotifyTarget

SHOWN = 20


@command(
    "notify",
    example="notify\nnotify test",
    short_help="List notification targets and messages; test targets.",
)
@click.argument("action", required=False, type=click.Choice(["test"]))
@json_option
def notify(app: App, action: str | None, as_json: bool) -> int:
    """List the targets under `notify` in swarm.yaml and the latest messages, sent and unsent.

    `test` sends a test message to each target now, without the swarm, with the variables of this shell. The exit code
    is 3 if a target did not accept it.
    """
    settings = app.settings()
    if action == "test":
        return _test(app, settings, as_json=as_json)
    _list(app, settings, as_json=as_json)
    return 0


def _list(app: App, settings: Settings, *, as_json: bool) -> None:
    messages: list[dict[str, Any]] = []
    try:
        with app.open(read_only=True) as database:
            messages = database.outbox.newest(SHOWN)
    except DatabaseError:
        if settings.db.exists():
            raise
    if as_json:
        targets = [{"target": each.label, "on": [str(kind) for kind in each.on]} for each in settings.notify]
        print_json({"targets": targets, "messages": [_shown(each) for each in messages]})
        return
    if not settings.notify:
        notice(f"No notifications are set up: add `notify` to {settings.db.with_name('swarm.yaml')}.")
    else:
        table(("target", "on"), [(each.label, ", ".join(each.on)) for each in settings.notify], spare=("on",))
    if messages:
        say("")
        rows = [
            (iso(row["created_at"]), row["label"], _status(row), _about(row), cut(row["error"] or "", 80))
            for row in messages
        ]
        table(("created", "target", "status", "about", "error"), rows, spare=("about", "error"))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": row["key"],
        "target": row["label"],
        "status": row["status"],
        "created_at": iso(row["created_at"]),
        "due_at": iso(row["due_at"]) if row["status"] == "waiting" else None,
        "ended_at": iso(row["ended_at"]),
        "tries": row["tries"],
        "error": row["error"],
        "counts": row["counts"],
    }


def _status(row: dict[str, Any]) -> str:
    words = {"given_up": "given up", "waiting": f"due {iso(row['due_at'])}"}
    tries = f", {row['tries']} tries" if row["tries"] > 1 else ""
    return words.get(row["status"], str(row["status"])) + tries


def _about(row: dict[str, Any]) -> str:
    return ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in row["counts"].items())


def _test(app: App, settings: Settings, *, as_json: bool) -> int:
    from swarm_shared.notifying.delivery import deliver
    from swarm_shared.notifying.message import trial_message

    if not settings.notify:
        raise ConfigError("no notifications are set up", hint=f"add `notify` to {settings.db.with_name('swarm.yaml')}")
    message = trial_message(settings.db.name, app.clock.wall_ms())
    found: list[tuple[NotifyTarget, Delivery]] = []
    for target in settings.notify:
        delivery = deliver(target, message, os.environ, cwd=settings.db.parent)
        found.append((target, delivery))
        if not as_json:
            say(f"{'ok  ' if delivery.error is None else 'bad '} {target.label}: {delivery.error or 'accepted'}")
    if as_json:
        shown = [
            {"target": target.label, "accepted": each.error is None, "error": each.error} for target, each in found
        ]
        print_json({"key": message.key, "targets": shown})
    return 0 if all(each.error is None for _, each in found) else ConfigError.exit_code
