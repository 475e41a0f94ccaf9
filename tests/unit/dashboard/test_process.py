"""The real `swarm-dashboard` process: its port, its socket, and that it ends at once and together with its parent."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
import websocket
from queue_harness import QueueHarness
from stopwatch import Stopwatch

from browser import DEADLINE_S, RunningDashboard, dashboard, wait_for
from swarm_dashboard.config import SOCKETS

pytestmark = pytest.mark.integration


@pytest.fixture
def harness(tmp_path: Path) -> QueueHarness:
    made = QueueHarness(tmp_path)
    made.add("1", "2", "3")
    return made


@pytest.fixture
def running(harness: QueueHarness) -> Iterator[RunningDashboard]:
    with dashboard(harness.path) as started:
        yield started


def request(running: RunningDashboard, path: str, body: object = None) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {running.token}", "Origin": running.url}
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    try:
        with urllib.request.urlopen(urllib.request.Request(running.url + path, data, headers), timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def ticket(running: RunningDashboard) -> str:
    status, body = request(running, "/api/ticket", {})
    assert status == 200
    return str(json.loads(body)["ticket"])


def connect(running: RunningDashboard, *, origin: str | None = None, key: str | None = None) -> websocket.WebSocket:
    key = ticket(running) if key is None else key
    url = running.url.replace("http://", "ws://")
    return websocket.create_connection(f"{url}/ws?ticket={key}", origin=origin or running.url, timeout=10)


def test_the_socket_sends_the_state_and_then_each_commit(harness: QueueHarness, running: RunningDashboard) -> None:
    line = connect(running)
    assert json.loads(line.recv())["type"] == "status"
    watch = Stopwatch()
    harness.take()
    while True:
        message = json.loads(line.recv())
        if message["status"]["tasks"]["in_progress"]["count"] == 1:
            break
    assert watch.own_s() < 1.5
    line.close()


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null", "https://127.0.0.1"])
def test_the_socket_refuses_a_foreign_origin(running: RunningDashboard, origin: str) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        connect(running, origin=origin)


def test_the_socket_refuses_a_missing_origin_and_a_foreign_host(running: RunningDashboard) -> None:
    url = running.url.replace("http://", "ws://") + f"/ws?ticket={ticket(running)}"
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        websocket.create_connection(url, suppress_origin=True, timeout=10)
    with pytest.raises(websocket.WebSocketBadStatusException, match="400"):
        websocket.create_connection(url, host="evil.example", origin="http://evil.example", timeout=10)


def test_a_ticket_opens_only_one_socket(running: RunningDashboard) -> None:
    key = ticket(running)
    connect(running, key=key).close()
    for bad in (key, "", "wrong"):
        with pytest.raises(websocket.WebSocketBadStatusException, match="401"):
            connect(running, key=bad)


def test_one_socket_more_than_allowed_is_refused_and_the_others_continue(running: RunningDashboard) -> None:
    with ExitStack() as stack:
        for _ in range(SOCKETS):
            line = connect(running)
            stack.callback(line.close)
            line.recv()
        with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
            connect(running)
        watch = Stopwatch()
        assert request(running, "/api/status")[0] == 200
        assert watch.own_s() < 2.0
    # Their places are free again soon after they left.
    wait_for(lambda: _opens(running))


def _opens(running: RunningDashboard) -> bool:
    try:
        connect(running).close()
    except websocket.WebSocketBadStatusException:
        return False
    return True


@pytest.mark.parametrize("to_group", [False, True])
def test_it_ends_within_two_seconds_while_pages_are_open(
    harness: QueueHarness, running: RunningDashboard, to_group: bool
) -> None:
    lines = [connect(running) for _ in range(3)]
    idle = socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2])))
    processes = psutil.Process(running.process.pid).children(recursive=True)
    watch = Stopwatch()
    running.process.send_signal(signal.SIGTERM)
    if to_group:  # supervisord signals the whole group
        for child in processes:
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGTERM)
    running.process.wait(DEADLINE_S)
    assert watch.own_s() < 2.0
    assert not [child for child in processes if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert running.process.returncode == 0
    assert harness.db.swarm.services()["dashboard"].stopped_at is not None
    for line in [*lines]:
        line.shutdown()
    idle.close()


def test_it_prints_its_address_and_responds_there(harness: QueueHarness, running: RunningDashboard) -> None:
    service = harness.db.swarm.services()["dashboard"]
    assert service.process.pid == running.process.pid
    assert service.detail["url"] == running.url + "/"
    assert urllib.request.urlopen(f"{service.detail['url']}healthz", timeout=10).read() == b"ok\n"
    assert running.token == harness.db.swarm.dashboard_token()


def test_it_listens_only_on_one_loopback_port(running: RunningDashboard) -> None:
    wait_for(lambda: _answers(running.url + "/"))
    master = psutil.Process(running.process.pid)
    found = {
        (connection.laddr.ip, connection.laddr.port)
        for process in (master, *master.children(recursive=True))
        for connection in process.net_connections("all")
        if connection.status == psutil.CONN_LISTEN or isinstance(connection.laddr, str)
        if not isinstance(connection.laddr, str)
    }
    assert found == {("127.0.0.1", int(running.url.rpartition(":")[2]))}


def test_a_configured_port_that_is_taken_is_an_error(harness: QueueHarness, running: RunningDashboard) -> None:
    port = running.url.rpartition(":")[2]
    ended = subprocess.run(
        [sys.executable, "-m", "swarm_dashboard", "--db", str(harness.path), "--port", port],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 3
    assert f"port {port} is in use" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_serving_other_machines_without_your_own_token_is_refused(harness: QueueHarness) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "swarm_dashboard", "--db", str(harness.path), "--host", "0.0.0.0"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 3
    assert "SWARM_DASHBOARD_TOKEN" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_parent(harness: QueueHarness, number: signal.Signals) -> None:
    """The parent is a shell that runs the dashboard as supervisord would."""
    script = "import os, subprocess, sys; subprocess.run(sys.argv[1:])"
    command = [sys.executable, "-c", script, sys.executable, "-m", "swarm_dashboard"]
    command += ["--db", str(harness.path), "--port", "0"]
    owner = subprocess.Popen(command, env=os.environ | {"SUPERVISOR_ENABLED": "1"}, stderr=subprocess.DEVNULL)
    try:
        service = wait_for(lambda: harness.db.swarm.services().get("dashboard"))
        master = psutil.Process(service.process.pid)
        processes = [master, *wait_for(lambda: master.children(recursive=True))]
        wait_for(lambda: _answers(service.detail["url"]))
        owner.send_signal(number)
        owner.wait(DEADLINE_S)
        assert not psutil.wait_procs(processes, timeout=DEADLINE_S)[1]
    finally:
        owner.kill()


def test_after_the_death_of_its_master_the_port_is_free_at_once(running: RunningDashboard) -> None:
    [worker] = wait_for(lambda: psutil.Process(running.process.pid).children())
    wait_for(lambda: _answers(running.url + "/"))
    running.process.kill()
    running.process.wait(DEADLINE_S)
    watch = Stopwatch()
    assert not psutil.wait_procs([worker], timeout=DEADLINE_S)[1]
    assert watch.own_s() < 2.0


def _answers(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(f"{url}healthz", timeout=2).read())
    except OSError:
        return False


def test_the_token_is_in_no_command_line_and_no_environment(running: RunningDashboard) -> None:
    master = psutil.Process(running.process.pid)
    for process in (master, *master.children(recursive=True)):
        assert running.token not in " ".join(process.cmdline())
        assert running.token not in json.dumps(process.environ())
