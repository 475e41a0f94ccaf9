"""Blots out secrets in what agents wrote: values of our own key-like variables, and well-known shapes of keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

from swarm_shared.store.blotting import BLOTTED, KEY_BYTES

BLOT = "‹masked›"
MIN_SECRET_CHARS = 12  # shorter values are words, not keys
# Names and ids come again by the thousand in one answer: what became of them is remembered.
SHORT_CHARS, SHORT_KEPT = 48, 4096
_KEY_LIKE = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
# What may stand before a key: nothing of a word, so no "task-", or an escape that ends with a letter or digit, as JSON,
# URLs and terminals have them. Looked for behind the sign: a search is far quicker where each shape begins as it reads.
_ESCAPES = (r"\\[nrtbf]", r"\\u[0-9a-fA-F]{4}", r"%[0-9a-fA-F]{2}", r"[\[;0-9]m")


def _at_edge(sign: str = "") -> str:
    return rf"{sign}(?:(?<![A-Za-z0-9]{sign})|" + "|".join(f"(?<={escape}{sign})" for escape in _ESCAPES) + ")"


_WORDS = "|".join(
    (
        _at_edge("sk-") + r"[A-Za-z0-9_-]{20,}",
        r"gh[pousr]_[A-Za-z0-9]{30,}",
        r"github_pat_[A-Za-z0-9_]{40,}",
        r"glpat-[A-Za-z0-9_-]{20,}",
        r"A(?:KIA|SIA)[0-9A-Z]{16}",
        r"AIza[0-9A-Za-z_-]{35}",
        r"xox[abeprs]-[A-Za-z0-9-]{10,}",
        r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    )
)
_BEGIN, _END = r"-----BEGIN [A-Z ]*PRIVATE KEY-----", r"-----END [A-Z ]*PRIVATE KEY-----"
_WHOLE = rf"{_WORDS}|{_BEGIN}[\s\S]{{0,{KEY_BYTES}}}?{_END}"
# At the end of what is there yet: the beginning of such a word, and no "task-"; a block of which the end is missing.
_BEGUN = (
    _at_edge() + r"(?:sk-|gh[pousr]_|github_pat_|glpat-|A(?:KIA|SIA)|AIza|xox[abeprs]-|eyJ)[A-Za-z0-9_.-]+\Z"
    rf"|{_BEGIN}(?:(?!{_END})[\s\S])*\Z"
)


class Masking:
    """Masks text, also inside lists and mappings, and finds secrets in bytes that are part of a longer output."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the secrets to look for from an environment, by the names of its variables."""
        values = {
            value.strip()
            for name, value in environ.items()
            if _KEY_LIKE.search(name) and len(value.strip()) >= MIN_SECRET_CHARS and "/" not in value[:1]
        }
        known = [re.escape(value) for value in sorted(values, key=len, reverse=True)]
        self._pattern = re.compile("|".join([*known, _WORDS, rf"{_BEGIN}[\s\S]*?(?:{_END}|\Z)", f"{BLOTTED}+"]))
        # As they stand in JSON; what a shape consists of, or begins with, stands there as it is.
        signs = [re.escape(json.dumps(value)[1:-1]) for value in [*values, BLOTTED]]
        self._in_json = re.compile("|".join([*signs, _WORDS, _BEGIN]))
        self._short = lru_cache(SHORT_KEPT)(partial(self._pattern.sub, BLOT))
        self._known = [value.encode(errors="surrogateescape") for value in values]
        self._whole = re.compile(_WHOLE.encode())
        self._begun = re.compile(_BEGUN.encode())

    def text(self, text: str) -> str:
        """The text with its secrets blotted out."""
        return self._short(text) if len(text) <= SHORT_CHARS else self._pattern.sub(BLOT, text)

    def may_be_in(self, written: str) -> bool:
        """Whether JSON may hold a secret; to ask this is far quicker than to look at each value of a large answer."""
        return self._in_json.search(written) is not None

    def spans(self, data: bytes, *, at_end: bool) -> Iterator[tuple[int, int]]:
        """See `Secrets`."""
        for found in self._whole.finditer(data):
            yield found.span()
        for value in self._known:  # each by itself: in one expression they would take twice the time
            at = data.find(value)
            while at >= 0:
                yield at, at + len(value)
                at = data.find(value, at + len(value))
        if at_end:
            yield from self._begun_spans(data)

    def _begun_spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        begun = self._begun.search(data, max(0, len(data) - KEY_BYTES))
        if begun:
            yield begun.span()
        for value in self._known:
            for size in range(len(value) - 1, MIN_SECRET_CHARS // 2 - 1, -1):
                if data.endswith(value[:size]):
                    yield len(data) - size, len(data)
                    break

    def mask(self, value: Any) -> Any:
        """The value with every text in it masked; keys of mappings too, which agents choose as well."""
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, int | float):
            return value  # asked first: pictures are thousands of numbers, and asking for a Mapping is slow
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.mask(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.mask(item) for item in value]
        return value
