"""Outgoing JSON: without secrets, and with one format for errors of any kind."""

from __future__ import annotations

import json
import logging
import secrets
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from swarm_shared.domain.errors import DatabaseError, InputError, NotFound, StateError, SwarmError
from swarm_shared.program import logs
from swarm_shared.redaction.redaction import Redaction

MAX_BODY_BYTES = 1024 * 1024
_COMMANDS = ("amplifier-swarm ", "supervisor")
_log = logging.getLogger(__name__)
_STATUS = {NotFound: 404, InputError: 400, StateError: 409, DatabaseError: 503}
_CODE = {NotFound: "not_found", InputError: "bad_input", StateError: "not_allowed", DatabaseError: "database"}


def answer(redaction: Redaction, body: Any, status: int = 200) -> Response:
    """A JSON response without secrets at any depth."""
    return _response(written(redaction, body), status)


def refusal(status: int, code: str, message: str, hint: str | None = None) -> Response:
    """An error in the common format."""
    return _response(dumps({"error": {"code": code, "message": message, "hint": hint}}), status)


def install(app: Flask) -> None:
    """Return every error in that format; an unexpected error shows only an id, and its traceback is in the log."""

    @app.errorhandler(SwarmError)
    def expected(error: SwarmError) -> Response:
        kind = next((k for k in _STATUS if isinstance(error, k)), None)
        if kind is None:
            return unexpected(error)
        return refusal(_STATUS[kind], _CODE[kind], error.message, for_page(error.hint))

    app.register_error_handler(HTTPException, misrouted)

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        error_id = secrets.token_hex(4)
        _log.error("%s", logs.line("request_failed", error_id=error_id), exc_info=error)
        return refusal(500, "internal", f"internal error ({error_id})", "look for this id in the log")


def for_page(hint: str | None) -> str | None:
    """A hint for a page, which has buttons in place of commands: None if it names one."""
    return None if hint is None or any(word in hint for word in _COMMANDS) else hint


def misrouted(error: HTTPException) -> Response:
    """An error of routing or parsing, without the framework's page."""
    return refusal(*_plain(error))


def dumps(body: Any) -> str:
    """Compact JSON in ASCII, so that lone surrogates in a text cannot break the encoding."""
    return json.dumps(body, separators=(",", ":"), allow_nan=False)


def written(redaction: Redaction, body: Any) -> str:
    """The text of a response without secrets at any depth; most contain none.

    Output was redacted before it was stored. Text that users wrote, such as definitions and notes, was not.
    """
    text = dumps(body)
    return dumps(redaction.value(body)) if redaction.spans(text.encode()) else text


def _response(text: str, status: int) -> Response:
    return Response(text, status=status, mimetype="application/json")


def _plain(error: HTTPException) -> tuple[int, str, str]:
    """Status, code and message."""
    status = error.code or 500
    words = {
        404: ("not_found", "not found"),
        405: ("wrong_method", "this method is not allowed here"),
        413: ("too_large", f"the body is larger than {MAX_BODY_BYTES} bytes"),
    }
    code, message = words.get(status, ("bad_request", "the request cannot be understood"))
    return status, code, message
