"""`/api/settings`: this swarm's settings, read-only. Values that may contain secrets are not shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Blueprint, Response

from swarm_dashboard.context import Context
from swarm_shared.domain.errors import ConfigError
from swarm_shared.settings.settings import Settings, described, resolve

MASK = "•••"


def routes(context: Context) -> Blueprint:
    """The settings that the dashboard was started with, which all programs share."""
    settings = Blueprint("settings", __name__, url_prefix="/api")

    @settings.get("/settings")
    def shown() -> Response:
        known = context.config.settings
        following, problem = _after_a_restart(known, context.environ)
        rows = [
            {
                "name": field.name,
                "value": _shown(known, field),
                "origin": known.origins.get(field.name, "default"),
                "next": _shown(following, field) if _differs(known, following, field.name) else None,
                "text": field.metadata["help"],
            }
            for field in described()
        ]
        file = str(known.db.with_name("swarm.yaml"))
        return context.answer({"settings": rows, "file": file, "problem": problem})

    return settings


def _after_a_restart(known: Settings, environ: Mapping[str, str]) -> tuple[Settings, str | None]:
    """The settings with swarm.yaml as it is now, and what is wrong with it; then those in effect.

    Flags of the present start are repeated: a restart usually is one with the same command.
    """
    flags = {name: getattr(known, name) for name, origin in known.origins.items() if origin == "flag"}
    try:
        return resolve({**flags, "db": known.db}, environ=environ), None
    except ConfigError as error:
        return known, error.message


def _differs(known: Settings, following: Settings, name: str) -> bool:
    of_file = "swarm.yaml" in (known.origins.get(name), following.origins.get(name))
    return of_file and getattr(known, name) != getattr(following, name)


def _shown(settings: Settings, field: Any) -> Any:
    value = getattr(settings, field.name)
    return MASK if field.metadata.get("secret") and value else plain(value)


def plain(value: Any) -> Any:
    """A value for the screen; for structured values (routes, notification targets) only whether they are set."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple) and all(isinstance(one, str) for one in value):
        return ", ".join(value) or None
    return f"{len(value)} set" if hasattr(value, "__len__") and value else "set" if value else None
