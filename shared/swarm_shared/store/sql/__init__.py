"""The SQL files: the schema, the migrations, and all statements by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_HEADING = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def schema() -> str:
    """The present schema as one script."""
    return (files(__package__) / "schema.sql").read_text(encoding="utf-8")


def migrations() -> list[tuple[int, str]]:
    """The steps from older schemas, as (version reached, script), in order."""
    folder = files(__package__) / "migrations"
    steps = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((int(entry.name.split("_")[0]), entry.read_text(encoding="utf-8")) for entry in steps)


def split(text: str) -> dict[str, str]:
    """The named statements of a file: each begins with a line `-- name: NAME`.

    Raises:
        ValueError: A name occurs twice.
    """
    parts = _HEADING.split(text)[1:]
    names = parts[::2]
    if len(set(names)) != len(names):
        raise ValueError("a statement's name occurs twice")
    lines = ("\n".join(x for x in body.splitlines() if not x.startswith("--")).strip() for body in parts[1::2])
    return dict(zip(names, lines, strict=True))


SQL: Mapping[str, str] = MappingProxyType(split((files(__package__) / "queries.sql").read_text(encoding="utf-8")))
