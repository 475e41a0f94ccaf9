"""The mapping report of an import as text: what each part of a plan became, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from amplifier_swarm.output.terminal import say
from swarm_shared.sources.plans.mapping import lines
from swarm_shared.sources.plans.plan import Became, Entry, Plan
from swarm_shared.sources.reading import BY_RECORD


def report(plans: Sequence[Plan]) -> None:
    """Print the report of each plan: what each line became, in order, and the totals."""
    for plan in plans:
        say(f"{plan.place.file}: {plan.format}, {_count(len(plan.tasks), 'task')}")
        names = {task.id.removeprefix(f"{plan.prefix}."): task for task in plan.tasks}
        for entry in sorted(plan.entries, key=lambda each: (each.file, each.line)):
            if entry.became is Became.NOTHING:
                continue
            task = names.get(entry.detail) if entry.became is Became.TASK else None
            if task is not None:
                text = f"task {task.id} ({task.status.value.replace('_', ' ')}): {task.name}"
            elif entry.became is Became.PHASE:
                text = f"phase: {entry.detail}"
            else:
                text = f"{entry.became}: {entry.detail}" + (f": {entry.text}" if entry.text else "")
            say(f"  {entry.file}:{entry.lines}: {text}")
        say(f"  in all: {', '.join(_records(plan.entries) if plan.format in BY_RECORD else _sums(plan.entries))}")


def parts_left_out(count: int) -> str:
    return "1 part of the plans was left out" if count == 1 else f"{count} parts of the plans were left out"


def _records(entries: Sequence[Entry]) -> list[str]:
    counts = Counter(entry.became for entry in entries)
    words = {Became.TASK: ("task", ""), Became.PHASE: ("phase", ""), Became.LEFT_OUT: ("part", " left out")}
    return [_count(counts[key], word) + end for key, (word, end) in words.items() if counts[key]] or ["nothing"]


def _sums(entries: Sequence[Entry]) -> list[str]:
    counts = lines(entries)
    words = {
        Became.TASK: "with tasks",
        Became.PART: "with parts of tasks",
        Became.PHASE: "with phases",
        Became.NOTHING: "blank",
        Became.LEFT_OUT: "left out",
    }
    return [_count(counts.total(), "line"), *(f"{counts[key]} {word}" for key, word in words.items() if counts[key])]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
