"""What a worker and its keeper say to each other, and how it travels: JSON behind a four-byte length.

JSON because an environment is text: names and values that are no UTF-8 pass as lone surrogates.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A process to start: `argv[0]` is an absolute path, `env` all it gets, `cwd` an absolute folder."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """To the keeper: start this; the three descriptors travel beside the message."""

    request: int
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """To the keeper: end everything below you."""

    ending: int
    grace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The request's process runs; pid and start time name it, as in `ProcessId`."""

    request: int
    pid: int
    start_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFailed:
    """The request's process was not started; `errno` from the system, `text` for a person."""

    request: int
    errno: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The request's process has ended, by itself (`exit_code`) or by a signal (`signal`); the other is None.

    `alone`: the kernel said that nothing of the whole tree is left, so no `end` is needed. Where it is
    False something was left behind, or another request still runs.
    """

    request: int
    exit_code: int | None
    signal: int | None
    alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Nothing is left below the keeper: the kernel has said so."""

    ending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """After all effort something is still there; the keeper goes on trying and `Gone` may yet come."""

    ending: int
    survivors: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperLost:
    """The keeper has died or does not listen; what it kept is now below the worker."""


Request = Start | End
Event = Started | StartFailed | Exited | Gone | Unproven | KeeperLost

_KINDS = {kind.__name__: kind for kind in (Start, End, Started, StartFailed, Exited, Gone, Unproven)}


def pack(message: Request | Event) -> bytes:
    """The message as it travels."""
    fields = {name: getattr(message, name) for name in message.__slots__}
    body = json.dumps([type(message).__name__, fields]).encode()
    return _LENGTH.pack(len(body)) + body


class Inbox:
    """Makes messages of the bytes of a stream, however they are cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Request | Event]:
        """The messages that these bytes complete."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                return
            kind, fields = json.loads(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield _KINDS[kind](**fields)
