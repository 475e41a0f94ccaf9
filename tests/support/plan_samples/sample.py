"""One small plan of another tool."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A plan: where it is found, its text, and the ids of its tasks."""

    plan_format: str
    path: str
    text: str
    ids: tuple[str, ...]
