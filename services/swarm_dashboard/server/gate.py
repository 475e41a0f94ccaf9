"""gunicorn's threaded worker behind a gate: a connection gets a thread only when its request is complete.

The event loop of the worker reads what arrives; nothing here blocks, and all of it runs on that one thread. Built on
internals of `gunicorn.workers.gthread`, so pyproject.toml restricts its versions.
"""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from swarm_dashboard.server.arrivals import CONTINUE, DEADLINE_S, LINGER_S, Arrival, Refusal, refusal_of

MAX_UNFINISHED = 512  # connections that wait for the rest of a request; one more closes the oldest
READ_BYTES = 64 * 1024
# A client that does not read its response keeps a thread at most this long, and less when others wait for a thread.
SEND_TIMEOUT_S = 10
CROWDED_S = 1.0
SHORTAGE_PAUSE_S = 0.05
_SHORT_OF_FILES = (errno.EMFILE, errno.ENFILE)


class GatedWorker(ThreadWorker):  # type: ignore[misc]  # the library has no types
    """Hands a connection to a thread together with its complete request."""

    def __init__(self, *arguments: Any, clock: Callable[[], float] = time.monotonic, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._clock = clock
        self._arriving: dict[TConn, Arrival] = {}  # the oldest first
        self._answering: dict[TConn, float] = {}  # since when; the oldest first, without WebSockets
        self._in_threads = 0

    # ───── gunicorn's own steps, which the event loop calls ─────

    def accept(self, listener: socket.socket) -> None:
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in _SHORT_OF_FILES:
                raise
            # Out of descriptors: the loop comes back for this connection once there is one again.
            if not self._close_oldest():
                time.sleep(SHORTAGE_PAUSE_S)

    def enqueue_req(self, conn: TConn) -> None:
        """A new connection, or a kept one on which the next request begins."""
        if not conn.initialized:
            _limit_sends(conn.sock)
        self._await(conn, Arrival(deadline=self._clock() + DEADLINE_S))
        while len(self._arriving) > MAX_UNFINISHED:
            self._close_oldest()

    def finish_request(self, conn: TConn, future: Future[bool]) -> None:
        self._in_threads -= 1
        self._answering.pop(conn, None)
        if not future.cancelled() and future.exception() is None and future.result():
            super().finish_request(conn, future)
        else:
            # The library would wait here, blocking everyone, until the client has closed its side.
            self._drain(conn)

    def murder_pending(self) -> None:
        """Called about once a second: close what is overdue."""
        super().murder_pending()
        now = self._clock()
        for conn, arrival in list(self._arriving.items()):
            if not self.alive or (now >= arrival.deadline and arrival.is_draining):
                self._close(conn)
            elif now >= arrival.deadline:
                self._refuse(conn, Refusal.TOO_SLOW)
        if self._in_threads > self.cfg.threads:
            self._free_a_thread(now)

    # ───── a request arrives ─────

    def _await(self, conn: TConn, arrival: Arrival) -> None:
        conn.sock.setblocking(False)
        self._arriving[conn] = arrival
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read, conn))

    def _read(self, conn: TConn, _sock: socket.socket) -> None:
        if conn not in self._arriving:
            return  # closed by an event just before
        arrival = self._arriving[conn]
        try:
            data = conn.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(conn)
        elif (reason := arrival.add(data)) is not None:
            self._refuse(conn, reason)
        elif arrival.is_whole:
            self._hand_over(conn)
        elif arrival.waits_for_continue:
            self._send(conn, CONTINUE)

    def _hand_over(self, conn: TConn) -> None:
        arrival = self._forget(conn)
        conn.data_ready = True
        conn.init()
        conn.parser.unreader.unread(bytes(arrival.data[: arrival.whole_bytes]))
        conn.is_last = arrival.has_more
        self._in_threads += 1
        if not arrival.opens_socket:
            self._answering[conn] = self._clock()
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> bool:
        """Respond; runs in a thread. Bytes after the request are not answered: no client pipelines."""
        return bool(super().handle(conn)) and not conn.is_last

    # ───── the end of a connection ─────

    def _refuse(self, conn: TConn, reason: Refusal) -> None:
        self._forget(conn)
        self._send(conn, refusal_of(reason))
        self._drain(conn)

    def _send(self, conn: TConn, data: bytes) -> None:
        try:
            conn.sock.send(data)  # a few hundred bytes, which fit the empty buffer of the socket
        except OSError:
            pass  # the client is gone, which the next read shows

    def _drain(self, conn: TConn) -> None:
        """Signal the end, and close after the client: closing with unread bytes would truncate the response."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._discard(conn)
            return
        self._await(conn, Arrival(deadline=self._clock() + LINGER_S, is_draining=True))

    def _close_oldest(self) -> bool:
        oldest = next(iter(self._arriving), None)
        if oldest is not None:
            self._close(oldest)
        return oldest is not None

    def _close(self, conn: TConn) -> None:
        self._forget(conn)
        self._discard(conn)

    def _forget(self, conn: TConn) -> Arrival:
        self.poller.unregister(conn.sock)
        return self._arriving.pop(conn)

    def _discard(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()

    def _free_a_thread(self, now: float) -> None:
        """A request waits for a thread: cut off the client that has been reading a response for longest."""
        oldest = next(iter(self._answering), None)
        if oldest is not None and now - self._answering[oldest] >= CROWDED_S:
            del self._answering[oldest]
            try:
                oldest.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already


def _limit_sends(connection: socket.socket) -> None:
    limit = struct.pack("ll", SEND_TIMEOUT_S, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    # Input that the gate and the parser interpret differently must not cost a thread either.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
