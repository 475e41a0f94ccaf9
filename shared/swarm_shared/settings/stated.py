"""Reads one mapping of swarm.yaml key by key, and reports exactly which key is wrong and what is allowed there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from swarm_shared.domain.errors import ConfigError


class Stated:
    """A mapping that remembers which of its keys were read, so that the others can be refused by name."""

    def __init__(self, where: str, raw: object) -> None:
        """Raises ConfigError where it is no mapping."""
        if not isinstance(raw, Mapping):
            raise ConfigError(f"{where}: must be a mapping, not {raw!r}", hint="lines of the form `key: value`")
        self.where = where
        self._raw = {str(key): value for key, value in raw.items()}
        self._read: set[str] = set()

    def wrong(self, key: str, what: str, allowed: str) -> ConfigError:
        """The error to raise about a key."""
        return ConfigError(f"{self.where}.{key}: {what}", hint=allowed)

    def __contains__(self, key: str) -> bool:
        return self._raw.get(key) is not None

    def take(self, key: str) -> Any:
        """The value as it is; None if it is missing."""
        self._read.add(key)
        return self._raw.get(key)

    def text(self, key: str, *, required: bool = False) -> str:
        value = self.take(key)
        if value is None and required:
            raise self.wrong(key, "is missing", "a text")
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, f"must be text, not {value!r}", "put it in quotes")
        return value or ""

    def words(self, key: str) -> tuple[str, ...]:
        value = self.take(key)
        if value is None:
            return ()
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise self.wrong(key, f"must be a list of texts, not {value!r}", "[--flag, value]")
        return tuple(value)

    def texts_by_name(self, key: str) -> Mapping[str, str]:
        value = self.take(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(each, str) for pair in value.items() for each in pair):
            raise self.wrong(key, "must be a mapping of names to texts", "put numbers and yes/no in quotes")
        return dict(value)

    def amount(self, key: str) -> float | None:
        """A number of at least zero."""
        value = self.take(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sys.float_info.max:
            raise self.wrong(
                key, f"must be a number of at least 0, not {value!r}", "without a unit: 40, 0.5, 1_000_000"
            )
        return float(value)

    def whole(self, key: str) -> int | None:
        value = self.take(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self.wrong(key, f"must be a whole number, not {value!r}", "1, 2, 3 …")
        return value

    def flag(self, key: str) -> bool:
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, f"must be true or false, not {value!r}", "true or false")
        return bool(value)

    def refuse_the_rest(self, allowed: str) -> None:
        """Raise about a key that nothing has read."""
        for key in self._raw:
            if key not in self._read:
                raise self.wrong(key, "is unknown", f"known: {allowed}")
