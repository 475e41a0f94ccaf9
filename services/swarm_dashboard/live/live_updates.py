"""Pushes changes to open pages: one thread watches the database, and every page has its own short queue.

Outcomes of requests and new log lines are sent at the next check; the complete state is built at most four times a
second. A page that does not read is dropped, not waited for: it reconnects and gets a fresh state.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from swarm_dashboard.live.log_tails import LogTails, Tail, wanted_by
from swarm_dashboard.live.outcomes import Outcomes
from swarm_dashboard.payloads import shapes
from swarm_dashboard.web.database_reader import Reader
from swarm_dashboard.web.json_responses import dumps, written
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.program import logs
from swarm_shared.redaction.redaction import Redaction

POLL_S = 0.02  # reads one number, and nothing else unless that has changed
LINES_GAP_S = 0.1
MESSAGE_GAP_S = 0.25  # at most four states a second
QUEUE_LENGTH = 32
EVENTS_AT_ONCE = 500
TICK_S = 15.0  # a page that receives nothing for much longer than this considers the connection dead
LISTEN_S = 1.0  # how soon a page that went away is noticed
TICK = dumps({"type": "tick"})
_log = logging.getLogger(__name__)

T = TypeVar("T")


class Subscriber:
    """One open page."""

    def __init__(self, line: socket.socket | None) -> None:
        self.is_over = False
        self.tails: tuple[Tail, ...] = ()
        self._line = line
        self._queue: queue.Queue[str | None] = queue.Queue(maxsize=QUEUE_LENGTH)

    def next(self, timeout_s: float) -> str | None:
        """The next message; None if none came in time, or if the page was dropped."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def offer(self, message: str) -> bool:
        """Queue a message without waiting; False when the queue is full."""
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            return False
        return True

    def hear(self, message: str | bytes) -> None:
        """Handle the page's message: the logs that it has open."""
        wanted = wanted_by(message)
        if wanted is not None:
            self.tails = tuple(Tail(one) for one in wanted)

    def drop(self) -> None:
        """End the page's connection, even during a send that waits for it to read."""
        self.is_over = True
        self.offer("")
        if self._line is not None:
            try:
                self._line.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already


class Live:
    """Watches one database for the pages that follow it."""

    def __init__(self, reader: Reader, redaction: Redaction, *, places: int) -> None:
        """Bind to a database.

        Args:
            places: Pages that may follow at once.
        """
        self._reader = reader
        self._redaction = redaction
        self._places = threading.BoundedSemaphore(places)
        self._guard = threading.Lock()
        self._pages: set[Subscriber] = set()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._version = -1
        self._cursor = 0
        self._outcomes = Outcomes()
        self._logs = LogTails()
        self._pushed_version = self._lines_version = -1

    def take_place(self) -> bool:
        """Reserve a place for a page; False if all are taken or the process is ending."""
        return not self._ended.is_set() and self._places.acquire(blocking=False)

    def free_place(self) -> None:
        self._places.release()

    def follow(self, line: socket.socket | None) -> Subscriber:
        """Start queueing messages for a page; the watching thread runs while any page follows."""
        page = Subscriber(line)
        with self._guard:
            self._pages.add(page)
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(target=self._watch, name="live", daemon=True)
                self._thread.start()
        if self._ended.is_set():
            page.drop()
        return page

    def leave(self, page: Subscriber) -> None:
        with self._guard:
            self._pages.discard(page)

    @property
    def followers(self) -> int:
        return len(self._pages)

    def end(self) -> None:
        """Drop every page, so that the process can go; may be called from a signal handler's thread."""
        self._ended.set()
        for page in tuple(self._pages):
            page.drop()

    def first(self, since: int | None) -> list[str]:
        """The first messages of a page: the current state, then what it missed since the event that it names."""
        reading = self._reader()
        state = shapes.status(reading)
        messages = [self._told("status", state["seq"], state)]
        if since is not None and since != state["seq"]:
            missed = reading.database.events.since(since, limit=EVENTS_AT_ONCE + 1) if since < state["seq"] else []
            if missed and len(missed) <= EVENTS_AT_ONCE:
                messages.append(self._told("events", missed[-1]["id"], missed))
            else:
                messages.append(self._told("reset", state["seq"], []))
        return messages

    def poll(self) -> str | None:
        """A message if another process has committed since the last check; otherwise None."""
        reading = self._reader()
        version = reading.database.connection.data_version()
        if version == self._version:
            return None
        fresh = self._version == -1
        self._version = version
        state = shapes.status(reading)
        since, self._cursor = self._cursor, state["seq"]
        # Sent on the first check too: a page may have read its first state just before a commit that we saw.
        events = [] if fresh else reading.database.events.since(since, limit=EVENTS_AT_ONCE)
        return written(self._redaction, {"type": "events", "seq": self._cursor, "data": events, "status": state})

    def push(self) -> list[str]:
        """New outcomes of requests since the last call, as messages for every page."""
        reading = self._reader()
        version = reading.database.connection.data_version()
        if version == self._pushed_version and not self._outcomes.is_due(reading.database.clock.wall_ms()):
            return []
        self._pushed_version = version
        return [written(self._redaction, {"type": "outcome", "data": row}) for row in self._outcomes.fresh(reading)]

    def push_lines(self) -> None:
        """Send each page the lines that were added to the logs it has open."""
        with self._guard:
            following = [(page, tail) for page in self._pages for tail in page.tails]
        if not following:
            return
        reading = self._reader()
        version = reading.database.connection.data_version()
        for page, tail in following:
            if version == self._lines_version and tail.is_up_to_date:
                continue
            message = self._logs.fresh(reading, tail)
            if message is not None:
                self._send(page, written(self._redaction, message))
        self._lines_version = version

    def _watch(self) -> None:
        """Check fifty times a second, and send the state at most four times a second, until no page follows."""
        sent_at = lines_at = 0.0
        self._version = self._pushed_version = self._lines_version = -1
        self._outcomes.forget()
        try:
            while self._goes_on():
                began = time.monotonic()
                for outcome in self._safely(self.push) or ():
                    self._push(outcome)
                if began - lines_at >= LINES_GAP_S:
                    lines_at = began
                    self._safely(self.push_lines)
                if began - sent_at >= MESSAGE_GAP_S:
                    message = self._safely(self.poll)
                    if message is not None:
                        sent_at = began
                        self._push(message)
                self._ended.wait(POLL_S)
        finally:
            self._reader.close()

    def _goes_on(self) -> bool:
        with self._guard:
            if self._pages and not self._ended.is_set():
                return True
            self._thread = None
            return False

    def _safely(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except DatabaseError as error:
            logs.event(_log, "look_failed", level=logging.WARNING, error=error.message)
            self._version = self._pushed_version = self._lines_version = -1
            self._ended.wait(MESSAGE_GAP_S)
            return None

    def _push(self, message: str) -> None:
        with self._guard:
            pages = tuple(self._pages)
        for page in pages:
            self._send(page, message)

    def _send(self, page: Subscriber, message: str) -> None:
        if not page.offer(message):
            logs.event(_log, "slow_page_dropped", level=logging.WARNING)
            self.leave(page)
            page.drop()

    def _told(self, kind: str, seq: int, data: Any) -> str:
        return written(self._redaction, {"type": kind, "seq": seq, "data": data})


def serve(page: Subscriber, send: Callable[[str], None], is_open: Callable[[], bool], first: Sequence[str]) -> None:
    """Send a page what is queued for it until it goes away or is dropped."""
    for opening in first:
        send(opening)
    quiet_since = time.monotonic()
    while is_open() and not page.is_over:
        message = page.next(LISTEN_S)
        if message is None and time.monotonic() - quiet_since >= TICK_S:
            message = TICK
        if message and not page.is_over:
            send(message)
            quiet_since = time.monotonic()
