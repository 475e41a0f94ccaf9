"""Names such as `password` and `api_key`, and the value next to them, in code, JSON, YAML, shells and options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from swarm_shared.redaction.judge import Named, is_random, is_secret, is_word_like
from swarm_shared.redaction.spans import Span

# Each name by the text that a search begins with. "key" alone is none: see `_KEYS`.
_NAMES = {
    b"passw": rb"passw(?:or)?(?:d|t)",
    b"passphrase": rb"passphrase",
    b"pwd": rb"pwd",
    b"_pass": rb"_pass(?![a-z])",
    b"secret": rb"secret",
    b"token": rb"token",
    b"_auth": rb"_auth",
    b"credential": rb"credentials?",
    b"key": rb"key(?:[_-]?base)?",
}
_KEYS = tuple(
    b"api access account private secret signing encryption master shared storage session auth app service".split()
)
_BEFORE_BYTES = 200  # looked at before a name
_COLOUR = rb"(?:\x1b|\\+(?:u001b|x1b|033|e))\[[0-9;]{0,16}m"
_GAP = rb"(?:[ \t]|" + _COLOUR + rb"){0,32}"
# A value in quotes ends with the same quote behind the same backslashes: JSON within JSON has more of them.
_QUOTED = (
    rb"(?P<q0>\"\"\"|'''|[\"'`])(?P<v0>(?:\\.|(?!(?P=q0))[^\\\r\n]){1,4096})"
    rb"|(?P<q1>\\{1,15}[\"'`])(?P<v1>(?:(?!(?<!\\)(?P=q1))[^\r\n]){1,4096})"
)
_BLOCK_SCALAR = rb"(?:[|>][+-]?[ \t]{0,8}(?:\r?\n|\\+n)[ \t]{1,32})?"
_BARE = rb"(?P<bare>[^\s\"'`,;&|<>(){}\[\]\\\x1b$*][^\s\"'`,;&<>(){}\[\]\\\x1b]{0,511})"
_BESIDE = (
    rb"(?:[_-]?[0-9]{1,2})?(?:"
    rb"(?P<close>(?:\\{0,15}[\"'`])?)" + _GAP + rb"(?P<separator>=>|:=|==?|:)" + _GAP
    + rb"(?:" + _QUOTED + rb"|" + _BLOCK_SCALAR + _BARE + rb")"
    rb"|>(?P<tagged>[^<>\s]{1,512})</"
    rb"|[ \t]{1,8}(?:\\{0,15}[\"'])?(?P<next>[^\s\"'<>\[\](){}$\\-][^\s\"'\\]{0,255})"
    rb")"
)  # fmt: skip
_UNQUOTED = re.compile(rb"[^\s\"'`\\\x1b]*")
_OPEN_SCALAR = re.compile(rb"[^\n]{0,200}:[ \t]{0,8}[|>][+-]?[ \t]{0,8}\r?\n[ \t]{0,32}\Z")
_ENDS_WITH_NAME = re.compile(b"(?:" + b"|".join(_NAMES.values()) + rb")(?:[_-]?[0-9]{1,2})?\Z")
_OPTION = re.compile(rb"--[\w-]{0,40}\Z")
_LOGIN = re.compile(rb"\b(?:login|user)[ \t]{1,8}[^\s]{1,128}[ \t]{1,8}\Z")
_LINE_BEGIN = re.compile(rb"(?:\A|\n)[ \t]{0,16}\Z")
_LINE_END = re.compile(rb"[ \t]{0,8}\r?(?:\n|\Z)")
# What a shell or `printenv` prints at the beginning of a line: everything up to the next space is the value.
_ENVIRONMENT = re.compile(
    rb"(?m)^(?:export |set |declare -x )?[A-Z0-9_]*(?P<name>PASSWORD|PASSWD|PASSPHRASE|PWD|PASS|SECRET|TOKEN|KEY|AUTH"
    rb"|CREDENTIALS?|SECRET_KEY_BASE)=(?P<value>[^\s\"'][^\s]{0,1023})"
)


def named_in(data: bytes, small: bytes) -> Iterator[Span]:
    """Values next to a name.

    Args:
        small: The data in small letters.
    """
    for sign in _NAMES:
        if sign in small:
            for found in _pattern(sign).finditer(small):
                if sign != b"key" or _is_key(small, found.start()):
                    yield from _value_of(found, data, small)
    if b"=" in data:
        yield from _environment(data)


def name_before(small: bytes) -> bytes | None:
    """The name that a JSON key in small letters ends with."""
    found = _ENDS_WITH_NAME.search(small)
    if found is None or (found[0].startswith(b"key") and not _is_key(small, found.start())):
        return None
    return found[0]


def open_scalar(data: bytes) -> int | None:
    """Where a YAML key begins whose value is on the lines to come."""
    found = _OPEN_SCALAR.search(data, max(0, len(data) - 300))
    return None if found is None else found.start()


@cache
def _pattern(sign: bytes) -> re.Pattern[bytes]:
    """Compiled for the first text with the sign, not at every program's start."""
    return re.compile(rb"(?P<name>" + _NAMES[sign] + rb")" + _BESIDE)


def _is_key(small: bytes, at: int) -> bool:
    before = small[max(0, at - 12) : at]
    return (before[:-1] if before[-1:] in (b"_", b"-", b" ") else before).endswith(_KEYS)


def _value_of(found: re.Match[bytes], data: bytes, small: bytes) -> Iterator[Span]:
    context = max(0, found.start() - _BEFORE_BYTES) if found["next"] is not None else found.start()
    part = str(found.lastgroup)
    span = Span(context, *found.span(part))
    value = data[span.start : span.end]
    if found["next"] is not None:
        if _is_next(found, small, value):
            yield span
        return
    name = data[found.start("name") : found.end("name")]
    if found["tagged"] is not None:
        named = Named(name=name, in_environment=False, is_quoted=True, is_json=False)
    else:
        named = Named(
            name=name,
            # As in `TOKEN=value`; with spaces around it, it is code.
            in_environment=name.isupper() and small[found.end("name") : found.end("name") + 1] == b"=",
            is_quoted=found["bare"] is None,
            is_json=bool(found["close"]),
        )
    if named.in_environment and not named.is_quoted:
        rest = _UNQUOTED.match(data, span.end)
        span = Span(context, span.start, rest.end() if rest else span.end)
        value = data[span.start : span.end]
    if is_secret(named, value, follows=data[span.end : span.end + 1]):
        yield span


def _is_next(found: re.Match[bytes], small: bytes, value: bytes) -> bool:
    """Whether the word behind a name is its value: that of an option, or of a line of a netrc."""
    before = small[max(0, found.start() - _BEFORE_BYTES) : found.start()]
    if _OPTION.search(before):
        return len(value) >= 6 and not is_word_like(value)
    if found["name"] != b"password":
        return False
    if _LOGIN.search(before):
        return True
    is_line = _LINE_BEGIN.search(before) and _LINE_END.match(small, found.end())
    return bool(is_line) and not is_word_like(value)


def _environment(data: bytes) -> Iterator[Span]:
    for found in _ENVIRONMENT.finditer(data):
        if found["name"] in (b"KEY", b"AUTH") and not is_random(found["value"], 16):
            continue  # SORT_KEY=created_at
        named = Named(name=found["name"], in_environment=True, is_quoted=False, is_json=False)
        if is_secret(named, found["value"], follows=b""):
            yield Span(found.start(), *found.span("value"))
