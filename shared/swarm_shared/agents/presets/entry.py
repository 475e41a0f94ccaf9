"""Reads one mapping of settings key by key, and reports exactly which key is wrong and what is allowed there.

`msgspec.convert` would be shorter, but its errors give no advice and do not name the keys of a mapping.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from swarm_shared.domain.errors import ConfigError

PLACEHOLDERS = frozenset(
    {
        "agent",
        "agent_bundle",
        "project_root",
        "private_dir",
        "prompt",
        "session_id",
        "task_id",
        "attempt_id",
        "run",
        "verify",
        "script",
        "python",
        "options",
        "model",
        "provider",
    }
)
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")

Choice = TypeVar("Choice", bound=StrEnum)


class Entry:
    """A mapping that remembers which of its keys were read, so that the others can be refused by name."""

    def __init__(self, where: str, settings: Mapping[str, Any]) -> None:
        self.where = where
        self._settings = settings
        self._read: set[str] = set()

    def wrong(self, key: str, what: str, allowed: str) -> ConfigError:
        """The error to raise about a key."""
        return ConfigError(f"{self.where}.{key}: {what}", hint=allowed)

    def peek(self, key: str) -> object:
        return self._settings.get(key)

    def text(self, key: str, *, required: bool = False) -> str:
        value = self._take(key)
        if value is None and required:
            raise self.wrong(key, "is missing", "a text")
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, f"must be a text, not {value!r}", "put it in quotes")
        return value or ""

    def flag(self, key: str) -> bool:
        value = self._take(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, f"must be true or false, not {value!r}", "true or false")
        return bool(value)

    def number(self, key: str, default: float) -> float:
        value = self._take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise self.wrong(key, f"must be a number above 0, not {value!r}", "such as 1.5")
        return float(value)

    def choice(self, key: str, choices: type[Choice], default: Choice) -> Choice:
        value = self._take(key)
        if value is None:
            return default
        try:
            return choices(value)
        except ValueError:
            raise self.wrong(key, f"{value!r} is not allowed", f"one of {', '.join(choices)}") from None

    def words(self, key: str, *, template: bool = False) -> tuple[str, ...]:
        """A list of texts; with `template`, words in braces must be ones that a session can fill in."""
        words = tuple(self._list(key))
        for word in words:
            if not isinstance(word, str):
                raise self.wrong(key, f"must be a list of texts, {word!r} is none", "put it in quotes")
            if template:
                self._check_placeholders(key, word)
        return words

    def texts_by_name(self, key: str, *, template: bool = False) -> Mapping[str, str]:
        texts = self.mapping(key)
        for name, value in texts.items():
            if not isinstance(value, str):
                raise self.wrong(f"{key}.{name}", f"must be a text, not {value!r}", "put it in quotes")
            if template:
                self._check_placeholders(f"{key}.{name}", value)
        return texts

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self._take(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self.wrong(key, f"must be a mapping, not {value!r}", "indent its keys below it")
        return {str(name): each for name, each in value.items()}

    def table(self, key: str) -> Entry:
        return Entry(f"{self.where}.{key}", self.mapping(key))

    def tables(self, key: str) -> tuple[Entry, ...]:
        return tuple(Entry(f"{self.where}.{key}[{n}]", each) for n, each in enumerate(self.conditions(key)))

    def conditions(self, key: str) -> tuple[Mapping[str, Any], ...]:
        """A list of mappings."""
        return tuple(each for each in self.entries(key, texts=False) if not isinstance(each, str))

    def entries(self, key: str, *, texts: bool = True) -> tuple[str | Mapping[str, Any], ...]:
        """A list of mappings, and of texts where those are allowed."""
        found = tuple(self._list(key))
        for each in found:
            if not isinstance(each, Mapping) and not (texts and isinstance(each, str)):
                what = "texts and mappings" if texts else "mappings"
                raise self.wrong(key, f"must be a list of {what}, {each!r} is none", "see presets.toml")
        return found

    def pattern(self, key: str, text: str) -> re.Pattern[str]:
        try:
            return re.compile(text, re.IGNORECASE | re.MULTILINE)
        except re.error as cause:
            raise self.wrong(key, f"{text!r} is not a regular expression ({cause})", "see Python's re") from cause

    def refuse_the_rest(self, *but: str) -> None:
        """Raise for the first unknown key: a misspelled setting must not pass silently."""
        for key in self._settings:
            if key not in self._read and key not in but:
                raise self.wrong(key, "is not a known key", f"known: {', '.join(sorted(self._read))}")

    def _take(self, key: str) -> Any:
        self._read.add(key)
        return self._settings.get(key)

    def _list(self, key: str) -> Sequence[Any]:
        value = self._take(key)
        if value is None:
            return ()
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise self.wrong(key, f"must be a list, not {value!r}", "write it as [a, b]")
        return value

    def _check_placeholders(self, key: str, text: str) -> None:
        for name in PLACEHOLDER.findall(text):
            if name not in PLACEHOLDERS:
                allowed = ", ".join(sorted(PLACEHOLDERS))
                raise self.wrong(key, f"{{{name}}} cannot be filled in", f"allowed: {allowed}")
