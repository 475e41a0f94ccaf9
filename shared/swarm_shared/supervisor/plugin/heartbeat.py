"""Whether the reaper, which lives, also works: it calls every few seconds, and a long silence means that it hangs."""

from __future__ import annotations

SILENT_AFTER_S = 14.0  # it calls every 5 s; with ticks of 5 s a silence is noticed within 19 s
BREAK_S = 10.0  # longer between two checks: the machine or supervisord itself was not running


class Heartbeat:
    """The calls of one process. Only one that has called is judged: before that it may be waiting for a database."""

    def __init__(self) -> None:
        self._pid = 0
        self._heard_at = self._looked_at = 0.0

    def hear(self, pid: int, now: float, *, grace_s: float = 0.0) -> None:
        """The process has called; monotonic seconds. It need not call again for `grace_s` longer than usual."""
        self._pid, self._heard_at = pid, now + grace_s

    def silent_s(self, pid: int, now: float) -> float | None:
        """For how long the process has been silent, when that is too long; call it every few seconds."""
        since_check, self._looked_at = now - self._looked_at, now
        if pid != self._pid:
            return None
        if since_check > BREAK_S:
            # It had no chance to call meanwhile, as when a virtual machine was paused: it gets its time again.
            self._heard_at = max(self._heard_at, now)
        silent = now - self._heard_at
        return silent if silent >= SILENT_AFTER_S else None
