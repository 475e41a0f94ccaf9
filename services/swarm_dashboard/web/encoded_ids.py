"""Ids in addresses: any text, including slashes, whatever the names of routes.

An encoded slash (`%2F`) belongs to an id; a plain one is a separator, but may also be part of an id if the address
cannot be read otherwise. The server decodes both in the same way, so encoded ones are marked before the address is
routed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from werkzeug.routing import BaseConverter

_SLASH = "\0"  # represents an encoded slash while the address is routed; no id can contain it
_ENCODED_SLASH, _ENCODED_NULL = re.compile("%2f", re.IGNORECASE), "%00"
_REPLACEMENT = "%EF%BF%BD"


class IdConverter(BaseConverter):
    """The id of a task or a worker."""

    regex = ".+?"
    part_isolating = False

    def to_python(self, value: str) -> str:
        return value.replace(_SLASH, "/")


class EncodedSlashes:
    """A WSGI application before which encoded slashes are marked."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # As the client wrote it; without it nothing is known about slashes.
        path = str(environ.get("RAW_URI", "")).partition("?")[0]
        if path.startswith("/") and _ENCODED_SLASH.search(path):
            path = _ENCODED_SLASH.sub(_ENCODED_NULL, path.replace(_ENCODED_NULL, _REPLACEMENT))
            environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
        return self._application(environ, start_response)
