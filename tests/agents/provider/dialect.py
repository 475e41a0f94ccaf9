"""What the server needs to know of an API; one module next to this one for each."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agents.provider.asks import Ask
from agents.provider.faults import ErrorReply, Fault
from agents.provider.script import Move

# The same for every request, so that what a CLI and the suite count can be checked: tokens.
INPUT = 1000  # without what was cached
CACHED = 3000
OUTPUT = 50
REASONING = 20  # of the output


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event; a text goes out as it is."""

    data: Mapping[str, Any] | str
    name: str | None = None


class Dialect(Protocol):
    """One API."""

    name: str

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """What a request asks."""

    def error(self, fault: Fault, window_s: int) -> ErrorReply:
        """The error that the provider answers with; `fault` is one of `ANSWERED`. A plan opens again in `window_s`."""

    def whole(self, ask: Ask, move: Move, *, refused: bool) -> Mapping[str, Any]:
        """The answer in one piece; with `refused` the model declines."""

    def events(self, ask: Ask, move: Move, *, refused: bool) -> Sequence[Event]:
        """The answer as a stream."""


def new_id(prefix: str) -> str:
    return prefix + uuid.uuid4().hex[:24]
