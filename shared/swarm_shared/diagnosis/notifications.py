"""Whether notifications arrive."""

from __future__ import annotations

from collections.abc import Iterator

from swarm_shared.database import TaskDatabase
from swarm_shared.diagnosis.finding import Finding, Level

LOOKED_BACK_MS = 7 * 86_400_000


def notification_findings(database: TaskDatabase) -> Iterator[Finding]:
    """Targets whose last message was given up; empty if there are none or no notifications are set up."""
    since = database.clock.wall_ms() - LOOKED_BACK_MS
    for label, error, number in database.outbox.dead_targets(since):
        text = f"{label} does not accept notifications ({number:,} given up): {error}"
        yield Finding(
            code="notification_given_up", part="swarm", name="notifications", level=Level.WARN, text=text,
            advice="correct the target in swarm.yaml, then try it", command="amplifier-swarm notify test", target=label,
        )  # fmt: skip
