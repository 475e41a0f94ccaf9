"""Google's Gemini API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from agents.provider.asks import Ask, Kind, Turn, kind_of
from agents.provider.dialect import CACHED, INPUT, OUTPUT, REASONING, Event, new_id
from agents.provider.faults import RETRY_AFTER_S, ErrorReply, Fault
from agents.provider.script import Move, Say

_TYPES = "type.googleapis.com/google.rpc."
_PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
_PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel"


class Gemini:
    """`/v1beta/models/NAME:generateContent` and `:streamGenerateContent`."""

    name = "gemini"

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        turns: list[Turn] = []
        for content in body.get("contents", ()):
            for part in content.get("parts", ()):
                if "text" in part:
                    turns.append(Turn(kind_of(content.get("role", "user")), part["text"]))
                elif "functionResponse" in part:
                    turns.append(Turn(Kind.RESULT, json.dumps(part["functionResponse"].get("response"))))
        tools = {}
        for group in body.get("tools") or ():
            for tool in group.get("functionDeclarations") or ():
                tools[tool["name"]] = tool.get("parametersJsonSchema") or tool.get("parameters") or {}
        asked = body.get("generationConfig") or {}
        as_json = asked.get("responseMimeType") == "application/json"
        return Ask(
            model=path.rpartition("/")[2].partition(":")[0],
            turns=tuple(turns),
            tools=tools,
            stream="streamGenerateContent" in path,
            wanted=(asked.get("responseJsonSchema") or asked.get("responseSchema") or {}) if as_json else None,
        )

    def error(self, fault: Fault, window_s: int) -> ErrorReply:
        if fault in (Fault.QUOTA, Fault.WINDOW, Fault.UNPAID):
            return _exhausted(_PER_DAY, 40)
        if fault is Fault.RATE_LIMIT:
            return _exhausted(_PER_MINUTE, RETRY_AFTER_S)
        code, status, message = _ERRORS[fault]
        details = []
        if fault is Fault.UNAUTHORIZED:
            details = [{"@type": _TYPES + "ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]
        return _reply(code, status, message, details)

    def whole(self, ask: Ask, move: Move, *, refused: bool) -> Mapping[str, Any]:
        return _piece(ask, _part(move), finishReason="SAFETY" if refused else "STOP")

    def events(self, ask: Ask, move: Move, *, refused: bool) -> Sequence[Event]:
        return [
            Event(_piece(ask, {"text": ""})),
            Event(_piece(ask, {"text": ""} if refused else _part(move))),
            Event(_piece(ask, {"text": ""}, finishReason="SAFETY" if refused else "STOP")),
        ]


# HTTP status, status, message. A wrong key is a 400 here.
_ERRORS = {
    Fault.UNAUTHORIZED: (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    Fault.FORBIDDEN: (
        403,
        "PERMISSION_DENIED",
        "Your API key was reported as leaked. Please use another API key.",
    ),
    Fault.SERVER_ERROR: (500, "INTERNAL", "An internal error has occurred. Please retry."),
    Fault.OVERLOADED: (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    Fault.TOO_LONG: (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ),
}
_USAGE = {
    "promptTokenCount": INPUT + CACHED,
    "cachedContentTokenCount": CACHED,
    "candidatesTokenCount": OUTPUT - REASONING,
    "thoughtsTokenCount": REASONING,
    "totalTokenCount": INPUT + CACHED + OUTPUT,
}


def _exhausted(quota: str, retry_s: int) -> ErrorReply:
    metric = "generativelanguage.googleapis.com/generate_requests"
    message = (
        "You exceeded your current quota, please check your plan and billing details.\n"
        f"* Quota exceeded for metric: {metric}, limit: 5, model: gemini-play\nPlease retry in {retry_s}.5s."
    )
    violation = {"quotaMetric": metric, "quotaId": quota, "quotaValue": "5"}
    details = [
        {"@type": _TYPES + "QuotaFailure", "violations": [violation]},
        {"@type": _TYPES + "RetryInfo", "retryDelay": f"{retry_s}s"},
    ]
    return _reply(429, "RESOURCE_EXHAUSTED", message, details)


def _reply(code: int, status: str, message: str, details: Sequence[Mapping[str, Any]]) -> ErrorReply:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    return ErrorReply(code, {"error": error | ({"details": details} if details else {})}, {})


def _part(move: Move) -> Mapping[str, Any]:
    if isinstance(move, Say):
        return {"text": move.text}
    return {"functionCall": {"name": move.tool, "args": move.arguments}}


def _piece(ask: Ask, part: Mapping[str, Any], **more: Any) -> Mapping[str, Any]:
    candidate = {"content": {"role": "model", "parts": [part]}, "index": 0, **more}
    return {
        "candidates": [candidate],
        "usageMetadata": _USAGE,
        "modelVersion": ask.model,
        "responseId": new_id("play"),
    }
