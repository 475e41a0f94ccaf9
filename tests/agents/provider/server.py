"""The provider's HTTP side: finds the API of a request, plays answer or fault, and keeps a record of every request."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from agents.provider.anthropic import Anthropic
from agents.provider.asks import Ask
from agents.provider.dialect import Dialect, Event
from agents.provider.faults import ANSWERED, WINDOW_S, Fault
from agents.provider.gemini import Gemini
from agents.provider.openai import Chat, Responses
from agents.provider.script import Say, move_for, part_of

HOST = "127.0.0.1"
MODELS = ("claude-play", "gpt-play", "gemini-play")
# An abandoned request must not keep the test run alive.
HANG_S = 600.0
_DIALECTS: Mapping[str, Dialect] = {
    "/messages": Anthropic(),
    "/responses": Responses(),
    "/chat/completions": Chat(),
    ":generateContent": Gemini(),
    ":streamGenerateContent": Gemini(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what was played; what happened at the provider, independent of what a CLI reports."""

    dialect: str
    model: str
    task: str | None
    role: str
    tools: tuple[str, ...]  # names
    results: tuple[str, ...]  # what they said since the prompt
    prompts: int  # of ours in the conversation: more than one in a resumed session
    played: str  # say, call, or the name of a fault


class Provider:
    """Listens on a free port of the loopback interface from `start` to `stop`; a context manager does both.

    `fault` applies to every request while it is set; None lets the tasks' own lines decide. While `at_once` is set, a
    session that begins while so many others are thinking is answered with a rate limit.

    Args:
        hurry: Advise clients to repeat at once what failed, as providers may: some CLIs repeat for minutes otherwise.
        think_s: How long the model thinks about the first request of a session.
    """

    def __init__(self, *, hurry: bool = False, think_s: float = 0.0) -> None:
        self.hurry = hurry
        self.think_s = think_s
        self.at_once: int | None = None
        self.sessions = 0  # that it has admitted
        self._thinking = 0
        self.exchanges: list[Exchange] = []
        self.fault: Fault | None = None
        self.window_s = WINDOW_S
        self._answers: dict[tuple[str | None, str], int] = {}
        self._lock = threading.Lock()
        self._port = 0
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Without a path, such as `http://127.0.0.1:40001`."""
        return f"http://{HOST}:{self._port}"

    def start(self) -> None:
        # The port stays the same after `stop`, so that a CLI finds the provider again.
        self._server = _Server((HOST, self._port), self)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Provider:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Play the fault within the block; `REFUSED` closes the port."""
        if fault is Fault.REFUSED:
            self.stop()
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None
            if fault is Fault.REFUSED:
                self.start()

    def answers(self, ask: Ask) -> int:
        with self._lock:
            return self._answers.get((ask.task, ask.role), 0)

    def record(self, ask: Ask, dialect: Dialect, played: str) -> None:
        with self._lock:
            self.exchanges.append(
                Exchange(
                    dialect=dialect.name,
                    model=ask.model,
                    task=ask.task,
                    role=ask.role,
                    tools=tuple(ask.tools),
                    results=ask.results,
                    prompts=ask.prompts,
                    played=played,
                )
            )

    def admits(self) -> bool:
        """Whether one more session may begin; if so it counts until `has_thought`."""
        with self._lock:
            admitted = self.at_once is None or self._thinking < self.at_once
            self._thinking += admitted
            self.sessions += admitted
            return admitted

    def has_thought(self) -> None:
        with self._lock:
            self._thinking -= 1

    def answered(self, ask: Ask) -> None:
        """A final message is about to be sent."""
        with self._lock:
            key = (ask.task, ask.role)
            self._answers[key] = self._answers.get(key, 0) + 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], provider: Provider) -> None:
        super().__init__(address, _Handler)
        self.provider = provider

    def handle_error(self, request: object, client_address: object) -> None:
        """A CLI that is ended drops its connections; only that is expected here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """The record of exchanges is the log."""

    def do_HEAD(self) -> None:
        self._json(200, {})

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        if path.endswith("/models"):
            ids = [{"id": name, "object": "model", "type": "model", "display_name": name} for name in MODELS]
            names = [{"name": f"models/{name}", "displayName": name} for name in MODELS]
            self._json(200, {"object": "list", "data": ids, "models": names, "has_more": False})
        else:
            self._not_found()

    def do_POST(self) -> None:
        raw = self._body()
        path = self.path.partition("?")[0]
        if path.endswith(("/count_tokens", ":countTokens")):
            self._json(200, {"input_tokens": len(raw) // 4, "totalTokens": len(raw) // 4})
            return
        dialect = next((found for ending, found in _DIALECTS.items() if path.endswith(ending)), None)
        if dialect is None:
            self._not_found()
            return
        self._play(dialect, dialect.read(path, json.loads(raw)))

    def _play(self, dialect: Dialect, ask: Ask) -> None:
        provider = self.server.provider
        before = provider.answers(ask)
        part = part_of(ask, before)
        fault = provider.fault or (Fault(part.rest) if part.act == "fault" else None)
        if fault is None and ask.task is not None and ask.tools and not ask.results:
            fault = self._think(provider)
        if fault in ANSWERED:
            error = dialect.error(fault, provider.window_s)
            provider.record(ask, dialect, fault)
            hurry = {"retry-after-ms": "100"} if provider.hurry else {}
            self._json(error.status, error.body, {**hurry, **error.headers})
        elif fault is Fault.HANG:
            provider.record(ask, dialect, fault)
            self._hang()
        else:
            move = Say("I'm sorry.") if fault is Fault.REFUSAL else move_for(ask, part, before)
            final = isinstance(move, Say)
            provider.record(ask, dialect, fault or ("say" if final else "call"))
            refused = fault is Fault.REFUSAL
            if final and fault is None and ask.tools:
                provider.answered(ask)  # before it is sent: the client may be back at once
            if ask.stream or fault is Fault.BROKEN_STREAM:
                self._stream(dialect.events(ask, move, refused=refused), breaks=fault is Fault.BROKEN_STREAM)
            else:
                self._json(200, dialect.whole(ask, move, refused=refused))

    def _think(self, provider: Provider) -> Fault | None:
        """Take the time of a session; a fault that comes up meanwhile spares it, as it has begun."""
        if not provider.admits():
            return Fault.RATE_LIMIT
        try:
            time.sleep(provider.think_s)
        finally:
            provider.has_thought()
        return None

    def _stream(self, events: Any, *, breaks: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("cache-control", "no-cache")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events[: len(events) // 2] if breaks else events:
            self._chunk(_lines(event))
        if breaks:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self._chunk(b"")

    def _chunk(self, raw: bytes) -> None:
        self.wfile.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
        self.wfile.flush()

    def _hang(self) -> None:
        """Until the client goes away."""
        self.connection.settimeout(HANG_S)
        try:
            self.connection.recv(1)
        except OSError:
            pass
        self.close_connection = True

    def _json(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        raw = b"" if self.command == "HEAD" else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def _not_found(self) -> None:
        self._json(404, {"error": {"message": "not found", "type": "not_found"}})

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            raw = b"".join(self._chunks())
        else:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        return gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()


def _lines(event: Event) -> bytes:
    data = event.data if isinstance(event.data, str) else json.dumps(event.data)
    name = f"event: {event.name}\n" if event.name else ""
    return f"{name}data: {data}\n\n".encode()
