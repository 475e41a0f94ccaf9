"""Request parameters: typed, clamped, and refused with a message if they cannot be parsed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest

from swarm_shared.domain.errors import InputError
from swarm_shared.domain.models import Status, statuses_named

MAX_TEXT_CHARS = 400
MAX_NOTE_CHARS = 20_000
MAX_KEY_CHARS = 100
MAX_TEXT_BODY_CHARS = 1024 * 1024  # of any body; a text that is too large for its purpose is refused there
_COMMIT = re.compile("[0-9a-f]{40}(?:[0-9a-f]{24})?")
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)


def integer(given: Mapping[str, Any], name: str, default: int, *, low: int, high: int) -> int:
    """A whole number, clamped to its range.

    Raises:
        InputError: It is no whole number.
    """
    value = given.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not _INTEGER.fullmatch(str(value)):
        raise InputError(f"{name} must be a whole number", hint=f"between {low} and {high}")
    return max(low, min(high, int(value)))


def whole_number(given: Mapping[str, Any], name: str, *, low: int, high: int) -> int:
    """A required number in a body, which must be within its range: a change is never guessed.

    Raises:
        InputError: It is missing, outside, or no JSON number without a fraction.
    """
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}", hint=f'send {{"{name}": {low}}}, say')
    return value


def text(given: Mapping[str, Any], name: str, *, limit: int = MAX_TEXT_CHARS) -> str:
    """A text; empty when absent.

    Raises:
        InputError: It is no text, too long, or not storable.
    """
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{name} must be a string")
    if len(value) > limit:
        raise InputError(f"{name} is too long", hint=f"at most {limit} characters")
    storable(value, name)
    return value


def branch(given: Mapping[str, Any], name: str) -> str:
    """The name of a branch, which must be there.

    Raises:
        InputError: It is missing, or cannot be one.
    """
    value = text(given, name)
    if not value or value.startswith("-") or not value.isprintable():
        raise InputError("name a branch", hint="such as main")
    return value


def commit(given: Mapping[str, Any], name: str) -> str:
    """The id of a commit, which must be there.

    Raises:
        InputError: It is missing, or is no id.
    """
    value = given.get(name)
    if not isinstance(value, str) or not _COMMIT.fullmatch(value):
        raise InputError(f"{name} must be the id of a commit", hint="as the preview gives it")
    return value


def storable(value: str, name: str) -> None:
    """Refuse a lone surrogate: JSON can express it, but a database cannot store it.

    Raises:
        InputError: The text has a lone surrogate.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{name} is not valid Unicode") from error


def statuses(word: str) -> tuple[Status, ...]:
    """Stored statuses from comma-separated groups or stored words; empty for an empty word.

    Raises:
        InputError: A word is neither.
    """
    found: list[Status] = []
    for part in filter(None, word.split(",")):
        try:
            found += statuses_named(part)
        except ValueError as error:
            raise InputError(
                "unknown status", hint="not_started, in_progress, completed, failed, held or cancelled"
            ) from error
    return tuple(dict.fromkeys(found))


def choice(given: Mapping[str, Any], name: str, default: str, allowed: Sequence[str]) -> str:
    """One of some words.

    Raises:
        InputError: Another one.
    """
    value = given.get(name)
    if value is None or value == "":
        return default
    if value not in allowed:
        raise InputError(f"unknown {name}", hint="one of: " + ", ".join(allowed))
    return str(value)


def body() -> dict[str, Any]:
    """The JSON object that was sent.

    Raises:
        InputError: It is not one.
    """
    try:
        found = request.get_json()
    except (BadRequest, RecursionError, ValueError) as error:
        raise InputError("the body is not valid JSON") from error
    if not isinstance(found, dict):
        raise InputError("the body must be a JSON object")
    return found


def key() -> str:
    """The client's key for this request: sending it again changes nothing a second time."""
    given = {"idempotency_key": request.headers.get("Idempotency-Key") or body().get("idempotency_key")}
    return text(given, "idempotency_key", limit=MAX_KEY_CHARS)
