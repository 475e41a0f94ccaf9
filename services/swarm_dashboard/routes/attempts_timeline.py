"""`/api/timeline`: the data for the charts of the last hours; a bounded response that says where it was truncated."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, request

from swarm_dashboard.context import Context
from swarm_dashboard.drawing import outcome_bars
from swarm_dashboard.drawing.lanes import Block, drawn, pack
from swarm_dashboard.web import params
from swarm_dashboard.web.database_reader import Reading
from swarm_dashboard.web.shared_responses import SharedAnswers
from swarm_shared.domain.clock import iso
from swarm_shared.settings.settings import MAX_WORKERS
from swarm_shared.store.views.timeline import Recent

MINUTE_MS = 60_000
# Range and width of a bar, both in minutes: every range has few enough bars to be distinguishable.
RANGES = {"15m": (15, 1), "1h": (60, 1), "6h": (360, 5), "24h": (1440, 15)}
MAX_ATTEMPTS = 10_000
MAX_BLOCKS = 5_000
MAX_STAGED = 400  # blocks that show their sessions
SLOTS = 240
MAX_SLOTS = 600
MAX_SEQ = 2**53
MOST_SHARE = 0.05  # of a core for one range, however many pages follow ten thousand attempts an hour
_OVER = ("stopped", "crashed")
_NUMBERED = re.compile(r"(\d+)")


def routes(context: Context) -> Blueprint:
    """The route of the charts, computed once for all pages that ask within a second."""
    shared = SharedAnswers(context.clock, most_share=MOST_SHARE)
    blueprint = Blueprint("timeline", __name__, url_prefix="/api")

    @blueprint.get("/timeline")
    def timeline() -> Response:
        wanted = params.choice(request.args, "range", "1h", tuple(RANGES))
        slots = params.integer(request.args, "slots", SLOTS, low=20, high=MAX_SLOTS)
        reading = context.reader()
        last = reading.database.events.last_id()
        seq = params.integer(request.args, "seq", last, low=0, high=MAX_SEQ)
        body = shared.get(
            (wanted, slots),
            lambda: context.written({"seq": last, **shown(reading, wanted, slots=slots)}),
            last=last,
            wanted=min(seq, last),
        )
        return Response(body, mimetype="application/json")

    return blueprint


def shown(reading: Reading, wanted: str, *, slots: int) -> dict[str, Any]:
    """Lanes, bars and outlook of one range.

    Args:
        wanted: One of `RANGES`.
        slots: The number of parts of a lane; attempts that are shorter than a part are grouped.
    """
    range_minutes, bar_minutes = RANGES[wanted]
    until = reading.database.clock.wall_ms()
    since = until - range_minutes * MINUTE_MS
    recent = reading.timeline.recent(since, limit=MAX_ATTEMPTS)
    staff = reading.database.workers.shown()
    alive = {str(worker["worker_id"]) for worker in staff if worker["status"] not in _OVER}
    tasks = reading.timeline.tasks(outcome_bars.unsettled(recent.attempts))
    forecast = reading.database.prospects.now().forecast
    return {
        "range": wanted,
        "from": iso(since),
        "to": iso(until),
        "complete_from": iso(recent.complete_from),
        "attempts": len(recent.attempts),
        **_lanes(reading, recent, alive, until=until, slots=slots),
        "bar_s": bar_minutes * 60,
        "bars": outcome_bars.bars(
            recent.attempts, since=since, until=until, slot_ms=bar_minutes * MINUTE_MS, tasks=tasks
        ),
        "outlook": None
        if forecast is None
        else {name: getattr(forecast, name) for name in ("eta_s", "low_s", "high_s", "passes", "mean_s")},
    }


def _lanes(reading: Reading, recent: Recent, alive: set[str], *, until: int, slots: int) -> dict[str, Any]:
    """Running workers first, by name, then those that have ended; workers beyond the limit are left out and counted."""
    names = {ran.worker_id for ran in recent.attempts} | alive
    ordered = sorted(names, key=lambda name: (name not in alive, _natural(name)))
    kept = ordered[:MAX_WORKERS]
    if len(recent.attempts) > MAX_BLOCKS:  # no attempt is more than one block
        slots = max(1, min(slots, MAX_BLOCKS // max(1, len(kept)) // 2))
    slot_ms = max(1, (until - recent.since) // slots)
    packed = pack(recent.attempts, slot_ms=slot_ms)
    blocks: list[Block] = [block for name in kept for block in packed.get(name, ())]
    tasks = reading.timeline.tasks({block.shown.task for block in blocks})
    newest = sorted((b for b in blocks if b.count == 1), key=lambda b: b.start)[-MAX_STAGED:]
    stretches = reading.timeline.stretches([block.shown.key for block in newest])
    return {
        "slot_s": slot_ms / 1000,
        "lanes": [
            {
                "worker_id": name,
                "alive": name in alive,
                "blocks": [
                    drawn(block, since=recent.since, tasks=tasks, stretches=stretches) for block in packed.get(name, ())
                ],
            }
            for name in kept
        ],
        "lanes_left_out": len(ordered) - len(kept),
    }


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts worker-2 before worker-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _NUMBERED.split(name)]
