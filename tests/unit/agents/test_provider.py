"""The provider that the real agent CLIs are tested against, as a CLI sees it: over HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from agents.provider import Fault, Provider

BUILDER = '{"status": "success" or "failed"}'
VALIDATOR = '{\n  "verdict": "PASS" or "FAIL"\n}'
SHELL = {"type": "object", "properties": {"command": {"type": "string"}, "why": {"type": "string"}}}
SHELL_TOOL = {**SHELL, "required": ["command", "why"]}
MESSAGES, RESPONSES, CHAT = "/v1/messages", "/v1/responses", "/v1/chat/completions"
GEMINI = "/v1beta/models/gemini-play:streamGenerateContent?alt=sse"
APIS = (MESSAGES, RESPONSES, CHAT, GEMINI)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as listening:
        yield listening


def prompt(*lines: str, asks: str = BUILDER) -> str:
    return "\n".join(["# Task T1: Try", "", "Working directory: /project", "PLAY task T1", *lines, "", asks])


def request(api: str, text: str, *, result: str | None = None, tool: str = "bash") -> dict[str, Any]:
    """What a CLI with a shell sends: the prompt, and after it the result of a tool."""
    if api == MESSAGES:
        turns: list[dict[str, Any]] = [{"role": "user", "content": text}]
        if result:
            block = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": result}]}
            turns.append({"role": "user", "content": [block]})
        return {"model": "m", "stream": True, "messages": turns, "tools": [{"name": tool, "input_schema": SHELL_TOOL}]}
    if api == RESPONSES:
        items: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "input_text", "text": text}]}]
        if result:
            items.append({"type": "function_call_output", "call_id": "t1", "output": result})
        tools = [{"type": "function", "name": tool, "parameters": SHELL_TOOL}]
        return {"model": "m", "stream": True, "input": items, "tools": tools}
    if api == CHAT:
        turns = [{"role": "user", "content": text}]
        if result:
            turns.append({"role": "tool", "tool_call_id": "t1", "content": result})
        functions = [{"type": "function", "function": {"name": tool, "parameters": SHELL_TOOL}}]
        return {"model": "m", "stream": True, "messages": turns, "tools": functions}
    parts = [{"role": "user", "parts": [{"text": text}]}]
    if result:
        parts.append({"role": "user", "parts": [{"functionResponse": {"response": {"output": result}}}]})  # type: ignore[list-item]
    declared = [{"functionDeclarations": [{"name": tool, "parametersJsonSchema": SHELL_TOOL}]}]
    return {"contents": parts, "tools": declared}


def post(provider: Provider, path: str, body: object) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(provider.url).netloc, timeout=10)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("api", APIS)
def test_the_model_calls_a_tool_and_then_reports_success(provider: Provider, api: str) -> None:
    text = prompt("PLAY builder run make all")
    status, called = post(provider, api, request(api, text))
    assert status == 200
    assert "make all" in called
    assert "why" in called  # an argument that the tool requires
    status, said = post(provider, api, request(api, text, result="it ran"))
    assert status == 200
    assert "success" in said
    assert "it ran" in said
    assert [(e.task, e.role, e.played) for e in provider.exchanges] == [
        ("T1", "builder", "call"),
        ("T1", "builder", "say"),
    ]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        (Fault.UNAUTHORIZED, {400, 401}),
        (Fault.RATE_LIMIT, {429}),
        (Fault.QUOTA, {400, 429}),
        (Fault.SERVER_ERROR, {500}),
        (Fault.OVERLOADED, {503, 529}),
        (Fault.TOO_LONG, {400}),
    ],
)
def test_a_fault_lasts_as_long_as_it_is_set_and_no_longer(
    provider: Provider, api: str, fault: Fault, statuses: set[int]
) -> None:
    with provider.failing(fault):
        status, body = post(provider, api, request(api, prompt()))
        assert status in statuses
        assert "error" in json.loads(body)
    assert post(provider, api, request(api, prompt()))[0] == 200


def test_a_limit_on_concurrent_sessions_refuses_new_ones_and_lets_running_ones_finish(provider: Provider) -> None:
    provider.at_once = 0
    assert post(provider, MESSAGES, request(MESSAGES, prompt()))[0] == 429
    assert post(provider, MESSAGES, request(MESSAGES, prompt(), result="written"))[0] == 200
    provider.at_once = 1
    assert [post(provider, MESSAGES, request(MESSAGES, prompt()))[0] for _ in range(2)] == [200, 200]
    assert provider.sessions == 2


@pytest.mark.parametrize("api", APIS)
def test_a_broken_stream_stops_before_its_end(provider: Provider, api: str) -> None:
    with provider.failing(Fault.BROKEN_STREAM), pytest.raises((http.client.IncompleteRead, ConnectionError)):
        post(provider, api, request(api, prompt()))


def test_connections_are_refused_for_a_while_and_then_accepted_at_the_same_address(
    provider: Provider,
) -> None:
    before = provider.url
    with provider.failing(Fault.REFUSED), pytest.raises(ConnectionRefusedError):
        post(provider, CHAT, request(CHAT, prompt()))
    assert provider.url == before
    assert post(provider, CHAT, request(CHAT, prompt()))[0] == 200


def test_a_hanging_request_is_never_answered(provider: Provider) -> None:
    connection = http.client.HTTPConnection(urlsplit(provider.url).netloc, timeout=0.3)
    with provider.failing(Fault.HANG):
        connection.request("POST", CHAT, json.dumps(request(CHAT, prompt())))
        with pytest.raises(TimeoutError):
            connection.getresponse()
    connection.close()


def test_a_line_that_says_once_applies_to_the_first_answer_only(provider: Provider) -> None:
    text = prompt("PLAY validator fail once", asks=VALIDATOR)
    verdicts = []
    for _ in range(2):
        post(provider, CHAT, request(CHAT, text))
        verdicts.append(post(provider, CHAT, request(CHAT, text, result="the file"))[1])
    assert '\\"verdict\\": \\"FAIL\\"' in verdicts[0].replace("\\\\", "\\")
    assert '\\"verdict\\": \\"PASS\\"' in verdicts[1].replace("\\\\", "\\")


def test_a_fault_may_affect_only_one_role(provider: Provider) -> None:
    lines = "PLAY validator fault server_error"
    assert post(provider, CHAT, request(CHAT, prompt(lines)))[0] == 200
    assert post(provider, CHAT, request(CHAT, prompt(lines, asks=VALIDATOR)))[0] == 500


def test_each_builder_answer_names_a_different_file(provider: Provider) -> None:
    names = []
    for _ in range(2):
        names.append(post(provider, CHAT, request(CHAT, prompt()))[1])
        post(provider, CHAT, request(CHAT, prompt(), result="written"))
    assert "done/T1.1.txt" in names[0]
    assert "done/T1.2.txt" in names[1]


def test_the_newest_prompt_of_a_resumed_session_counts(provider: Provider) -> None:
    body = request(CHAT, prompt(), result="written")
    body["messages"].append({"role": "user", "content": prompt("PLAY builder run retry it").replace("T1", "T2")})
    assert "retry it" in post(provider, CHAT, body)[1]
    assert (provider.exchanges[0].task, provider.exchanges[0].prompts) == ("T2", 2)


def test_a_side_request_without_tools_gets_a_few_words(provider: Provider) -> None:
    body = request(MESSAGES, prompt()) | {"tools": [], "stream": False}
    status, said = post(provider, MESSAGES, body)
    assert status == 200
    assert json.loads(said)["content"][0]["text"]


def test_a_request_for_json_gets_what_its_schema_requires(provider: Provider) -> None:
    schema = {"properties": {"next": {"enum": ["user", "model"]}}, "required": ["next"]}
    asked = {"responseMimeType": "application/json", "responseJsonSchema": schema}
    body = request(GEMINI, prompt()) | {"generationConfig": asked}
    _, said = post(provider, "/v1beta/models/gemini-play:generateContent", body)
    assert json.loads(json.loads(said)["candidates"][0]["content"]["parts"][0]["text"]) == {"next": "user"}


def test_it_listens_on_loopback_only(provider: Provider) -> None:
    assert urlsplit(provider.url).hostname == "127.0.0.1"
