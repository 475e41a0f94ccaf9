"""What a person typed into the search box, as a filter: words, and qualifiers such as `status:failed phase:build`."""

from __future__ import annotations

import re

from swarm_dashboard import params
from swarm_shared.store.browse import Filter

MAX_WORDS = 8
_PART = re.compile(r'(?:(?P<key>status|phase|id):)?(?:"(?P<quoted>[^"]*)"?|(?P<plain>\S+))', re.IGNORECASE)


def parse(query: str, *, status: str = "", phase: str = "") -> Filter:
    """Put the box and the filters beside it together; a qualifier in the box wins.

    Raises:
        InputError: `status:` names no status.
    """
    words: list[str] = []
    id_prefix: str | None = None
    for part in _PART.finditer(query):
        value = part["plain"] if part["quoted"] is None else part["quoted"]
        key = (part["key"] or "").lower()
        if not value:
            continue
        if key == "status":
            status = value
        elif key == "phase":
            phase = value
        elif key == "id":
            id_prefix = value
        elif len(words) < MAX_WORDS:
            words.append(value)
    return Filter(
        statuses=params.statuses(status), phase=phase or None, words=tuple(words), id_prefix=id_prefix or None
    )
