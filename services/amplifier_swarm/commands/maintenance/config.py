"""`config`: show the settings in effect."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.terminal import notice, print_json, table
from swarm_shared.settings.notify_settings import NotifyTarget, QuietHours
from swarm_shared.settings.settings import described, variable_of
from swarm_shared.settings.setup_steps import SetupStep

MASK = "•••"


@command("config", example="config\nconfig --json --db swarm.db", short_help="Show the settings in effect.")
@json_option
def config(app: App, as_json: bool) -> None:
    """Show the settings in effect here, and where each comes from: a flag, a variable, swarm.yaml, or the default."""
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
    rows = [(name, _rendered(each), each["origin"], each["help"]) for name, each in shown.items()]
    table(("setting", "value", "from", "meaning"), rows, spare=("meaning", "from"))
    notice(f"the swarm reads swarm.yaml beside the database: {settings.db.with_name('swarm.yaml')}")


def _plain(value: Any, *, secret: bool = False) -> Any:
    """A setting as JSON types; variables for agents may be secrets."""
    if isinstance(value, Mapping):
        return {key: _plain(item, secret=secret or key == "env") for key, item in value.items()}
    if secret:
        return MASK
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, NotifyTarget):
        return {"target": value.label, "on": [str(kind) for kind in value.on]}
    if isinstance(value, QuietHours):
        return value.shown()
    if isinstance(value, SetupStep):
        return msgspec.to_builtins(value) if value.inputs else value.run
    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.to_builtins(value))
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _named(item: Any) -> str:
    if isinstance(item, Mapping):
        return str(item.get("run") or item.get("target"))
    return str(item)


def _rendered(setting: Mapping[str, Any]) -> str:
    value = setting["value"]
    if isinstance(value, Mapping) and setting["origin"] == "default":
        return "none"  # options of which none is given
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping | list):
        return ", ".join(_named(each) for each in value) or "none"
    return "none" if value in (None, "") else str(value)
