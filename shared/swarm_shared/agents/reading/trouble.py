"""Recognises provider and start-up trouble: first by the facts of events and exit codes, then by error texts.

Never searches answers: agents write about such errors.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache

from msgspec import Struct

from swarm_shared.agents.presets.catalog import shipped, signs_from
from swarm_shared.agents.presets.cli import AgentCli, Sign
from swarm_shared.agents.presets.entry import Entry
from swarm_shared.agents.reading.cli_events import Found
from swarm_shared.agents.reading.error_text import line_around, unframed
from swarm_shared.agents.reading.waits import wait_asked_for, wait_from_number
from swarm_shared.domain.trouble import Trouble, TroubleKind

# Waiting helps.
_PASSES = frozenset({TroubleKind.THROTTLED, TroubleKind.OVERLOADED, TroubleKind.WINDOW})
# One status, several causes: a used-up plan arrives as "too many requests", a spent budget as "forbidden".
_REPORTED_ALIKE = {
    TroubleKind.THROTTLED: (TroubleKind.QUOTA, TroubleKind.WINDOW, TroubleKind.THROTTLED),
    TroubleKind.CREDENTIALS: (TroubleKind.QUOTA, TroubleKind.WINDOW, TroubleKind.CREDENTIALS),
    TroubleKind.OVERLOADED: (TroubleKind.OVERLOADED,),
}
# "402 Insufficient credits", "[API Error: 401 Incorrect API key …]"
_STATUS_FIRST = re.compile(r"\W*(?:API Error:?\s+)?([45]\d\d)\b", re.IGNORECASE)
_EXIT_CODES = 256  # the range of exit codes: a CLI that exits with an HTTP status ends with the remainder


class TheTasksOwn(Struct, frozen=True):
    """A cause that a fact names, and that no other session would meet: no trouble."""


THE_TASKS_OWN = TheTasksOwn()


def trouble_from(
    cli: AgentCli, found: Found | None, exit_code: int, error_text: str, now_ms: int, *, summary: str
) -> Trouble | TheTasksOwn | None:
    """The trouble of a failed session: from its events, then its exit code, then its error text.

    Args:
        found: The cause that the last event with one names.
        error_text: The CLI's final error text.
        summary: The line that is shown when no known text matches.

    Returns:
        None when nothing names a cause.
    """
    if found is not None:
        fact = found.fact
        stated = _http_status(found.status)
        kind = fact.kind if stated is None else kind_of_status(stated)
        if kind is not None:
            return _stated(cli, kind, error_text, now_ms, summary=summary, wait=found.wait)
        if fact.kind is None and not fact.status:
            return THE_TASKS_OWN
    kind = cli.trouble_exits.get(exit_code)
    if kind is None and cli.http_exits:
        kind = kind_of_status(exit_code + _EXIT_CODES)
    if kind is not None:
        return _stated(cli, kind, error_text, now_ms, summary=summary)
    return find_trouble(cli, error_text, now_ms)


def kind_of_status(status: int) -> TroubleKind | None:
    """The meaning of a provider's HTTP status for every session; None if it may concern only this request."""
    if status in (401, 403, 407):
        return TroubleKind.CREDENTIALS
    if status == 402:
        return TroubleKind.QUOTA
    if status == 429:
        return TroubleKind.THROTTLED
    return TroubleKind.OVERLOADED if status == 408 or 500 <= status < 600 else None


def _stated(
    cli: AgentCli, kind: TroubleKind, text: str, now_ms: int, *, summary: str, wait: float | None = None
) -> Trouble:
    """Trouble of a kind that is certain, or of one of those that a provider reports alike: there the text decides."""
    worded = find_trouble(cli, text, now_ms, among=_REPORTED_ALIKE.get(kind, (kind,)))
    kind = worded.kind if worded is not None else kind
    wait_s = None
    if kind in _PASSES:
        wait_s = wait_asked_for(text, now_ms)
        if wait_s is None and wait is not None:
            wait_s = wait_from_number(wait, now_ms)
    return Trouble(kind=kind, text=summary or "the provider's answer was an error", wait_s=wait_s)


def _http_status(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 400 <= value < 600 else None
    if isinstance(value, float):
        return _http_status(int(value))
    found = _STATUS_FIRST.match(value) if isinstance(value, str) else None
    return int(found[1]) if found else None


def find_trouble(
    cli: AgentCli, error_text: str, now_ms: int, *, among: Collection[TroubleKind] | None = None
) -> Trouble | None:
    """The trouble that an error channel reports; None when it is the task's own or unknown.

    Args:
        error_text: What an error field, an error event or standard error says; never a successful answer.
        now_ms: Wall time, for resets that are named as a moment.
        among: The kinds that are possible; all by default.
    """
    error_text = unframed(error_text)
    for sign in _signs(cli):
        if among is not None and sign.kind not in among:
            continue
        found = sign.pattern.search(error_text)
        if found is None:
            continue
        if sign.kind is None:
            return None
        return Trouble(
            kind=sign.kind,
            text=line_around(error_text, found.start()),
            wait_s=wait_asked_for(error_text, now_ms) if sign.kind in _PASSES else None,
        )
    return None


def _signs(cli: AgentCli) -> Iterator[Sign]:
    yield from cli.trouble
    yield from _common_signs()


@cache
def _common_signs() -> tuple[Sign, ...]:
    # Loaded at the first failure only: a healthy worker never needs it.
    return signs_from(Entry("signs.toml", shipped("signs.toml")), "sign")
