"""The WebSocket: opened with a single-use ticket, up to a limit. A page only sends which logs it has open."""

from __future__ import annotations

import threading
from typing import Any

from flask import Flask, Response, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed

from swarm_dashboard.context import Context
from swarm_dashboard.live.live_updates import Subscriber, serve
from swarm_dashboard.web import params
from swarm_dashboard.web.guard import SOCKET_ENDPOINT
from swarm_dashboard.web.json_responses import refusal
from swarm_shared.domain.errors import InputError

PING_S = 25
MAX_MESSAGE_BYTES = 4096


class _Daemon(threading.Thread):
    """The library's receiving thread, which must not prevent the process from ending."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments, daemon=True)


def install(app: Flask, context: Context) -> None:
    """Add `/ws` to the app; to be called after the guard, whose checks come first."""
    app.config["SOCK_SERVER_OPTIONS"] = {
        "ping_interval": PING_S,
        "max_message_size": MAX_MESSAGE_BYTES,
        "thread_class": _Daemon,
    }

    # Before the route, because the handshake is answered the moment the route begins.
    @app.before_request
    def admit() -> Response | None:
        if request.endpoint != SOCKET_ENDPOINT:
            return None
        if not context.access.open_to_all and not context.access.use_ticket(
            SOCKET_ENDPOINT, request.args.get("ticket", "")
        ):
            return refusal(401, "no_ticket", "the ticket is missing, used or too old", "get one with POST /api/ticket")
        try:
            g.since = params.integer(request.args, "since", -1, low=-1, high=2**53)
        except InputError as error:
            return refusal(400, "bad_input", error.message, error.hint)
        if not context.live.take_place():
            return refusal(
                503, "too_many_pages", "too many pages are already connected", "close one, or poll /api/status"
            )
        g.has_place = True
        return None

    @app.teardown_request
    def give_back(error: BaseException | None) -> None:
        if g.pop("has_place", False):
            context.live.free_place()

    sock = Sock(app)

    @sock.route("/ws", endpoint=SOCKET_ENDPOINT)  # type: ignore[untyped-decorator]  # the library has no types
    def follow(line: Any) -> None:
        page = context.live.follow(line.sock)
        _Daemon(target=_listen, args=(line, page), name="page").start()
        try:
            first = context.live.first(None if g.since < 0 else g.since)
            serve(page, line.send, lambda: bool(line.connected), first)
        except OSError:
            pass  # the page went away while we sent
        finally:
            context.live.leave(page)


def _listen(line: Any, page: Subscriber) -> None:
    """Read a page's messages until its connection ends."""
    try:
        while not page.is_over:
            message = line.receive()
            if message is not None:
                page.hear(message)
    except (ConnectionClosed, OSError):
        pass  # the page went away; the sending side notices by itself
