"""OpenAI's two APIs, Responses and Chat Completions, which word their errors alike."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from agents.provider.asks import Ask, Kind, Schema, Turn, flat, kind_of
from agents.provider.dialect import CACHED, INPUT, OUTPUT, REASONING, Event, new_id
from agents.provider.faults import RETRY_AFTER_S, ErrorReply, Fault
from agents.provider.script import Move, Say

# Status, message, type, code.
_ERRORS = {
    Fault.UNAUTHORIZED: (
        401,
        "Incorrect API key provided: made-up*0000. You can find your API key in the settings of your account.",
        "invalid_request_error",
        "invalid_api_key",
    ),
    Fault.FORBIDDEN: (403, "You do not have access to this project.", "invalid_request_error", "permission_denied"),
    Fault.UNPAID: (402, "Insufficient credits. Add more to continue.", "payment_required", "402"),
    Fault.RATE_LIMIT: (
        429,
        (
            "Rate limit reached for gpt-play in organization org-play on tokens per min (TPM): Limit 30000, "
            f"Used 29500, Requested 4000. Please try again in {RETRY_AFTER_S}s."
        ),
        "tokens",
        "rate_limit_exceeded",
    ),
    Fault.QUOTA: (
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        "insufficient_quota",
    ),
    Fault.SERVER_ERROR: (500, "The server had an error while processing your request. Sorry!", "server_error", None),
    Fault.OVERLOADED: (
        503,
        "The engine is currently overloaded, please try again later",
        "server_error",
        None,
    ),
    Fault.TOO_LONG: (
        400,
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "invalid_request_error",
        "context_length_exceeded",
    ),
}


def _error(fault: Fault, window_s: int) -> ErrorReply:
    if fault is Fault.WINDOW:
        limit = {
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": "plus",
            "resets_at": int(time.time()) + window_s,
            "resets_in_seconds": window_s,
        }
        return ErrorReply(429, {"error": limit}, {})
    status, message, kind, code = _ERRORS[fault]
    headers = {"retry-after": str(RETRY_AFTER_S)} if fault is Fault.RATE_LIMIT else {}
    return ErrorReply(status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, headers)


class Responses:
    """`/v1/responses`."""

    name = "responses"

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        items = body.get("input", ())
        turns: list[Turn] = [Turn(Kind.USER, items)] if isinstance(items, str) else []
        for item in () if isinstance(items, str) else items:
            kind = item.get("type", "message")
            if kind == "message":
                turns.append(Turn(kind_of(item.get("role", "user")), flat(item.get("content"))))
            elif kind.endswith("_output"):
                turns.append(Turn(Kind.RESULT, flat(item.get("output"))))
        tools: dict[str, Schema] = {}
        for tool in body.get("tools", ()):
            if tool.get("type") in ("function", "custom"):
                tools[tool["name"]] = tool.get("parameters") or {}
            elif tool.get("type") == "namespace":  # the tools of one MCP server
                tools |= {f"{tool['name']}/{each['name']}": each.get("parameters") or {} for each in tool["tools"]}
        return Ask(model=body.get("model", ""), turns=tuple(turns), tools=tools, stream=bool(body.get("stream")))

    def error(self, fault: Fault, window_s: int) -> ErrorReply:
        return _error(fault, window_s)

    def whole(self, ask: Ask, move: Move, *, refused: bool) -> Mapping[str, Any]:
        return {**_response(ask), "status": "completed", "output": [_item(move, refused)], "usage": _RESPONSE_USAGE}

    def events(self, ask: Ask, move: Move, *, refused: bool) -> Sequence[Event]:
        item = _item(move, refused)
        begun = {**_response(ask), "status": "in_progress", "output": []}
        ended = {**begun, "status": "completed", "output": [item], "usage": _RESPONSE_USAGE}
        empty = {**item, "status": "in_progress", **({"content": []} if isinstance(move, Say) else {})}
        pieces: list[dict[str, Any]] = [
            {"type": "response.created", "response": begun},
            {"type": "response.output_item.added", "output_index": 0, "item": empty},
        ]
        if isinstance(move, Say):
            place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
            pieces.append({"type": "response.output_text.delta", **place, "delta": _words(move, refused)})
        pieces += [
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": ended},
        ]
        return [Event({**piece, "sequence_number": n}, piece["type"]) for n, piece in enumerate(pieces)]


class Chat:
    """`/v1/chat/completions`."""

    name = "chat"

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        turns = [Turn(kind_of(each["role"]), flat(each.get("content"))) for each in body.get("messages", ())]
        functions = [tool["function"] for tool in body.get("tools") or () if "function" in tool]
        return Ask(
            model=body.get("model", ""),
            turns=tuple(turns),
            tools={each["name"]: each.get("parameters") or {} for each in functions},
            stream=bool(body.get("stream")),
        )

    def error(self, fault: Fault, window_s: int) -> ErrorReply:
        return _error(fault, window_s)

    def whole(self, ask: Ask, move: Move, *, refused: bool) -> Mapping[str, Any]:
        message = {"role": "assistant", "content": None, **_delta(move, refused)}
        choice = {"index": 0, "message": message, "finish_reason": _finish(move, refused)}
        return {**_completion(ask, "chat.completion"), "choices": [choice], "usage": _CHAT_USAGE}

    def events(self, ask: Ask, move: Move, *, refused: bool) -> Sequence[Event]:
        base = _completion(ask, "chat.completion.chunk")

        def chunk(delta: Mapping[str, Any], finish: str | None = None) -> Event:
            return Event({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

        return [
            chunk({"role": "assistant", "content": ""}),
            chunk(_delta(move, refused)),
            chunk({}, _finish(move, refused)),
            Event({**base, "choices": [], "usage": _CHAT_USAGE}),
            Event("[DONE]"),
        ]


_RESPONSE_USAGE = {
    "input_tokens": INPUT + CACHED,
    "input_tokens_details": {"cached_tokens": CACHED},
    "output_tokens": OUTPUT,
    "output_tokens_details": {"reasoning_tokens": REASONING},
    "total_tokens": INPUT + CACHED + OUTPUT,
}
_CHAT_USAGE = {
    "prompt_tokens": INPUT + CACHED,
    "prompt_tokens_details": {"cached_tokens": CACHED},
    "completion_tokens": OUTPUT,
    "completion_tokens_details": {"reasoning_tokens": REASONING},
    "total_tokens": INPUT + CACHED + OUTPUT,
}


def _words(move: Say, refused: bool) -> str:
    return "I'm sorry, but I can't help with that." if refused else move.text


def _response(ask: Ask) -> dict[str, Any]:
    return {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "model": ask.model,
        "error": None,
        "usage": None,
    }


def _item(move: Move, refused: bool) -> dict[str, Any]:
    if isinstance(move, Say):
        content = {"type": "output_text", "text": _words(move, refused), "annotations": []}
        return {
            "type": "message",
            "id": new_id("msg_"),
            "role": "assistant",
            "status": "completed",
            "content": [content],
        }
    namespace, _, name = move.tool.rpartition("/")
    call = {"call_id": new_id("call_"), "name": name, "status": "completed"}
    call |= {"namespace": namespace} if namespace else {}
    if isinstance(move.arguments, str):
        return {"type": "custom_tool_call", "id": new_id("ctc_"), "input": move.arguments, **call}
    return {"type": "function_call", "id": new_id("fc_"), "arguments": json.dumps(move.arguments), **call}


def _completion(ask: Ask, kind: str) -> dict[str, Any]:
    return {"id": new_id("chatcmpl-"), "object": kind, "created": int(time.time()), "model": ask.model}


def _delta(move: Move, refused: bool) -> dict[str, Any]:
    if isinstance(move, Say):
        return {"content": _words(move, refused)}
    function = {"name": move.tool, "arguments": json.dumps(move.arguments)}
    return {"tool_calls": [{"index": 0, "id": new_id("call_"), "type": "function", "function": function}]}


def _finish(move: Move, refused: bool) -> str:
    if refused:
        return "content_filter"
    return "stop" if isinstance(move, Say) else "tool_calls"
