"""The SQL files: the schema, the migrations, and all statements by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_HERE = Path(__file__).parent  # importlib.resources would load fifteen modules in every program
_HEADING = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def schema() -> str:
    """The present schema as one script."""
    return (_HERE / "schema.sql").read_text(encoding="utf-8")


def migrations() -> list[tuple[int, str]]:
    """The steps from older schemas, as (version reached, script), in order."""
    steps = (_HERE / "migrations").glob("*.sql")
    return sorted((int(step.name.split("_")[0]), step.read_text(encoding="utf-8")) for step in steps)


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


SQL: Mapping[str, str] = MappingProxyType(split((_HERE / "queries.sql").read_text(encoding="utf-8")))
