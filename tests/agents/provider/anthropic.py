"""Anthropic's Messages API."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from agents.provider.asks import Ask, Kind, Turn, flat, kind_of
from agents.provider.dialect import CACHED, INPUT, OUTPUT, Event, new_id
from agents.provider.faults import RETRY_AFTER_S, ErrorReply, Fault
from agents.provider.script import Move, Say


class Anthropic:
    """`/v1/messages`."""

    name = "anthropic"

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        turns: list[Turn] = []
        for message in body.get("messages", ()):
            content = message["content"]
            for block in content if isinstance(content, list) else [{"type": "text", "text": content}]:
                if block.get("type") == "text":
                    turns.append(Turn(kind_of(message["role"]), block["text"]))
                elif block.get("type") == "tool_result":
                    turns.append(Turn(Kind.RESULT, flat(block.get("content"))))
        return Ask(
            model=body.get("model", ""),
            turns=tuple(turns),
            tools={tool["name"]: tool.get("input_schema", {}) for tool in body.get("tools", ()) if "name" in tool},
            stream=bool(body.get("stream")),
        )

    def error(self, fault: Fault, window_s: int) -> ErrorReply:
        status, kind, message = _ERRORS[fault]
        body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": new_id("req_")}
        return ErrorReply(status, body, _headers(fault, window_s))

    def whole(self, ask: Ask, move: Move, *, refused: bool) -> Mapping[str, Any]:
        return {
            **_message(ask),
            "content": [_block(move)],
            "stop_reason": _stop(move, refused),
            "usage": {**_USAGE, "output_tokens": OUTPUT},
        }

    def events(self, ask: Ask, move: Move, *, refused: bool) -> Sequence[Event]:
        block = _block(move)
        if isinstance(move, Say):
            start: Mapping[str, Any] = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": move.text}
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(move.arguments)}
        ending = {"stop_reason": _stop(move, refused), "stop_sequence": None}
        pieces: list[Mapping[str, Any]] = [
            {"type": "message_start", "message": _message(ask)},
            {"type": "content_block_start", "index": 0, "content_block": start},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": ending, "usage": {"output_tokens": OUTPUT}},
            {"type": "message_stop"},
        ]
        return [Event(piece, piece["type"]) for piece in pieces]


_USAGE = {"input_tokens": INPUT, "cache_creation_input_tokens": 0, "cache_read_input_tokens": CACHED}
# Status, type, message.
_ERRORS = {
    Fault.UNAUTHORIZED: (401, "authentication_error", "invalid x-api-key"),
    Fault.FORBIDDEN: (403, "permission_error", "Your account does not have access to Claude Code."),
    Fault.UNPAID: (402, "billing_error", "Your account's billing needs attention."),
    Fault.RATE_LIMIT: (
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 50 requests per minute.",
    ),
    Fault.QUOTA: (
        400,
        "invalid_request_error",
        (
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
            "purchase credits."
        ),
    ),
    Fault.WINDOW: (429, "rate_limit_error", "This request would exceed your account's rate limit."),
    Fault.SERVER_ERROR: (500, "api_error", "Internal server error"),
    Fault.OVERLOADED: (529, "overloaded_error", "Overloaded"),
    Fault.TOO_LONG: (400, "invalid_request_error", "prompt is too long: 213423 tokens > 200000 maximum"),
}


def _headers(fault: Fault, window_s: int) -> Mapping[str, str]:
    if fault is Fault.RATE_LIMIT:
        return {"retry-after": str(RETRY_AFTER_S)}
    if fault is Fault.WINDOW:
        opens = str(int(time.time()) + window_s)
        limit = "anthropic-ratelimit-unified"
        return {
            "retry-after": str(window_s),
            "x-should-retry": "false",
            f"{limit}-status": "rejected",
            f"{limit}-reset": opens,
            f"{limit}-5h-status": "rejected",
            f"{limit}-5h-reset": opens,
            f"{limit}-5h-utilization": "1.0",
            f"{limit}-representative-claim": "five_hour",
        }
    return {}


def _message(ask: Ask) -> Mapping[str, Any]:
    return {
        "id": new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**_USAGE, "output_tokens": 1},
    }


def _block(move: Move) -> Mapping[str, Any]:
    if isinstance(move, Say):
        return {"type": "text", "text": move.text}
    return {"type": "tool_use", "id": new_id("toolu_"), "name": move.tool, "input": move.arguments}


def _stop(move: Move, refused: bool) -> str:
    if refused:
        return "refusal"
    return "end_turn" if isinstance(move, Say) else "tool_use"
