"""One redaction for everything: output while it streams, texts, and JSON values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from swarm_shared.redaction.blocks import blocks_in
from swarm_shared.redaction.context import secrets_in_context
from swarm_shared.redaction.judge import Named, is_secret
from swarm_shared.redaction.known import KnownValues
from swarm_shared.redaction.names import name_before
from swarm_shared.redaction.shapes import shapes_in
from swarm_shared.redaction.spans import REDACTED, Span, replaced

MARK = REDACTED.decode()


class Redaction:
    """Finds secrets by shape, by context, and by the values of key-like variables of some environments."""

    def __init__(self, *environs: Mapping[str, str]) -> None:
        self._environs = environs
        self.known = KnownValues(environs)

    def knowing(self, *environs: Mapping[str, str]) -> Redaction:
        """The same with the values of more environments."""
        return Redaction(*self._environs, *environs) if any(environs) else self

    def spans(self, data: bytes) -> list[Span]:
        """Where secrets are; they may overlap."""
        if not data:
            return []
        return [*blocks_in(data), *shapes_in(data), *secrets_in_context(data), *self.known.spans(data)]

    def bytes(self, data: bytes) -> bytes:
        return replaced(data, self.spans(data))

    def text(self, text: str) -> str:
        """The text with every secret replaced."""
        data = text.encode(errors="surrogatepass")
        spans = self.spans(data)
        return replaced(data, spans).decode(errors="surrogatepass") if spans else text

    def text_or_none(self, text: str | None) -> str | None:
        return None if text is None else self.text(text)

    def value(self, value: Any) -> Any:
        """JSON with every secret in it replaced, also in keys; a string is judged by its key as well."""
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, int | float):
            return value  # asked first: pictures are thousands of numbers, and asking for a Mapping is slow
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._under(str(key), item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def _under(self, key: str, item: Any) -> Any:
        if not isinstance(item, str):
            return self.value(item)
        name = name_before(key.lower().encode(errors="surrogatepass"))
        if name is not None:
            named = Named(name=name, in_environment=False, is_quoted=True, is_json=True)
            if is_secret(named, item.encode(errors="surrogatepass"), follows=b""):
                return MARK
        return self.text(item)


@cache
def of_process() -> Redaction:
    """With the values of this process's own environment."""
    return Redaction(dict(os.environ))
