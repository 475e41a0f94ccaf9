"""Values of key-like environment variables, in the forms in which programs print them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote, urlsplit

from swarm_shared.redaction.spans import Span

MIN_CHARS = 8
MIN_LONE_CHARS = 16
NESTED_JSON = 4  # a command within a tool call within an event, and one to spare
_SURE_CHARS = 12  # a shorter value counts when it is no plain word
_NAMES = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PWD$|_PASS$|(?:^|_)AUTH(?:$|_|ORIZATION)|(?:^|_)DSN$", re.IGNORECASE
)
_NO_NAMES = re.compile(
    r"^(?:OLD)?PWD$|_(?:FILE|PATH|DIR|NAME|TYPE|SOCK|HOST|PORT|ENABLED|TIMEOUT|LIMIT|MODE)$", re.IGNORECASE
)
_URL_NAMES = re.compile(r"(?:_|^)(?:URL|URI|DSN|PROXY)$|CONNECTION_STRING$", re.IGNORECASE)
_PLAIN_WORD = re.compile(r"[a-z]+|[A-Z]+|[0-9.]+", re.ASCII)
_PATH = re.compile(r"~?\.{0,2}/(?!.*[+=])(?:[\w.@-]+/)+[\w.@-]*|~?\.{0,2}/[\w.@-]*", re.ASCII)


class KnownValues:
    """The secrets of some environments."""

    def __init__(self, environs: Iterable[Mapping[str, str]]) -> None:
        values = {value for environ in environs for value in _secrets_of(environ)}
        forms = {form for value in values for form in _forms(value)}
        self._forms = sorted((form for form in forms if len(form) >= MIN_CHARS), key=len, reverse=True)

    def spans(self, data: bytes) -> Iterator[Span]:
        for form in self._forms:
            at = data.find(form)
            while at >= 0:
                yield Span(at, at, at + len(form))
                at = data.find(form, at + len(form))

    def begun(self, data: bytes) -> int | None:
        """Where a value begins that the data ends in the middle of."""
        starts = []
        for form in self._forms:
            at = data.find(form[:1], max(0, len(data) - len(form) + 1))
            while at >= 0 and not form.startswith(data[at:]):
                at = data.find(form[:1], at + 1)
            if at >= 0:
                starts.append(at)
        return min(starts, default=None)


def _secrets_of(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        value = value.strip()
        if _NAMES.search(name) and not _NO_NAMES.search(name) and _is_secret(value):
            yield value
        if "://" in value and (_URL_NAMES.search(name) or _NAMES.search(name)):
            yield from _of_url(value)


def _of_url(value: str) -> Iterator[str]:
    try:
        parts = urlsplit(value)
        # Some services have the key alone in front of the host.
        found = parts.password or (parts.username if len(parts.username or "") >= MIN_LONE_CHARS else None)
    except ValueError:
        return
    if found and len(found) >= MIN_CHARS:
        yield found
        yield unquote(found)


def _is_secret(value: str) -> bool:
    if len(value) < MIN_CHARS or _PATH.fullmatch(value):
        return False
    if "://" in value and "@" not in value:
        return False  # an address without credentials
    return (len(value) >= _SURE_CHARS and not value.isdigit()) or _PLAIN_WORD.fullmatch(value) is None


def _forms(value: str) -> Iterator[bytes]:
    """The value as it is, in JSON at some depth, in a URL, and in base64, also in the middle of a longer text."""
    raw = value.encode(errors="surrogateescape")
    yield raw
    yield value.encode(errors="surrogatepass")
    for ascii_only in (True, False):
        text = value
        for _ in range(NESTED_JSON):
            text = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
            for written in (text, text.replace("/", "\\/")):
                yield written.encode(errors="surrogateescape")
    for text in (quote(raw, safe=""), quote(raw, safe="/"), quote_plus(raw)):
        yield text.encode()
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text).encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        if shift == 0:
            yield encoded
        # Of the characters at both ends a part belongs to what is next to the value.
        first = (0, 2, 3)[shift]
        last = len(encoded) if (shift + len(raw)) % 3 == 0 else len(encoded.rstrip(b"=")) - 1
        core = encoded[first:last]
        if len(core) >= _SURE_CHARS:
            yield core
            yield core.replace(b"+", b"-").replace(b"/", b"_")
