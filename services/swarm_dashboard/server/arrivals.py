"""A request while it arrives: the bytes received, whether they are complete, and what is refused immediately.

Only complete requests get a thread, so a connection that sends nothing, or never finishes, occupies none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum

from swarm_dashboard.web.json_responses import MAX_BODY_BYTES

DEADLINE_S = 10.0  # for the head and the body together
LINGER_S = 2.0  # how long a client may take to read a response after which the connection is closed
MAX_HEAD_BYTES = 64 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_WAITS_FOR_CONTINUE = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)


class Refusal(StrEnum):
    """Why a request is refused before it is complete."""

    HEAD_TOO_LARGE = "431 Request Header Fields Too Large"
    BODY_TOO_LARGE = "413 Content Too Large"
    LENGTH_REQUIRED = "411 Length Required"
    TOO_SLOW = "408 Request Timeout"


_MESSAGES = {
    Refusal.HEAD_TOO_LARGE: ("bad_request", f"the head of the request is larger than {MAX_HEAD_BYTES} bytes"),
    Refusal.BODY_TOO_LARGE: ("too_large", f"the body is larger than {MAX_BODY_BYTES} bytes"),
    Refusal.LENGTH_REQUIRED: ("bad_request", "a body needs a Content-Length header"),
    Refusal.TOO_SLOW: ("too_slow", f"the request did not arrive within {DEADLINE_S:.0f} seconds"),
}


@dataclass(slots=True, kw_only=True)
class Arrival:
    """One request of one connection.

    Args:
        deadline: When the connection is closed unless the request is complete; monotonic seconds.
    """

    deadline: float
    data: bytearray = field(default_factory=bytearray)
    whole_bytes: int | None = None  # head and body; known once the head is complete
    is_draining: bool = False  # answered: further bytes are read and dropped until the client closes

    @property
    def is_whole(self) -> bool:
        return self.whole_bytes is not None and len(self.data) >= self.whole_bytes

    @property
    def has_more(self) -> bool:
        """Whether the client has sent more after the request without waiting for its response."""
        return self.whole_bytes is not None and len(self.data) > self.whole_bytes

    def add(self, data: bytes) -> Refusal | None:
        """Take the bytes that have arrived. Returns a reason to refuse the request, if there is one."""
        if self.is_draining:
            return None
        looked_at = max(0, len(self.data) - len(_HEAD_END))
        self.data += data
        if self.whole_bytes is not None:
            return None
        end = self.data.find(_HEAD_END, looked_at)
        if end < 0:
            return Refusal.HEAD_TOO_LARGE if len(self.data) > MAX_HEAD_BYTES else None
        head = bytes(self.data[: end + len(_HEAD_END)])
        if len(head) > MAX_HEAD_BYTES:
            return Refusal.HEAD_TOO_LARGE
        if _CHUNKED.search(head):
            return Refusal.LENGTH_REQUIRED
        # A length that cannot be parsed is left to the server, which refuses it without waiting for a body.
        length = _LENGTH.search(head)
        body_bytes = int(length[1]) if length else 0
        if body_bytes > MAX_BODY_BYTES:
            return Refusal.BODY_TOO_LARGE
        self.whole_bytes = len(head) + body_bytes
        return None

    @property
    def waits_for_continue(self) -> bool:
        """Whether the client asks before it sends the body."""
        if self.whole_bytes is None or self.is_whole:
            return False
        return _WAITS_FOR_CONTINUE.search(self.data) is not None

    @property
    def opens_socket(self) -> bool:
        """Whether the request is for the WebSocket, which stays open for as long as the page does."""
        return self.data.startswith((b"GET /ws?", b"GET /ws "))


def refusal_of(reason: Refusal) -> bytes:
    """The complete response to a refused request."""
    code, message = _MESSAGES[reason]
    body = json.dumps({"error": {"code": code, "message": message, "hint": None}}).encode()
    head = f"HTTP/1.1 {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Cache-Control: no-store\r\nConnection: close\r\n\r\n" + body
