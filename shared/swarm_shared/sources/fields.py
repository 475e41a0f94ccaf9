"""Accounts for the keys of JSON and YAML items: which were used, and which were left out."""

from __future__ import annotations

from collections.abc import Iterable

from swarm_shared.sources.documents import Object
from swarm_shared.sources.drafts import Drafts
from swarm_shared.sources.plan import Became, Entry, cut
from swarm_shared.taskfile.problems import shown


class KeyAccount:
    """Counts the keys of items that no field was made of."""

    def __init__(self, used: Iterable[str]) -> None:
        self._used = frozenset(used)
        self._left: dict[str, list[int]] = {}

    def see(self, item: Object) -> None:
        for key in item:
            if key not in self._used and item.value(key) not in (None, "", []):
                self._left.setdefault(key, []).append(item.line_of(key))

    def report(self, drafts: Drafts, one: str = "task", many: str = "tasks") -> None:
        for key, lines in self._left.items():
            count = f"{len(lines)} {one if len(lines) == 1 else many}"
            drafts.leave_out(lines[0], f"the key {shown(key)} of {count}")


def task_entry(drafts: Drafts, line: int, task_id: str, text: str) -> None:
    """Account for an item that became a task."""
    file = drafts.place.file
    entry = Entry(file=file, line=line, last=line, became=Became.TASK, detail=task_id, text=cut(text))
    drafts.entries.append(entry)


def phase_entry(drafts: Drafts, line: int, phase: str) -> None:
    """Account for an item that became a phase."""
    file = drafts.place.file
    drafts.entries.append(Entry(file=file, line=line, last=line, became=Became.PHASE, detail=cut(phase), text=""))
