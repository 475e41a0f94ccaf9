"""The mapping report of an import as data: what of each plan became what, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from swarm_shared.sources.plan import Became, Entry, Plan


def shown(plans: Sequence[Plan]) -> list[dict[str, Any]]:
    """The report in the shape of JSON."""
    return [
        {
            "file": plan.place.file,
            "format": plan.format,
            "tasks": [
                {"id": task.id, "name": task.name, "status": str(task.status), "line": task.line} for task in plan.tasks
            ],
            "entries": [entry.shown() for entry in plan.entries],
            "lines": {str(became): count for became, count in lines(plan.entries).items()},
        }
        for plan in plans
    ]


def lines(entries: Sequence[Entry]) -> Counter[Became]:
    """How many lines became what."""
    counts: Counter[Became] = Counter()
    for entry in entries:
        counts[entry.became] += entry.last - entry.line + 1
    return counts
