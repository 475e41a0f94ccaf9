"""Reads the JSON events that an agent CLI prints, by the rules that its preset states."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from swarm_shared.agents.cli import Condition, ResultRules, Take
from swarm_shared.agents.objects import objects_at_line_starts

_ANYTHING = "*"
_ABSENT = ""
_NOTHING: tuple[object, ...] = (None, "", [], {})


class Said(Struct, frozen=True, kw_only=True):
    """What a CLI's events say. `ok` is None when none of them told; `answer` is None when none held a text.

    `anything` is True when at least one event was one that the preset knows.
    """

    ok: bool | None = None
    answer: str | None = None
    errors: str = ""
    session_id: str | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    anything: bool = False


def read_events(rules: ResultRules, stdout: str) -> Said:
    """What the JSON objects on standard output say; noise before, between and after them is passed over."""
    ok: bool | None = None
    answer: str | None = None
    session_id: str | None = None
    errors: list[str] = []
    tokens: list[float] = []
    cost: list[float] = []
    anything = False
    for event in objects_at_line_starts(stdout):
        if any(meets(event, condition) for condition in rules.ok):
            ok = True
        elif any(meets(event, condition) for condition in rules.failed):
            ok = False
        texts = _texts(event, rules.answer)
        answer = texts[-1] if texts else answer
        known = bool(texts) or ok is not None
        errors += (text for text in _texts(event, rules.error) if text not in errors)
        session_id = session_id or _first_text(event, rules.session)
        tokens += _numbers(event, rules.tokens)
        cost += _numbers(event, rules.cost)
        anything = anything or known
    return Said(
        ok=ok,
        answer=answer,
        errors="\n".join(errors),
        session_id=session_id,
        tokens=round(sum(tokens)) if tokens else None,
        cost_usd=float(sum(cost)) if cost else None,
        anything=anything,
    )


def meets(event: Mapping[str, Any], condition: Condition) -> bool:
    """Whether every path that the condition names has its value in the event."""
    return all(_has(event, path, wanted) for path, wanted in condition.items())


def values_at(value: Any, path: str) -> Iterator[Any]:
    """What stands at a dotted path; `*` steps into every member of a mapping or list."""
    if not path:
        yield value
        return
    step, _, rest = path.partition(".")
    if step == "*":
        members = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        for member in members:
            yield from values_at(member, rest)
    elif isinstance(value, Mapping) and step in value:
        yield from values_at(value[step], rest)


def _has(event: Mapping[str, Any], path: str, wanted: object) -> bool:
    found = list(values_at(event, path))
    if wanted == _ANYTHING:
        return any(each is not None for each in found)
    if wanted == _ABSENT:
        return all(each in _NOTHING for each in found)
    # True == 1 in Python; a flag must be the flag.
    return any(each == wanted and isinstance(each, bool) == isinstance(wanted, bool) for each in found)


def _texts(event: Mapping[str, Any], takes: Sequence[Take]) -> list[str]:
    texts = []
    for take in takes:
        if meets(event, take.when):
            for value in values_at(event, take.path):
                if isinstance(value, str):
                    texts.append(value)
                elif value not in _NOTHING:
                    texts.append(json.dumps(value))
    return texts


def _first_text(event: Mapping[str, Any], paths: Sequence[str]) -> str | None:
    for path in paths:
        for value in values_at(event, path):
            if isinstance(value, str) and value:
                return value
    return None


def _numbers(event: Mapping[str, Any], paths: Sequence[str]) -> list[float]:
    return [
        float(value)
        for path in paths
        for value in values_at(event, path)
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
