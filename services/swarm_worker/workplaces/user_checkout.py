"""What is in the user's checkout before and after an attempt, so that a write outside the worktree is noticed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.worktrees.leaks import Fingerprint, fingerprint, with_current_settings

# Reading the state of a large checkout costs tens of milliseconds, twice per task. An attempt that starts right after
# another one's end starts from what was seen there. What the user writes in between counts as written during the
# attempt, like what the user writes later on.
RECENT_S = 1.0


class _Seen(Struct, frozen=True, kw_only=True):
    state: Fingerprint
    at: float


class UserCheckout:
    """The user's checkout as one worker sees it.

    Args:
        ignore: Files and folders of ours that may be in it.
        clock: Monotonic seconds.
    """

    def __init__(
        self, repository: Repository, *, ignore: Sequence[Path], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._repository, self._ignore, self._clock = repository, tuple(ignore), clock
        self._seen: _Seen | None = None

    def before(self) -> Fingerprint:
        """The state as an attempt begins, at most `RECENT_S` old."""
        if self._seen is None or self._clock() - self._seen.at > RECENT_S:
            return self.now()
        return with_current_settings(self._repository, self._seen.state)

    def now(self) -> Fingerprint:
        """The current state."""
        at = self._clock()  # taken first: what changes meanwhile may not be in it
        self._seen = _Seen(state=fingerprint(self._repository, ignore=self._ignore), at=at)
        return self._seen.state
