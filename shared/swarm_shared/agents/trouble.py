"""Recognises provider and start-up trouble in error channels, never in answers: agents write about it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources

from msgspec import Struct

from swarm_shared.agents.cli import AgentCli, Sign, TroubleKind
from swarm_shared.agents.entry import Entry
from swarm_shared.agents.presets import signs_from
from swarm_shared.agents.waits import wait_asked_for

# The line of an error channel that people see; the full text stays in the stored output.
TEXT_LIMIT = 500


class Trouble(Struct, frozen=True, kw_only=True):
    """What keeps every session from working. `wait_s` is None when the text names no time."""

    kind: TroubleKind
    text: str
    wait_s: float | None = None


def find_trouble(cli: AgentCli, error_text: str, now_ms: int) -> Trouble | None:
    """The trouble that an error channel tells of; None when it is the task's own or unknown.

    Args:
        error_text: What an error field, an error event or standard error says; never a successful answer.
        now_ms: Wall time, for resets that are named as a moment.
    """
    for sign in _signs(cli):
        found = sign.pattern.search(error_text)
        if found is None:
            continue
        if sign.kind is None:
            return None
        waits = sign.kind in (TroubleKind.THROTTLED, TroubleKind.OVERLOADED, TroubleKind.WINDOW)
        return Trouble(
            kind=sign.kind,
            text=_line_around(error_text, found.start()),
            wait_s=wait_asked_for(error_text, now_ms) if waits else None,
        )
    return None


def _signs(cli: AgentCli) -> Iterator[Sign]:
    yield from cli.trouble
    yield from _common_signs()


@cache
def _common_signs() -> tuple[Sign, ...]:
    # Read at the first failure only: a healthy worker never needs it.
    text = resources.files(__package__).joinpath("signs.toml").read_text(encoding="utf-8")
    return signs_from(Entry("signs.toml", tomllib.loads(text)), "sign")


def _line_around(text: str, at: int) -> str:
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start : end if end >= 0 else len(text)]
    if len(line) > TEXT_LIMIT:
        # A provider's JSON error is one long line; what matched is what matters.
        first = max(0, at - start - TEXT_LIMIT // 4)
        line = line[first : first + TEXT_LIMIT]
    return line.strip()
