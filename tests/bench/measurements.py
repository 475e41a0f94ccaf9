"""All figures by name, in the order in which they are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench import (
    answers,
    claims,
    clicks,
    confinement,
    contention,
    cost,
    day_page,
    footprint,
    imports,
    landings,
    live,
    open_pages,
    plans,
    recovery,
    run_ends,
    scale,
    screen,
    throughput,
    wake,
    worktrees,
)
from bench.figure import Figure, Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A figure that can be requested by name."""

    title: str
    measure: Callable[[Scale], Figure]


MEASUREMENTS = {
    "throughput": Measurement(title=throughput.TITLE, measure=throughput.measure),
    "claims": Measurement(title=claims.TITLE, measure=claims.measure),
    "recovery": Measurement(title=recovery.TITLE, measure=recovery.measure),
    "wake": Measurement(title=wake.TITLE, measure=wake.measure),
    "run": Measurement(title=run_ends.TITLE, measure=run_ends.measure),
    "imports": Measurement(title=imports.TITLE, measure=imports.measure),
    "plans": Measurement(title=plans.TITLE, measure=plans.measure),
    "footprint": Measurement(title=footprint.TITLE, measure=footprint.measure),
    "scale": Measurement(title=scale.TITLE, measure=scale.measure),
    "live": Measurement(title=live.TITLE, measure=live.measure),
    "screen": Measurement(title=screen.TITLE, measure=screen.measure),
    "click": Measurement(title=clicks.TITLE, measure=clicks.measure),
    "answers": Measurement(title=answers.TITLE, measure=answers.measure),
    "pages": Measurement(title=open_pages.TITLE, measure=open_pages.measure),
    "day": Measurement(title=day_page.TITLE, measure=day_page.measure),
    "landing": Measurement(title=landings.TITLE, measure=landings.measure),
    "contention": Measurement(title=contention.TITLE, measure=contention.measure),
    "worktrees": Measurement(title=worktrees.TITLE, measure=worktrees.measure),
    "confinement": Measurement(title=confinement.TITLE, measure=confinement.measure),
    "cost": Measurement(title=cost.TITLE, measure=cost.measure),
}
