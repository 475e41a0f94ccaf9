"""The reaper's configuration, read from the settings once at its start."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec import Struct

from swarm_shared.notifying.collecting import Pace
from swarm_shared.reaping import Limits
from swarm_shared.runners.choose import try_runners
from swarm_shared.settings.notify_settings import NotifyTarget
from swarm_shared.settings.settings import Settings
from swarm_shared.store.queue.policy import Budgets

# Workers end a stuck session themselves; the reaper acts only if the worker is stuck as well.
STUCK_MARGIN_MS = 30_000
LEAST_WATCH_MS = 1_000


class ReaperConfig(Struct, frozen=True, kw_only=True):
    """The reaper's settings. `keep_output_days` None keeps everything."""

    db: Path
    state_dir: Path
    budgets: Budgets
    limits: Limits
    keep_output_days: float | None
    min_free_bytes: int
    notify: tuple[NotifyTarget, ...]
    pace: Pace
    sync_command: str | None
    project_root: Path
    try_runners: Callable[[], None]  # raises ConfigError where one does not work


def reaper_config(settings: Settings) -> ReaperConfig:
    """The reaper's part of the settings."""
    return ReaperConfig(
        db=settings.db,
        state_dir=settings.state_dir,
        budgets=Budgets.of(settings),
        limits=Limits(
            orphan_timeout_ms=round(settings.orphan_timeout_min * 60_000) + STUCK_MARGIN_MS,
            # A worker that is alive and was only delayed renews its lease within one heartbeat.
            overdue_ms=max(LEAST_WATCH_MS, round(settings.heartbeat_s * 1000)),
        ),
        keep_output_days=settings.keep_output_days,
        min_free_bytes=round(settings.min_free_mb * 1024 * 1024),
        notify=settings.notify,
        pace=Pace(every_ms=round(settings.notify_every_s * 1000), quiet=settings.quiet),
        sync_command=settings.sync_command,
        project_root=settings.project_root,
        try_runners=partial(try_runners, settings),
    )
