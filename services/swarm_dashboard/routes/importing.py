"""Importing a text from the browser: the report, which only reads, and the request, which keeps the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from swarm_dashboard.context import Context
from swarm_dashboard.routes.requests import ACTOR
from swarm_dashboard.web import params
from swarm_shared.text_import import KNOWN_FORMATS, MAX_BYTES, MAX_NAME_CHARS, Text, report


def routes(context: Context) -> Blueprint:
    """`/api/import…`."""
    importing = Blueprint("importing", __name__, url_prefix="/api/import")

    def given(body: Mapping[str, Any]) -> Text:
        text = Text(
            text=params.text(body, "text", limit=params.MAX_TEXT_BODY_CHARS),
            name=params.text(body, "name", limit=MAX_NAME_CHARS).strip(),
            plan_format=params.choice(body, "format", "", KNOWN_FORMATS) or None,
            tag=params.text(body, "tag").strip() or None,
            columns=context.config.settings.csv_columns,
        )
        text.check()
        return text

    @importing.get("")
    def limits() -> Response:
        return context.answer({"formats": list(KNOWN_FORMATS), "max_bytes": MAX_BYTES})

    @importing.post("/preview")
    def preview() -> Response:
        return context.answer(report(context.reader().database, given(params.body())))

    @importing.post("")
    def ask() -> Response:
        text = given(params.body())
        with context.reader.writing() as database:
            row = database.control.request_import(
                text.text, text.argument(), actor=ACTOR, idempotency_key=params.key() or None
            )
        return context.answer({"control_id": row}, 202)

    return importing
