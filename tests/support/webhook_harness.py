"""A webhook on loopback that records what it is sent, and that can refuse, hang and be slow."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trees


class Webhook:
    """`received` are the bodies of requests that were read, in order; `keys` their Idempotency-Key headers."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.paths: list[str] = []
        self.status = 204
        self.headers: dict[str, str] = {}
        self.answers_after_s: Callable[[], float] = lambda: 0.0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._lock = threading.Lock()
        harness = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with harness._lock:
                    harness.received.append(json.loads(body))
                    harness.keys.append(self.headers.get("Idempotency-Key", ""))
                    harness.paths.append(self.path)
                harness.may_answer.wait(trees.DEADLINE_S)
                time.sleep(harness.answers_after_s())
                try:
                    self.send_response(harness.status)
                    for name, value in harness.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass  # the sender has gone

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def events(self) -> list[str]:
        """The texts of all notices, in the order of their arrival."""
        return [event["text"] for body in self.received for event in body["events"]]

    def repeated(self) -> list[str]:
        """Keys that arrived more than once."""
        return [key for key, times in Counter(self.keys).items() if times > 1]

    def wait(self, messages: int, deadline_s: float = trees.DEADLINE_S) -> None:
        trees.wait_until(lambda: len(self.received) >= messages, f"{messages} messages", deadline_s)

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A webhook for the time of a test."""
    harness = Webhook()
    try:
        yield harness
    finally:
        harness.close()
