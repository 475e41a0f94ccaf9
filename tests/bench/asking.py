"""A dashboard used like its own page does: requests on one connection, and the socket that announces changes."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

import websocket
from live_swarm import LiveSwarm

from bench.harness import DEADLINE_S, wait_until


class Page:
    """An open page of a swarm's dashboard; the dashboard is started when none runs."""

    def __init__(self, swarm: LiveSwarm) -> None:
        if "dashboard" not in swarm.db.swarm.services():
            swarm.spawn("swarm_dashboard", "--port", "0")
        wait_until(lambda: "dashboard" in swarm.db.swarm.services(), "the dashboard", swarm=swarm)
        self.url = str(swarm.db.swarm.services()["dashboard"].detail["url"]).rstrip("/")
        self.token = swarm.db.swarm.dashboard_token()
        self._connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=DEADLINE_S)
        # Until it responds it has only announced in the database that it will.
        wait_until(self._answers, "an answer of the dashboard", swarm=swarm)

    def get(self, path: str) -> tuple[float, bytes]:
        """The milliseconds until the whole response had arrived, and the response.

        Raises:
            RuntimeError: It was no success.
        """
        return self._ask("GET", path)

    def line(self) -> websocket.WebSocket:
        """A WebSocket that has received the current state."""
        ticket = json.loads(self._ask("POST", "/api/ticket", {})[1])["ticket"]
        address = self.url.replace("http://", "ws://") + f"/ws?ticket={ticket}"
        line = websocket.create_connection(address, origin=self.url, timeout=DEADLINE_S)
        line.recv()
        return line

    def close(self) -> None:
        self._connection.close()

    def _answers(self) -> bool:
        try:
            self.get("/healthz")
        except ConnectionError:
            self._connection.close()  # the next request opens it again
            return False
        return True

    def _ask(self, method: str, path: str, body: Any = None) -> tuple[float, bytes]:
        headers = {"Authorization": f"Bearer {self.token}", "Origin": self.url, "Content-Type": "application/json"}
        text = None if body is None else json.dumps(body)
        began = time.monotonic()
        try:
            self._connection.request(method, path, text, headers)
            answer = self._connection.getresponse()
        except http.client.RemoteDisconnected:
            # Kept open only for moments; it opens again by itself, like that of a browser.
            self._connection.request(method, path, text, headers)
            answer = self._connection.getresponse()
        read = answer.read()
        took_ms = (time.monotonic() - began) * 1000
        if answer.status != http.client.OK:
            raise RuntimeError(f"{method} {path}: {answer.status} {read[:200]!r}")
        return took_ms, read
