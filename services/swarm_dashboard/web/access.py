"""Access control: the bearer token, the limit on guessing it, and single-use tickets for what a URL opens."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable

from swarm_shared.domain.clock import Clock

FAILURES_ALLOWED = 5
FAILURE_WINDOW_MS = 60_000
ADDRESSES_KEPT = 1_000
TICKET_LIFE_MS = 30_000
TICKETS_KEPT = 500


class Access:
    """One per process; safe to use from all threads."""

    def __init__(self, token: Callable[[], str], clock: Clock, *, open_to_all: bool = False) -> None:
        """Bind to a token.

        Args:
            token: Gives the secret, which may change when the database is replaced.
            open_to_all: Ask for no token.
        """
        self.open_to_all = open_to_all
        self._token = token
        self._clock = clock
        self._guard = threading.Lock()
        self._failures: OrderedDict[str, deque[int]] = OrderedDict()
        self._tickets: OrderedDict[str, int] = OrderedDict()

    def is_allowed(self, authorization: str) -> bool:
        """Whether an Authorization header carries the token; compared in constant time."""
        if self.open_to_all:
            return True
        scheme, _, given = authorization.partition(" ")
        # Digests have a fixed length, so not even the length of the token is revealed.
        right = hashlib.sha256(self._token().encode()).digest()
        asked = hashlib.sha256(given.strip().encode(errors="replace")).digest()
        return secrets.compare_digest(right, asked) and scheme.lower() == "bearer"

    def note_failure(self, address: str) -> None:
        """Remember a wrong token from an address."""
        now = self._clock.mono_ms()
        with self._guard:
            failures = self._failures.setdefault(address, deque(maxlen=FAILURES_ALLOWED))
            failures.append(now)
            self._failures.move_to_end(address)
            while len(self._failures) > ADDRESSES_KEPT:
                self._failures.popitem(last=False)

    def is_throttled(self, address: str) -> bool:
        """Whether an address has used up its wrong tries of this minute."""
        with self._guard:
            failures = self._failures.get(address)
            if failures is None or len(failures) < FAILURES_ALLOWED:
                return False
            return self._clock.mono_ms() - failures[0] < FAILURE_WINDOW_MS

    def new_ticket(self, purpose: str) -> str:
        """A secret that opens one thing once within 30 s: it may appear in a URL, which the token may not.

        Args:
            purpose: What it opens, such as the WebSocket; it opens nothing else.
        """
        ticket = secrets.token_hex(32)  # its format matches no known key, so responses do not redact it
        with self._guard:
            self._tickets[_digest(purpose, ticket)] = self._clock.mono_ms() + TICKET_LIFE_MS
            while len(self._tickets) > TICKETS_KEPT:
                self._tickets.popitem(last=False)
        return ticket

    def use_ticket(self, purpose: str, ticket: str) -> bool:
        """Whether the ticket is valid for this purpose; it never is a second time."""
        with self._guard:
            good_until = self._tickets.pop(_digest(purpose, ticket), None)
        return good_until is not None and self._clock.mono_ms() <= good_until


def _digest(purpose: str, ticket: str) -> str:
    # Looked up by digest, so that the time of a lookup reveals nothing about the ticket.
    return hashlib.sha256(f"{purpose} {ticket}".encode(errors="replace")).hexdigest()
