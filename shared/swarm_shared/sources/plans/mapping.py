"""The mapping report of an import as data: what of each plan became what, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from swarm_shared.sources.plans.plan import Became, Entry, Plan


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
    """How many lines became what; a line that several entries are about counts for the first of them."""
    counts: Counter[Became] = Counter()
    counted: dict[str, set[int]] = {}
    for entry in entries:
        of_file = counted.setdefault(entry.file, set())
        before = len(of_file)
        of_file.update(range(entry.line, entry.last + 1))
        counts[entry.became] += len(of_file) - before
    return counts
