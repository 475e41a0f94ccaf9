"""The real dashboard under five hundred connections that never finish a request: it still serves others."""

from __future__ import annotations

import json
import resource
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import websocket
from queue_harness import QueueHarness
from stopwatch import Stopwatch

from browser import RunningDashboard, dashboard

pytestmark = pytest.mark.integration

SILENT = 500
LIMIT_S = 2.0
KINDS = {
    "nothing": b"",
    "half a request line": b"GET /heal",
    "half a head": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    "no body": b"POST /api/emergency-stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{",
    "half a handshake": b"GET /ws?ticket=x HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upg",
    "an answer that is never read": b"GET /static/app.js HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningDashboard]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * SILENT
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))
    harness = QueueHarness(tmp_path)
    harness.add("1")
    with dashboard(harness.path) as started:
        yield started
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def address(running: RunningDashboard) -> tuple[str, int]:
    return "127.0.0.1", int(running.url.rpartition(":")[2])


def connect(running: RunningDashboard, sent: bytes) -> socket.socket:
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(address(running))
    if sent:
        line.sendall(sent)
    return line


def ask(running: RunningDashboard, path: str, body: object = None) -> bytes:
    headers = {"Authorization": f"Bearer {running.token}", "Origin": running.url, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(running.url + path, data, headers), timeout=30) as answer:
        return bytes(answer.read())


def open_page(running: RunningDashboard) -> websocket.WebSocket:
    ticket = json.loads(ask(running, "/api/ticket", {}))["ticket"]
    url = running.url.replace("http://", "ws://")
    return websocket.create_connection(f"{url}/ws?ticket={ticket}", origin=running.url, timeout=10)


@pytest.mark.parametrize("kind", KINDS)
def test_silent_connections_delay_no_other_client(running: RunningDashboard, kind: str) -> None:
    ask(running, "/healthz")
    with ExitStack() as stack:
        page = open_page(running)
        stack.callback(page.close)
        assert json.loads(page.recv())["type"] == "status"
        for _ in range(SILENT):
            stack.enter_context(connect(running, KINDS[kind]))
        watch = Stopwatch()
        assert json.loads(ask(running, "/api/status"))["tasks"]["total"]["count"] == 1
        assert "control_id" in json.loads(ask(running, "/api/emergency-stop", {}))
        open_page(running).close()
        assert watch.own_s() < LIMIT_S
        message = json.loads(page.recv())  # the open page is notified of the control row
        assert message["type"] in ("events", "tick")


def test_a_slow_client_gets_its_response(running: RunningDashboard) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with connect(running, b"") as line:
        for start in range(0, len(request), 10):
            line.sendall(request[start : start + 10])
            time.sleep(0.02)
        answer = b""
        while data := line.recv(4096):
            answer += data
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"ok\n")
