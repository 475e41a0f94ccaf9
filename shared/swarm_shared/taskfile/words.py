"""Words for statuses and priorities that users and other tools use, and their meaning here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from swarm_shared.domain.models import PRIORITY_NAMES, PRIORITY_RANGE, Group, Status
from swarm_shared.taskfile.scalars import parse_integer

# A status that a file may bring; tasks in progress elsewhere start here from the beginning.
KEPT_STATUSES = (Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.HELD)

_NOT_STARTED = (
    *("waiting", "open", "todo", "to_do", "pending", "backlog", "new", "planned", "ready", "draft", "drafted"),
    *("ready_for_dev", "doing", "started", "wip", "active", "hooked", "triage", "unstarted", "reopened"),
    *("selected_for_development", "ready_for_development"),
)
_COMPLETED = ("done", "closed", "complete", "finished", "resolved", "merged", "shipped")
# What is in review was done elsewhere: you decide about it; it is not done again.
_HELD = (
    *("deferred", "on_hold", "paused", "parked", "postponed", "someday"),
    *("review", "in_review", "ready_for_review", "code_review"),
    *("testing", "in_testing", "ready_for_testing", "qa", "in_qa", "ready_for_qa"),
)
_CANCELLED = (
    "canceled",
    "wont_fix",
    "wontfix",
    "won't_fix",
    "wont_do",
    "won't_do",
    "not_planned",
    "abandoned",
    "duplicate",
)

STATUS_WORDS: Mapping[str, Status] = MappingProxyType(
    dict.fromkeys([*Status, *Group, *_NOT_STARTED], Status.NOT_STARTED)
    | dict.fromkeys(_COMPLETED, Status.COMPLETED)
    | dict.fromkeys(_HELD, Status.HELD)
    | dict.fromkeys(_CANCELLED, Status.CANCELLED)
    | {status.value: status for status in KEPT_STATUSES}
)
_PRIORITY_WORDS: Mapping[str, int] = MappingProxyType(
    dict(PRIORITY_NAMES)
    | dict.fromkeys(["urgent", "highest", "blocker"], PRIORITY_NAMES["critical"])
    | {"normal": PRIORITY_NAMES["medium"], "mid": PRIORITY_NAMES["medium"], "lowest": PRIORITY_NAMES["low"] + 1}
)
_P_NUMBER = re.compile(r"p([0-4])", re.IGNORECASE)


def status_of(word: str) -> Status | None:
    """The status that a word means; None for an unknown one. Blanks, hyphens and capitals do not matter."""
    return STATUS_WORDS.get(word.strip().lower().replace("-", "_").replace(" ", "_"))


def status_elsewhere(word: str) -> Status | None:
    """As `status_of`, for another tool's word: a blocked item there waits for a decision, not a dependency."""
    return Status.HELD if word.strip().lower() == "blocked" else status_of(word)


def priority_of(word: str) -> int | None:
    """The stored number of a priority by name, as P0 (critical) to P4, or as a whole number; None for anything else."""
    plain = word.strip().lower()
    if plain in _PRIORITY_WORDS:
        return _PRIORITY_WORDS[plain]
    if lettered := _P_NUMBER.fullmatch(plain):
        return PRIORITY_NAMES["critical"] + int(lettered[1])
    number = parse_integer(plain)
    low, high = PRIORITY_RANGE
    return number if number is not None and low <= number <= high else None
