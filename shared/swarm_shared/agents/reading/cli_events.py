"""Reads the JSON events that an agent CLI prints, according to the rules of its preset."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from swarm_shared.agents.presets.cli import Condition, Fact, Pattern, ResultRules, Take
from swarm_shared.agents.reading.objects import objects_at_line_starts
from swarm_shared.agents.reading.usage import UNKNOWN_USAGE, Usage

_ANYTHING = "*"
_ABSENT = ""
_NAMES = "#"
_BELOW_NAMES = f".{_NAMES}"
_NOTHING: tuple[object, ...] = (None, "", [], {})
# The model name that a CLI writes for a message that it generated itself.
_NO_MODEL = "<synthetic>"


class Found(Struct, frozen=True, kw_only=True):
    """A fact that an event meets, with the values at its paths."""

    fact: Fact
    status: object = None
    wait: float | None = None


class Said(Struct, kw_only=True):
    """The contents of a CLI's events. `ok` is None when no event reports an outcome; `answer` is None when none has a
    text.

    `errors` holds the texts of the last event that has any, `found` the cause that the last event reports; both only
    as far as they are still open: an event of the rule `work` ends what came before it, and `errors` then goes to
    `recovered`. `events` counts objects that are certainly events, `known` is True when the preset knows one of them.
    `waiting` is True from an event of the rule `waits` to one of the rule `work`. `by_model` is filled where figures
    are below the names of models.
    """

    ok: bool | None = None
    answer: str | None = None
    errors: str = ""
    recovered: str = ""
    found: Found | None = None
    session_id: str | None = None
    models: tuple[str, ...] = ()
    tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    by_model: dict[str, Usage] = field(default_factory=dict)
    events: int = 0
    known: bool = False
    waiting: bool = False


def read_events(rules: ResultRules, output: str) -> Said:
    """The contents of the JSON objects in a CLI's output; noise before, between and after them is ignored."""
    said = Said()
    is_total = "tokens" in rules.cumulative
    tokens, cached, output_tokens = (
        _Count(takes, total=is_total) for takes in (rules.tokens, rules.cached, rules.output)
    )
    cost = _Count(rules.cost, total="cost" in rules.cumulative)
    partial = _Count(rules.partial)
    previous: dict[str, Any] | None = None
    for event in objects_at_line_starts(output):
        known = _outcome(said, rules, event)
        known = _cause(said, rules, event) or known
        session_id = _first_text(event, rules.session)
        said.session_id = said.session_id or session_id
        _add_models(said, rules, event)
        if event != previous:  # some loggers write every record twice
            for count in (tokens, cached, output_tokens, cost, partial):
                count.add(event)
            _add_by_model(said, rules, event)
        previous = event
        said.known = said.known or known or session_id is not None
        said.events += "type" in event or known
        if any(meets(event, condition) for condition in rules.waits):
            said.waiting = True
    said.tokens = partial.rounded() if tokens.value is None else tokens.rounded()
    said.cached_tokens = cached.rounded()
    said.output_tokens = output_tokens.rounded()
    said.cost_usd = cost.value
    return said


def _outcome(said: Said, rules: ResultRules, event: Mapping[str, Any]) -> bool:
    """Record the outcome and the answer that the event reports. Returns whether it reports one."""
    known = True
    if any(meets(event, condition) for condition in rules.ok):
        said.ok = True
    elif any(meets(event, condition) for condition in rules.failed):
        said.ok = False
    else:
        known = False
    if texts := _texts(event, rules.answer):
        said.answer = texts[-1]
    return known or bool(texts)


def _cause(said: Said, rules: ResultRules, event: Mapping[str, Any]) -> bool:
    """Record the error that the event reports, or that an earlier one is over. Returns whether it does either."""
    if any(meets(event, condition) for condition in rules.work):
        said.recovered, said.errors, said.found = said.errors or said.recovered, "", None
        said.waiting = False
        return True
    if texts := _texts(event, rules.error):
        said.errors = "\n".join(dict.fromkeys(texts))
    found = _fact(rules, event)
    said.found = found or said.found
    return bool(texts) or found is not None


def _fact(rules: ResultRules, event: Mapping[str, Any]) -> Found | None:
    for fact in rules.trouble:
        if not meets(event, fact.when):
            continue
        status = (
            next((each for each in values_at(event, fact.status) if each is not None), None) if fact.status else None
        )
        if status is None and fact.status and fact.kind is None:
            continue  # it names no status: a later rule may know more
        waits = _numbers(event, fact.wait) if fact.wait else []
        return Found(fact=fact, status=status, wait=waits[0] if waits else None)
    return None


class _Count:
    """Adds up the numbers that some rules take; where each is of the whole session so far, keeps the last."""

    def __init__(self, takes: Sequence[Take], *, total: bool = False) -> None:
        self._takes, self._total = takes, total
        self._found: dict[object, float] = {}

    @property
    def value(self) -> float | None:
        return sum(self._found.values()) if self._found else None

    def add(self, event: Mapping[str, Any]) -> None:
        if self._total and any(self._numbers(event, take) for take in self._takes):
            self._found.clear()
        for take in self._takes:
            if found := self._numbers(event, take):
                key = (take.path, _first_text(event, [take.per]) if take.per else len(self._found))
                self._found[key] = sum(found)

    def _numbers(self, event: Mapping[str, Any], take: Take) -> list[float]:
        return _numbers(event, take.path) if meets(event, take.when) else []

    def rounded(self) -> int | None:
        return None if self.value is None else round(self.value)


def meets(event: Mapping[str, Any], condition: Condition) -> bool:
    """Whether every path that the condition names has its value in the event."""
    return all(_has(event, path, wanted) for path, wanted in condition.items())


def values_at(value: Any, path: str) -> Iterator[Any]:
    """The values at a dotted path; `*` steps into every member of a mapping or list, `#` into a mapping's names."""
    if not path:
        yield value
        return
    step, _, rest = path.partition(".")
    if step == "*":
        members = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        for member in members:
            yield from values_at(member, rest)
    elif step == _NAMES:
        for name in value if isinstance(value, Mapping) else ():
            yield from values_at(name, rest)
    elif isinstance(value, Mapping) and step in value:
        yield from values_at(value[step], rest)


def _has(event: Mapping[str, Any], path: str, wanted: object) -> bool:
    found = list(values_at(event, path))
    if isinstance(wanted, Pattern):
        return wanted.wanted == any(isinstance(each, str) and wanted.pattern.search(each) for each in found)
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


def _add_models(said: Said, rules: ResultRules, event: Mapping[str, Any]) -> None:
    for path in rules.model:
        for value in values_at(event, path):
            if isinstance(value, str) and value not in ("", _NO_MODEL, *said.models):
                said.models += (value,)


def _add_by_model(said: Said, rules: ResultRules, event: Mapping[str, Any]) -> None:
    """Where a path of the model ends in `#`, the figures below each name are that model's."""
    folders = [path.removesuffix(_BELOW_NAMES) for path in rules.model if path.endswith(_BELOW_NAMES)]
    for folder in folders:
        for members in values_at(event, folder):
            for name, member in members.items() if isinstance(members, Mapping) else ():
                used = Usage(
                    tokens=_sum_below(folder, member, event, rules.tokens),
                    cached_tokens=_sum_below(folder, member, event, rules.cached),
                    output_tokens=_sum_below(folder, member, event, rules.output),
                )
                said.by_model[str(name)] = said.by_model.get(str(name), UNKNOWN_USAGE).plus(used)


def _sum_below(folder: str, member: object, event: Mapping[str, Any], takes: Sequence[Take]) -> int | None:
    prefix = f"{folder}.{_ANYTHING}."
    found = [
        number
        for take in takes
        if take.path.startswith(prefix) and meets(event, take.when)
        for number in _numbers(member, take.path.removeprefix(prefix))
    ]
    return round(sum(found)) if found else None


def _numbers(event: object, path: str) -> list[float]:
    return [
        float(value)
        for value in values_at(event, path)
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
