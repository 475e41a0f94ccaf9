"""Marks an item of a plan as done: the smallest change of its file, for every format that has a place for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from swarm_shared.sources.ticks import boxes, statuses

Tick = Callable[[str, str], str | None]

TICKS: Mapping[str, Tick] = MappingProxyType(
    {
        "backlog.md": statuses.tick_backlog,
        "bmad": statuses.tick_bmad,
        "checklist": boxes.tick_checklist,
        "kiro": boxes.tick_numbered,
        "openspec": boxes.tick_numbered,
        "ralph": statuses.tick_ralph,
        "spec-kit": boxes.tick_spec_kit,
        "task-master": statuses.tick_task_master,
    }
)


def tick(plan_format: str, text: str, key: str) -> str | None:
    """The text of a plan with one item marked as done.

    Args:
        plan_format: `Source.format` of the task.
        text: The file as it is now, which may differ from what was imported.
        key: `Source.key` of the task.

    Returns:
        The new text, equal to the old one if the item is marked already; None when the item is gone, says something
        else by now, or the format cannot mark it. Line ends and everything else stay as they are.
    """
    mark = TICKS.get(plan_format)
    return None if mark is None else mark(text, key)
