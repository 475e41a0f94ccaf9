"""Private keys in PEM and PGP armour, on separate lines or within a JSON string, including truncated ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from swarm_shared.redaction.spans import REACH_BYTES, Span

_BEGIN = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(rb"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
# A line of a key: base64 or a header, behind what diffs, quotes and line numbers put before it; real or escaped ends.
_BREAK = rb"(?:\r?\n|(?:\\+r)?\\+n)"
_LINE = rb"[ \t>|+\-:0-9]{0,12}(?:[A-Za-z0-9+/=]{0,128}|[A-Za-z-]{1,32}: [^\n\\\"]{0,200})[ \t\"',+]{0,8}"
_BODY = re.compile(rb"(?:" + _LINE + _BREAK + rb"){0,400}(?:" + _LINE + rb"(?=\Z|[\"'\\-]))?")
_KEY_LINE = re.compile(rb"[A-Za-z0-9+/=]{16}")
_ANCHOR = b"PRIVATE KEY"


def blocks_in(data: bytes) -> Iterator[Span]:
    """Blocks, from the first dash to the last; of one without an end as much as looks like a key."""
    if _ANCHOR not in data:
        return
    done = 0
    for begin in _BEGIN.finditer(data):
        if begin.start() < done:
            continue
        end = _END.search(data, begin.end(), begin.end() + REACH_BYTES)
        done = end.end() if end is not None else _body_end(data, begin.end())
        if end is not None or _KEY_LINE.search(data, begin.end(), done):
            yield Span(begin.start(), begin.start(), done)


def open_block(data: bytes) -> int | None:
    """Where a block begins of which the end may still come."""
    at = data.rfind(b"-----BEGIN ", max(0, len(data) - REACH_BYTES))
    if at < 0:
        return None
    begin = _BEGIN.match(data, at)
    if begin is None:
        return None
    if _END.search(data, begin.end()) is not None:
        return None
    rest = data[begin.end() :].rpartition(b"\n")[0]  # the last line may be anything yet, such as half an END
    return at if _body_end(data, begin.end()) >= begin.end() + len(rest) else None


def _body_end(data: bytes, start: int) -> int:
    found = _BODY.match(data, start, start + REACH_BYTES)
    return found.end() if found is not None else start
