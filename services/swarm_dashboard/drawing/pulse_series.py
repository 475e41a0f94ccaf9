"""The strip of key figures at the top of the first screen, which programs may also read."""

from __future__ import annotations

from typing import Any

from swarm_dashboard.web.database_reader import Reading
from swarm_shared.domain.clock import iso
from swarm_shared.store.views.pulse import WINDOW_MS


def shown(reading: Reading) -> dict[str, Any]:
    """Ages as moments, so that the page can keep them running; unreported values are null, not zero."""
    pulse = reading.pulse
    ends, spend = pulse.recent_ends(), pulse.spend()
    return {
        "oldest_ready_at": iso(pulse.oldest_ready()),
        "failing": {
            "ended": ends.ended,
            "failed": ends.failed,
            "rate": ends.failing_rate,
            "window_s": WINDOW_MS // 1000,
        },
        "spend": {
            "cost_usd": round(sum(one.cost_usd for one in spend), 4),
            "tokens": sum(one.tokens for one in spend),
            "attempts": sum(one.attempts for one in spend),
        }
        if spend
        else None,
    }
