"""Keys that are recognized by their own shape: the prefixes and lengths that providers publish for secret scanners."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from msgspec import Struct

from swarm_shared.redaction.spans import Span

# What may precede a key: no part of a word, so no "task-", or an escape that ends with a letter or digit, as JSON, URLs
# and terminals have them. Asked behind the sign: a search is far quicker where each shape begins with fixed text.
_ESCAPES = (rb"\\[nrtbf]", rb"\\u[0-9a-fA-F]{4}", rb"%[0-9a-fA-F]{2}", rb"[\[;0-9]m")
_HEAD_BYTES = 40


class _Shape(Struct, frozen=True, kw_only=True):
    """A key that contains `sign`.

    Regular expressions are compiled when their sign is found: all of them would be a tenth of each program's start.

    Args:
        pattern: Begins with the sign; its group `secret` is what is replaced, or all of it.
        head: What has to precede the sign and belongs to the key.
    """

    sign: bytes
    pattern: bytes
    head: bytes | None = None


def _key(sign: bytes, rest: bytes) -> _Shape:
    sign_ = re.escape(sign)
    edge = b"(?:(?<![A-Za-z0-9]" + sign_ + b")|" + b"|".join(b"(?<=" + e + sign_ + b")" for e in _ESCAPES) + b")"
    return _Shape(sign=sign, pattern=sign_ + edge + rest)


def _inside(head: bytes, sign: bytes, rest: bytes) -> _Shape:
    return _Shape(
        sign=sign,
        pattern=re.escape(sign) + rest,
        head=rb"(?<![A-Za-z0-9_-])" + head + rb"\Z" if head else None,
    )


_END = rb"(?![0-9A-Za-z])"
# OpenAI, Anthropic and others: a part of random text, which has digits, so that words after "sk-" stay.
_RANDOM = rb"(?=(?:[A-Za-z0-9]{1,11}[_-]){0,8}(?=[A-Za-z]{0,64}[0-9])[A-Za-z0-9]{12})"
_SHAPES = (
    _key(b"sk-", _RANDOM + rb"[A-Za-z0-9_-]{20,512}"),
    *(_key(sign, rb"[A-Za-z0-9]{10,256}") for sign in (b"sk_live_", b"sk_test_", b"rk_live_", b"rk_test_")),
    _key(b"whsec_", rb"[A-Za-z0-9+/=]{20,128}"),
    *(_inside(b"", b"gh" + kind + b"_", rb"[A-Za-z0-9]{30,255}") for kind in (b"p", b"o", b"u", b"s", b"r")),
    _inside(b"", b"github_pat_", rb"[A-Za-z0-9_]{40,255}"),
    *(
        _inside(b"", b"gl" + kind + b"-", rb"[A-Za-z0-9_.-]{20,255}")
        for kind in (b"pat", b"dt", b"rt", b"cbt", b"ptt", b"ft", b"soat", b"agent", b"imt", b"oas", b"feat")
    ),
    *(_key(sign, rb"[0-9A-Z]{16}" + _END) for sign in (b"AKIA", b"ASIA", b"ABIA")),
    *(_inside(b"", sign, rb"[A-Za-z0-9+/=%]{60,4096}") for sign in (b"FwoG", b"IQoJ")),  # AWS session tokens
    _inside(b"", b"AIza", rb"[0-9A-Za-z_-]{35}"),
    _key(b"ya29.", rb"[A-Za-z0-9_.-]{20,4096}"),
    _inside(b"", b"GOCSPX-", rb"[A-Za-z0-9_-]{20,64}"),
    _key(b"1//0", rb"[A-Za-z0-9_-]{30,255}"),  # Google refresh tokens
    _inside(b"", b"xox", rb"[abeoprs][.-][A-Za-z0-9.-]{11,512}"),
    _inside(b"", b"xapp-", rb"[0-9]-[A-Za-z0-9-]{10,512}"),
    _inside(
        b"",
        b"hooks.slack.com",
        rb"(?:\\*/)(?:services|workflows|triggers)(?:\\*/)(?P<secret>(?:[A-Za-z0-9+_-]|\\*/){20,256})",
    ),
    _inside(b"", b"discord.com/api/", rb"(?:v\d+/)?webhooks/\d{5,25}/(?P<secret>[A-Za-z0-9_-]{20,128})"),
    _inside(b"", b"discordapp.com/api/", rb"(?:v\d+/)?webhooks/\d{5,25}/(?P<secret>[A-Za-z0-9_-]{20,128})"),
    _inside(b"", b"webhook.office.com/", rb"(?P<secret>webhookb2/[A-Za-z0-9@/-]{40,512})"),
    _key(b"npm_", rb"[A-Za-z0-9]{30,64}"),
    _key(b"pypi-", rb"[A-Za-z0-9_-]{50,512}"),
    _key(b"hf_", rb"(?=[a-z]{0,64}[A-Z0-9])[A-Za-z0-9]{30,64}"),
    _key(b"SG.", rb"[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{30,128}"),
    _key(b"SK", rb"[0-9a-f]{32}" + _END),  # Twilio
    _inside(rb"(?:bot)?[0-9]{8,10}", b":AA", rb"[A-Za-z0-9_-]{30,40}"),  # Telegram
    *(_key(b"do" + kind + b"_v1_", rb"[0-9a-f]{40,64}") for kind in (b"o", b"p", b"r")),
    *(_key(b"hv" + kind + b".", rb"[A-Za-z0-9_-]{20,512}") for kind in (b"s", b"b", b"r")),
    _inside(b"", b"AGE-SECRET-KEY-1", rb"[0-9A-Z]{40,64}"),
    _inside(b"", b"eyJ", rb"[A-Za-z0-9_-]{10,4096}\.eyJ[A-Za-z0-9_-]{10,8192}\.[A-Za-z0-9_-]{10,4096}"),
    _inside(rb"[A-Za-z0-9_~.-]{3}[0-9]", b"Q~", rb"[A-Za-z0-9_~.-]{30,40}"),  # Azure client secrets
    _key(b"dapi", rb"[0-9a-f]{32}(?:-\d)?" + _END),
    _inside(b"", b"ATATT3", rb"[A-Za-z0-9_=-]{50,512}"),
    _inside(b"", b"lin_api_", rb"[A-Za-z0-9]{32,64}"),
    _key(b"ntn_", rb"[A-Za-z0-9]{40,64}"),
    *(_key(b"shp" + kind + b"_", rb"[a-fA-F0-9]{32}") for kind in (b"at", b"ca", b"pa", b"ss")),
    *(_key(b"sq0" + kind + b"-", rb"[A-Za-z0-9_-]{22,64}") for kind in (b"atp", b"csp")),
    *(_inside(b"", b"dckr_" + kind + b"at_", rb"[A-Za-z0-9_-]{20,64}") for kind in (b"p", b"o")),
    _inside(b"", b"glsa_", rb"[A-Za-z0-9]{32}_[0-9a-f]{8}"),
    _inside(b"", b"glc_", rb"[A-Za-z0-9+/=]{32,400}"),
    _inside(b"", b"sntrys_", rb"[A-Za-z0-9+/=_]{40,512}"),
    _inside(b"", b"NRAK-", rb"[A-Z0-9]{27}"),
    _key(b"gsk_", rb"[A-Za-z0-9]{40,64}"),
    _key(b"xai-", rb"[A-Za-z0-9]{60,100}"),
    _key(b"r8_", rb"[A-Za-z0-9]{37}"),
    _inside(b"", b"pplx-", rb"[A-Za-z0-9]{40,64}"),
    _key(b"sbp_", rb"[0-9a-f]{40}"),
    _inside(b"", b"pscale_", rb"(?:tkn|oauth|pw)_[A-Za-z0-9_.=-]{32,64}"),
    _inside(rb"[A-Za-z0-9]{14}", b".atlasv1.", rb"[A-Za-z0-9_=-]{60,80}"),
    _inside(b"", b"rubygems_", rb"[0-9a-f]{48}"),
    _inside(b"", b"PMAK-", rb"[0-9a-f]{24}-[0-9a-f]{34}"),
    _inside(b"", b"figd_", rb"[A-Za-z0-9_-]{40,64}"),
    *(_key(b"dp." + kind + b".", rb"[A-Za-z0-9._-]{40,64}") for kind in (b"pt", b"st", b"ct", b"sa")),
    _key(b"key-", rb"[0-9a-f]{32}" + _END),  # Mailgun
    _inside(rb"[0-9a-f]{32}", b"-us", rb"[0-9]{1,2}" + _END),  # Mailchimp
)
# A Discord token has no fixed text but its two dots.
_DISCORD = _Shape(
    sign=b".",
    pattern=rb"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}(?![A-Za-z0-9_-])",
    head=rb"(?<![A-Za-z0-9_-])[MNO][A-Za-z0-9_-]{22,27}\Z",
)


# Keys are long words; a long run of one byte is found far quicker than a hundred signs. No shape is shorter than a run.
_WORD_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.+/=~:%"
_CLASSES = bytes(ord("w") if byte in _WORD_BYTES else ord(" ") for byte in range(256))
_RUN = b"w" * 16


def shapes_in(data: bytes) -> Iterator[Span]:
    """Keys of known shape."""
    words = b"\n".join(_long_words(data))
    if words:
        for shape in (*_SHAPES, _DISCORD):
            if shape.sign in words:
                yield from _found(shape, data)


def _long_words(data: bytes) -> Iterator[bytes]:
    classes = data.translate(_CLASSES)
    at = classes.find(_RUN)
    while at >= 0:
        end = classes.find(b" ", at)
        end = end if end >= 0 else len(data)
        yield data[at:end]
        at = classes.find(_RUN, end)


def _found(shape: _Shape, data: bytes) -> Iterator[Span]:
    pattern = _compiled(shape.pattern)
    part = "secret" if "secret" in pattern.groupindex else 0
    for found in pattern.finditer(data):
        start, end = found.span(part)
        context = found.start()
        if shape.head is not None:
            before = max(0, context - _HEAD_BYTES)
            head = _compiled(shape.head).search(data[before:context])
            if head is None:
                continue
            context = start = before + head.start()
        yield Span(context, start, end)


@cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern)
