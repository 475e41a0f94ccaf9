"""What a single value means: text by its literal spelling, and where YAML would read a type into it."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

# Words for "nothing": a program that writes None writes one of these.
NULL_WORDS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_TYPED_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "timestamp"))


class PlainText(str):
    """Text of an unknown key that was unquoted and that YAML reads as a date, a number or a boolean.

    Kept by its spelling (`2024-05-01`, `1.10`, `0x1F`, `yes`) and written unquoted again, so that other
    programs which read the export see the same date or number as before.
    """

    __slots__ = ()


def yaml_tag(text: str) -> str | None:
    """The YAML 1.1 type of an unquoted spelling, such as `tag:yaml.org,2002:int`; None for text."""
    for tag, pattern in _resolvers().get(text[:1], ()):
        if pattern.match(text):
            return tag
    return None


@cache
def _resolvers() -> dict[str | None, list[tuple[str, re.Pattern[str]]]]:
    import yaml  # only who reads or writes a task file pays for the parser

    found: dict[str | None, list[tuple[str, re.Pattern[str]]]] = yaml.SafeLoader.yaml_implicit_resolvers
    return found


def is_typed(text: str) -> bool:
    """Whether YAML takes this unquoted spelling for a date, a number or a boolean."""
    return yaml_tag(text) in _TYPED_TAGS


def plain_value(text: str) -> Any:
    """The value of an unquoted spelling under an unknown key.

    None, booleans and numbers only where JSON would spell them the same; anything else of a type is
    `PlainText`, because `1.10` may be a version and is no longer one as 1.1.
    """
    if text in NULL_WORDS:
        return None
    if not is_typed(text):
        return text
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.fullmatch(text) and str(int(text)) == text:
        return int(text)
    if _NUMBER.fullmatch(text) and repr(float(text)) == text:
        return float(text)
    return PlainText(text)


def parse_bool(text: str) -> bool | None:
    """True or false from the words of YAML 1.1 in any case; None when it is none of them."""
    return _BOOLEANS.get(text.strip().lower())


def parse_integer(text: str) -> int | None:
    """A whole number of at most 18 digits; None when it is none."""
    plain = text.strip()
    return int(plain) if _INTEGER.fullmatch(plain) else None


def parse_number(text: str) -> float | None:
    """A finite decimal number; None when it is none."""
    plain = text.strip()
    if not _NUMBER.fullmatch(plain):
        return None
    number = float(plain)
    return number if math.isfinite(number) else None
