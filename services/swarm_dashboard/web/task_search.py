"""The text of the search box as a filter: words, and qualifiers such as `status:failed phase:build`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from swarm_dashboard.web import params
from swarm_shared.domain.errors import InputError
from swarm_shared.domain.models import priority_value
from swarm_shared.store.views.task_filter import Filter

MAX_WORDS = 8
QUALIFIERS = ("status", "phase", "id", "type", "priority", "worker", "error", "since", "problem")
_PART = re.compile(rf'(?:(?P<key>{"|".join(QUALIFIERS)}):)?(?:"(?P<quoted>[^"]*)"?|(?P<plain>\S+))', re.IGNORECASE)
_AGO = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse(query: str, *, now_ms: int, status: str = "", phase: str = "") -> Filter:
    """Combine the box with the filters next to it; a qualifier in the box takes precedence.

    Args:
        now_ms: What `since:2h` counts from, wall time.

    Raises:
        InputError: The value of a qualifier cannot be read.
    """
    words: list[str] = []
    wanted = Filter(statuses=params.statuses(status), phase=phase or None)
    for part in _PART.finditer(query):
        value = part["plain"] if part["quoted"] is None else part["quoted"]
        key = (part["key"] or "").lower()
        if not value:
            continue
        match key:
            case "":
                words += [value] if len(words) < MAX_WORDS else []
            case "status":
                wanted = replace(wanted, statuses=params.statuses(value))
            case "phase":
                wanted = replace(wanted, phase=value)
            case "id":
                wanted = replace(wanted, id_prefix=value)
            case "type":
                wanted = replace(wanted, type=value)
            case "worker":
                wanted = replace(wanted, worker=value)
            case "error":
                wanted = replace(wanted, error=value)
            case "problem":
                wanted = replace(wanted, fingerprint=value)
            case "priority":
                wanted = replace(wanted, priority=_priority(value))
            case _:
                wanted = replace(wanted, since=_since(value, now_ms))
    return replace(wanted, words=tuple(words))


def requested(given: Mapping[str, Any], *, now_ms: int) -> Filter:
    """What the parameters `q`, `status` and `phase` select: the list, a bulk action and an export take the same.

    Raises:
        InputError: One of them cannot be read.
    """
    return parse(
        params.text(given, "q"),
        now_ms=now_ms,
        status=params.text(given, "status"),
        phase=params.text(given, "phase"),
    )


def _priority(value: str) -> int:
    try:
        return priority_value(value)
    except ValueError as error:
        raise InputError("unknown priority", hint="critical, high, medium, low or a whole number") from error


def _since(value: str, now_ms: int) -> int:
    """Wall ms from `90s`, `30m`, `2h`, `3d`, `1w` ago, or a day or moment in ISO 8601 (UTC)."""
    ago = _AGO.fullmatch(value.lower())
    if ago is not None:
        return now_ms - int(ago[1]) * _UNIT_S[ago[2]] * 1000
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise InputError(
            "since: needs a time", hint="such as since:30m, since:2h, since:3d or since:2026-11-22"
        ) from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
