"""What Amplifier recorded about the instructions that a session loaded: the proof that it ran as its agent.

Before its first model request a session writes the event `mentions:resolved`. A bundle that does not exist is skipped
without an error, and so is an agent file: the session then runs as Amplifier's own assistant and looks the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

_MARK = b'"mentions:resolved"'


class Loaded(StrEnum):
    """Whether a session had the instructions of its agent."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"  # no such event: versions before May 2026 do not write it


def agent_file(namespace: str, name: str) -> str:
    """Amplifier's name for the file with an agent's instructions."""
    return f"{namespace}:agents/{name}.md"


def loaded(events: Path, file: str, *, since: int = 0) -> Loaded:
    """Whether the events of a session show that this file was loaded.

    Args:
        events: The session's events file.
        file: As `agent_file` gives it.
        since: The size of the file before a session that was resumed, in bytes.
    """
    found = Loaded.UNKNOWN
    for data in _resolved(events, since):
        if file in _names(data.get("failed")):
            return Loaded.NO
        if file in _names(data.get("resolutions")):
            found = Loaded.YES  # later turns list only what is new
        elif found is Loaded.UNKNOWN:
            found = Loaded.NO
    return found


def _names(entries: object) -> set[str]:
    if not isinstance(entries, list):
        return set()
    return {str(each.get("mention")).lstrip("@") for each in entries if isinstance(each, Mapping)}


def _resolved(events: Path, since: int) -> Iterator[Mapping[str, Any]]:
    try:
        with events.open("rb") as file:
            file.seek(since)
            # Lines can be huge (whole prompts): only those of this event are worth parsing.
            lines = [line for line in file if _MARK in line]
    except OSError:
        return
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, Mapping) and event.get("event") == "mentions:resolved":
            data = event.get("data")
            yield data if isinstance(data, Mapping) else {}
