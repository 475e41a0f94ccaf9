"""Keys that identify an item of a plan by what it says, whatever is inserted, moved or ticked around it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from hashlib import sha256

HASH_DIGITS = 10
MAX_SLUG_CHARS = 48
_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")


def text_hash(text: str) -> str:
    """The same for texts that differ in blanks and capitals only."""
    plain = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    return sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]


def slug(text: str) -> str:
    """A short id from a text, cut between words; empty when it has no letters or digits of ASCII."""
    plain = unicodedata.normalize("NFKD", text[: 8 * MAX_SLUG_CHARS]).encode("ascii", "ignore").decode().lower()
    words = _NOT_IN_SLUG.sub("-", plain).strip("-")
    if len(words) > MAX_SLUG_CHARS:
        words = words[:MAX_SLUG_CHARS].rpartition("-")[0] or words[:MAX_SLUG_CHARS]
    return words


class Keys:
    """Makes the keys of one file in its order; the second of two equal ones gets a number."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    def of(self, place: str, text: str) -> str:
        """The key of an item by its number or heading, and its text."""
        return self.unique(f"{place}~{text_hash(text)}")

    def unique(self, key: str) -> str:
        count = self._given[key] = self._given.get(key, 0) + 1
        return key if count == 1 else f"{key}~{count}"


class FreeIds:
    """Finds free ids; n tasks that want the same one take n steps, not n²."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def of(self, base: str, *taken: Container[str]) -> str:
        """The base, or the base with the first number that is not taken. What was taken once must stay taken."""
        number = self._last.get(base, 0)
        while True:
            number += 1
            found = base if number == 1 else f"{base}-{number}"
            if not any(found in each for each in taken):
                self._last[base] = number
                return found


def same_text(key: str) -> str:
    """The part of a key that stays when the item moves."""
    return key.partition("~")[2]
