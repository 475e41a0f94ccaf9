"""The gate before the dashboard's threads: which connections get a thread, which are closed, and when."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from swarm_dashboard.server import gate
from swarm_dashboard.server.arrivals import DEADLINE_S, LINGER_S, MAX_HEAD_BYTES
from swarm_dashboard.server.gate import GatedWorker
from swarm_dashboard.web.json_responses import MAX_BODY_BYTES

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
POST = b"POST /api/pause HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n\r\n"


class _Pool:
    """Threads that never begin: the connections passed to them are inspected instead."""

    def __init__(self) -> None:
        self.given: list[TConn] = []
        self.futures: list[Future[bool]] = []

    def submit(self, _handle: object, conn: TConn) -> Future[bool]:
        self.given.append(conn)
        self.futures.append(Future())
        return self.futures[-1]


class Harness:
    """A worker between the ends of real socket pairs, on a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        config = Config()
        config.set("threads", 2)
        self.worker = GatedWorker(0, os.getpid(), [], None, 30, config, None, clock=lambda: self.now)
        self.worker.poller = selectors.DefaultSelector()
        self.worker.tpool = self.pool = _Pool()
        self.worker.alive = True
        self.clients: list[socket.socket] = []

    def connect(self, sent: bytes = b"") -> socket.socket:
        client, accepted = socket.socketpair()
        client.settimeout(5)
        self.clients.append(client)
        self.worker.nr_conns += 1
        self.worker.enqueue_req(TConn(self.worker.cfg, accepted, ("127.0.0.1", 1), ("127.0.0.1", 2)))
        if sent:
            self.send(client, sent)
        return client

    def send(self, client: socket.socket, data: bytes) -> None:
        while data:
            data = data[client.send(data) :]
            self.look()

    def look(self) -> None:
        while events := self.worker.poller.select(0):
            for key, _ in events:
                key.data(key.fileobj)

    def pass_s(self, seconds: float) -> None:
        self.now += seconds
        self.worker.murder_pending()
        self.look()

    def finish(self, place: int, *, keep: bool) -> None:
        """The thread of one request has responded."""
        self.pool.futures[place].set_result(keep)
        self.worker.finish_request(self.pool.given[place], self.pool.futures[place])


@pytest.fixture
def harness() -> Iterator[Harness]:
    made = Harness()
    yield made
    for client in made.clients:
        client.close()


def is_closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("request_", [GET, POST + b"null"])
def test_a_request_gets_a_thread_with_its_last_byte(harness: Harness, request_: bytes) -> None:
    client = harness.connect()
    for byte in request_[:-1]:
        harness.send(client, bytes([byte]))
        assert harness.pool.given == []
    harness.send(client, request_[-1:])
    assert len(harness.pool.given) == 1
    assert harness.pool.given[0].parser.unreader.read() == request_


@pytest.mark.parametrize("sent", [b"", b"GET / HT", GET[:-2], POST, POST + b"nul"])
def test_an_unfinished_request_is_refused_when_its_time_is_up(harness: Harness, sent: bytes) -> None:
    client = harness.connect(sent)
    harness.pass_s(DEADLINE_S - 0.1)
    assert not is_closed(client)
    harness.pass_s(0.1)
    client.settimeout(5)
    assert client.recv(4096).startswith(b"HTTP/1.1 408 ")
    assert client.recv(1) == b""
    harness.pass_s(LINGER_S)
    assert (harness.worker.nr_conns, harness.pool.given) == (0, [])


def test_a_slow_trickle_of_bytes_does_not_move_the_deadline(harness: Harness) -> None:
    client = harness.connect()
    for _ in range(9):
        harness.send(client, b"x")
        harness.pass_s(1.0)
    harness.send(client, b"x")
    harness.pass_s(1.0)
    assert client.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_the_oldest_unfinished_connection_is_closed_first(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MAX_UNFINISHED", 2)
    first, second, third = (harness.connect(b"GET") for _ in range(3))
    assert [is_closed(client) for client in (first, second, third)] == [True, False, False]
    assert harness.worker.nr_conns == 2


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), b"413"),
        (b"GET /" + b"x" * MAX_HEAD_BYTES, b"431"),
    ],
)
def test_an_endless_request_is_refused_at_once(harness: Harness, sent: bytes, status: bytes) -> None:
    client = harness.connect(sent)
    assert client.recv(4096).split()[1] == status
    assert client.recv(1) == b""
    assert harness.pool.given == []


def test_a_client_that_expects_100_continue_gets_it(harness: Harness) -> None:
    client = harness.connect(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert client.recv(4096).startswith(b"HTTP/1.1 100 ")
    harness.send(client, b"null")
    assert len(harness.pool.given) == 1


def test_the_next_request_on_a_kept_connection_must_be_complete_as_well(harness: Harness) -> None:
    client = harness.connect(GET)
    harness.finish(0, keep=True)
    harness.send(client, GET[:-1])
    assert len(harness.pool.given) == 1
    harness.send(client, GET[-1:])
    assert len(harness.pool.given) == 2
    harness.finish(1, keep=True)
    harness.send(client, GET[:-1])
    harness.pass_s(DEADLINE_S)
    assert client.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_does_not_close_delays_no_other(harness: Harness) -> None:
    client = harness.connect(GET)
    harness.finish(0, keep=False)  # returns at once; the library would wait for the client
    assert client.recv(1) == b""
    assert harness.worker.nr_conns == 1
    harness.pass_s(LINGER_S)
    assert harness.worker.nr_conns == 0


def test_a_client_that_does_not_read_is_closed_if_others_wait_for_a_thread(harness: Harness) -> None:
    page = harness.connect(b"GET /ws?ticket=1 HTTP/1.1\r\n\r\n")
    slow = harness.connect(GET)
    harness.pass_s(60.0)
    assert not is_closed(slow)  # no connection is waiting
    waiting = harness.connect(GET)
    harness.pass_s(0.0)
    assert [is_closed(client) for client in (page, slow, waiting)] == [False, True, False]


def test_a_stopping_worker_waits_for_no_unfinished_request(harness: Harness) -> None:
    client = harness.connect(b"GET")
    harness.worker.alive = False
    harness.pass_s(0.0)
    assert is_closed(client)
    assert harness.worker.nr_conns == 0


def test_without_descriptors_the_oldest_unfinished_connection_is_closed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = harness.connect(b"GET")

    class Listener:
        def accept(self) -> Any:
            raise OSError(24, "too many open files")

    harness.worker.accept(Listener())
    assert is_closed(client)
    harness.worker.accept(Listener())  # none left: no error
