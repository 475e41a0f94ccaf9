"""`notify` and `quiet` in swarm.yaml: notification targets, their events, and quiet hours."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.notices import NoticeKind

WAYS = ("url", "webhook", "command")
_KEYS = frozenset({*WAYS, "on"})
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=://)", re.IGNORECASE)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_DAY_MIN, _MINUTE_MS = 24 * 60, 60_000
_EXAMPLE = 'such as {url: "${NTFY_URL}", on: [needs_you, finished]}'


class NotifyTarget(Struct, frozen=True, kw_only=True):
    """One entry of `notify`. The address is kept as written: variables are read only where a message is sent.

    way      `url` (an Apprise URL), `webhook` (an http address) or `command` (a shell command).
    on       What it is sent; everything unless stated.
    """

    way: str
    address: str
    on: tuple[NoticeKind, ...] = tuple(NoticeKind)

    @property
    def key(self) -> str:
        """Identifies the target in the database, without giving the address away."""
        return hashlib.sha256(f"{self.way}\0{self.address}".encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def label(self) -> str:
        """What the target is, for display: never a path, query, user or password of an address."""
        if self.way == "command":
            return f"command {self.address.split()[0]}"
        if variables := self.variables:
            return f"{self.way} ${{{variables[0]}}}"
        if self.way == "webhook":
            return f"webhook {urlsplit(self.address).hostname}"
        scheme = _SCHEME.match(self.address)
        return f"url {scheme[0].lower() if scheme else '?'}://…"

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of environment variables in the address. A command is left to the shell."""
        return () if self.way == "command" else tuple(dict.fromkeys(_VARIABLE.findall(self.address)))

    def filled(self, environ: Mapping[str, str]) -> str:
        """The address to use.

        Raises:
            ConfigError: A variable is unset or empty, or the result is no address; it is never quoted.
        """
        missing = [name for name in self.variables if not environ.get(name)]
        if missing:
            raise ConfigError(
                f"notify: {', '.join(missing)} is not set, which {self.label} needs",
                hint=f"export {missing[0]}=… where the swarm is started",
            )
        if self.way == "command":
            return self.address
        address = _VARIABLE.sub(lambda found: environ[found[1]], self.address).strip()
        if problem := _problem_of(self.way, address):
            raise ConfigError(f"notify: {self.label}: {problem}", hint="correct swarm.yaml or the variable")
        return address


class QuietHours(Struct, frozen=True, kw_only=True):
    """The hours of the day, in minutes since midnight local time, in which no notification is sent."""

    start_min: int
    end_min: int

    def shown(self) -> str:
        """Such as `22:00–07:00`."""
        return "–".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (self.start_min, self.end_min))

    def end_after(self, now_ms: int) -> int | None:
        """When the quiet hours end that `now_ms` is in (wall ms); None outside them."""
        local = time.localtime(now_ms / 1000)
        minute = local.tm_hour * 60 + local.tm_min
        into = (minute - self.start_min) % _DAY_MIN
        length = (self.end_min - self.start_min) % _DAY_MIN
        if into >= length:
            return None
        began_ms = now_ms - (now_ms // 1000 % 60) * 1000 - now_ms % 1000
        return began_ms + (length - into) * _MINUTE_MS


def as_notify_targets(raw: Any) -> tuple[NotifyTarget, ...]:
    """One entry or a list of them.

    Raises:
        ConfigError: Names the entry and what is wrong with it. Addresses, which may hold secrets, are not quoted.
    """
    entries = raw if isinstance(raw, list | tuple) else [raw]
    targets = tuple(_as_target(number, entry) for number, entry in enumerate(entries, start=1))
    keys = [target.key for target in targets]
    for number, key in enumerate(keys, start=1):
        if (first := keys.index(key) + 1) < number:
            raise ConfigError(f"notify, entry {number} has the same address as entry {first}", hint="keep one of them")
    return targets


def as_quiet_hours(raw: Any) -> QuietHours:
    """A mapping `{from: "22:00", to: "07:00"}`.

    Raises:
        ConfigError: It is something else.
    """
    if isinstance(raw, QuietHours):
        return raw
    if not isinstance(raw, Mapping) or set(raw) != {"from", "to"}:
        raise ConfigError("quiet must have exactly the keys from and to", hint='quiet: {from: "22:00", to: "07:00"}')
    start, end = _as_minute(raw["from"]), _as_minute(raw["to"])
    if start is None or end is None or start == end:
        raise ConfigError(
            "quiet: from and to must be two different times of the day", hint='quiet: {from: "22:00", to: "07:00"}'
        )
    return QuietHours(start_min=start, end_min=end)


def _as_target(number: int, entry: Any) -> NotifyTarget:
    if isinstance(entry, NotifyTarget):
        return entry
    where = f"notify, entry {number}"
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} is not a mapping", hint=_EXAMPLE)
    # YAML 1.1 reads an unquoted `on` as the word for true.
    given = {("on" if key is True else str(key)): value for key, value in entry.items()}
    if unknown := sorted(set(given) - _KEYS):
        raise ConfigError(f"{where} has the unknown key {unknown[0]}", hint=f"known: {', '.join((*WAYS, 'on'))}")
    ways = [way for way in WAYS if way in given]
    if len(ways) != 1:
        found = "more than one of" if ways else "none of"
        raise ConfigError(f"{where} has {found} url, webhook and command", hint=_EXAMPLE)
    way, address = ways[0], given[ways[0]]
    if not isinstance(address, str) or not address.strip():
        raise ConfigError(f"{where}: {way} is not text", hint=_EXAMPLE)
    address = address.strip()
    if way != "command":
        wrong = [name for name in _VARIABLE.findall(address) if not _NAME.fullmatch(name)]
        if wrong:
            raise ConfigError(f"{where}: ${{{wrong[0]}}} is not the name of a variable", hint="such as ${NTFY_URL}")
        if "${" not in address and (problem := _problem_of(way, address)):
            raise ConfigError(f"{where}: {problem}", hint=_EXAMPLE)
    return NotifyTarget(way=way, address=address, on=_as_kinds(where, given.get("on")))


def _as_kinds(where: str, raw: Any) -> tuple[NoticeKind, ...]:
    if raw is None:
        return tuple(NoticeKind)
    words = [raw] if isinstance(raw, str) else raw
    known = ", ".join(sorted(NoticeKind))
    if not isinstance(words, list | tuple) or not words:
        raise ConfigError(f"{where}: on is not a list of events", hint=f"events: {known}")
    for word in words:
        if word not in set(NoticeKind):
            raise ConfigError(f"{where}: unknown event {word!r}", hint=f"events: {known}")
    return tuple(kind for kind in NoticeKind if kind in words)


def _problem_of(way: str, address: str) -> str | None:
    """What is wrong with an address, without quoting it."""
    scheme = _SCHEME.match(address)
    if way == "url":
        return None if scheme else "url has no scheme; an Apprise URL looks like ntfy://topic or slack://…"
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - raises for a bad one
        host = parts.hostname
    except ValueError:
        host = None
    if scheme is None or scheme[0].lower() not in ("http", "https") or not host:
        return "webhook is not an http or https address"
    if re.search(r"[\s\x00-\x1f\x7f]", address):
        return "webhook contains a space or a control character"
    return None


def _as_minute(raw: Any) -> int | None:
    """Minutes since midnight. YAML 1.1 reads an unquoted 22:00 as a number to the base of 60."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw if 0 <= raw < _DAY_MIN else None
    found = _CLOCK.fullmatch(str(raw).strip())
    return None if found is None else int(found[1]) * 60 + int(found[2])
