"""Secrets that are recognized by what precedes them: a header, a URL, a signature, the option of a client."""

from __future__ import annotations

import re
from collections.abc import Iterator

from swarm_shared.redaction.judge import is_word_like
from swarm_shared.redaction.names import named_in
from swarm_shared.redaction.spans import Span

_GAP = rb"(?:[ \t]|(?:\x1b|\\+(?:u001b|x1b|033|e))\[[0-9;]{0,16}m){0,32}"
_URL = re.compile(
    rb"://(?:(?P<user>[^\s/?#@:\"'<>\\]{0,256}):(?P<value>[^\s/?#\"'<>\\]{1,512})|(?P<alone>[^\s/?#@:\"'<>\\]{16,512}))@"
)
_ESCAPED_URL = re.compile(_URL.pattern.replace(b"://", rb":(?:\\{1,15}/){2}", 1))  # as some print it in JSON
_ENCODED_URL = re.compile(
    rb"%3a%2f%2f(?:[^%\s&\"']|%(?!3a|40|2f)[0-9a-f]{2}){0,256}%3a(?P<value>(?:[^%\s&\"']|%(?!40|2f)[0-9a-f]{2}){1,512})%40"
)
_SCHEMES = rb"(?:basic|bearer|token|apikey|api-key|bot|digest|negotiate|oauth|key|splunk)"
_HEADER = re.compile(
    rb"authorization(?:\\{0,15}[\"'`])?" + _GAP + rb"[:=]" + _GAP + rb"(?:\\{0,15}[\"'`])?"
    rb"(?P<scheme>" + _SCHEMES + rb"[ \t]{1,8})?(?P<value>[^\s\"'`\\,;<>(){}$*\x1b\[][^\s\"'`\\,;<>\x1b]{0,4095})"
)  # fmt: skip
_NO_CREDENTIALS = (b"authentication", b"authorization", b"credentials", b"required")
_BEARER = re.compile(rb"bearer[ \t]{1,8}(?P<value>[a-z0-9._~+/=-]{16,4096})")
_SIGNATURE = re.compile(rb"sig(?:nature)?=(?P<value>[a-z0-9%+/=_-]{20,1024})")
_USER_OPTION = re.compile(
    rb"(?:curl|wget|http|xh)s?\b[^\n]{0,300}?[\s\"'](?:-u|--user|--proxy-user)(?:[ \t=]{0,4}|[\"'],[ \t]?)[\"']?"
    rb"(?P<user>[^\s:\"'$/]{1,128}):(?P<value>[^\s\"'\\]{1,256})"
)
_SSHPASS = re.compile(rb"sshpass[ \t]{1,8}-p[ \t]{0,8}[\"']?(?P<value>[^\s\"'$]{4,128})")
# What a line may begin with of which the secret is still to come.
_BEGUN = re.compile(
    rb"passw|passphrase|pwd|_pass|secret|token|_auth|credential|key|authorization|bearer|:(?:\\*/){2}|%3a%2f%2f"
    rb"|sig(?:nature)?=|login|curl|wget|https?\b|sshpass|-----"
)


def secrets_in_context(data: bytes) -> Iterator[Span]:
    """Secrets in their context."""
    small = data.lower()  # of the same length, and far quicker to search than with letters of both cases
    yield from named_in(data, small)
    if b"://" in data:
        yield from _urls(_URL, data)
    if b"\\/" in data:
        yield from _urls(_ESCAPED_URL, data)
    if b"%3a%2f%2f" in small:
        yield from _valued(_ENCODED_URL, small)
    if b"authorization" in small:
        yield from _headers(data, small)
    if b"bearer" in small:
        for found in _BEARER.finditer(small):
            if not is_word_like(data[found.start("value") : found.end()]):
                yield _span(found, "value")
    if b"sig" in small:
        yield from _valued(_SIGNATURE, small)
    if b"-u" in small or b"-user" in small:
        for found in _USER_OPTION.finditer(small):
            if not (found["value"].isdigit() and found["user"].isdigit()) and found["user"] != found["value"]:
                yield _span(found, "value")
    if b"sshpass" in small:
        yield from _valued(_SSHPASS, small)


def unfinished_in(line: bytes) -> int | None:
    """Where something begins that identifies a secret: it may still come."""
    found = _BEGUN.search(line.lower())
    return None if found is None else max(0, found.start() - len("storage_"))


def _urls(pattern: re.Pattern[bytes], data: bytes) -> Iterator[Span]:
    for found in pattern.finditer(data):
        part = "value" if found["value"] is not None else "alone"
        value = found[part]
        if part == "alone" and is_word_like(value):
            continue
        if value.strip(b"*xX.") and not value.startswith((b"$", b"{", b"<", b"[redacted]", b"%s")):
            yield _span(found, part)


def _headers(data: bytes, small: bytes) -> Iterator[Span]:
    for found in _HEADER.finditer(small):
        value = data[found.start("value") : found.end("value")]
        if found["scheme"] is None:
            # Without a scheme it may be a sentence.
            is_credential = len(value) >= 12 and not is_word_like(value)
        else:
            is_credential = len(value) >= 6 and found["value"] not in _NO_CREDENTIALS
        if is_credential:
            yield _span(found, "value")


def _valued(pattern: re.Pattern[bytes], data: bytes) -> Iterator[Span]:
    for found in pattern.finditer(data):
        yield _span(found, "value")


def _span(found: re.Match[bytes], part: str) -> Span:
    return Span(found.start(), *found.span(part))
