"""`/api/settings`: this swarm's settings, read-only. Values that may contain secrets are not shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, Response

from swarm_dashboard.context import Context
from swarm_shared.settings.settings import described

MASK = "•••"


def routes(context: Context) -> Blueprint:
    """The settings that the dashboard was started with, which all programs share."""
    settings = Blueprint("settings", __name__, url_prefix="/api")

    @settings.get("/settings")
    def shown() -> Response:
        known = context.config.settings
        rows = [
            {
                "name": field.name,
                "value": MASK if field.metadata.get("secret") and value else plain(value),
                "changed": known.origins.get(field.name, "default") != "default",
                "text": field.metadata["help"],
            }
            for field in described()
            for value in [getattr(known, field.name)]
        ]
        return context.answer({"settings": rows, "file": str(known.db.with_name("swarm.yaml"))})

    return settings


def plain(value: Any) -> Any:
    """A value for the screen; for structured values (routes, notification targets) only whether they are set."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple) and all(isinstance(one, str) for one in value):
        return ", ".join(value) or None
    return f"{len(value)} set" if hasattr(value, "__len__") and value else "set" if value else None
