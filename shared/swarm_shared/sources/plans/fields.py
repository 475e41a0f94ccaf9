"""Accounts for the keys of JSON and YAML items: which were used, and which were left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from swarm_shared.sources.plans.drafts import Drafts
from swarm_shared.sources.plans.plan import Became, Entry, cut
from swarm_shared.sources.syntax.documents import Object
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

    def see_record(self, record: Mapping[str, object], line: int) -> None:
        """The same for a record of which only its line is known."""
        for key, value in record.items():
            if key not in self._used and value not in (None, "", []):
                self._left.setdefault(key, []).append(line)

    def report(self, drafts: Drafts, one: str = "task", many: str = "tasks") -> None:
        for key, lines in self._left.items():
            count = f"{len(lines)} {one if len(lines) == 1 else many}"
            drafts.leave_out(lines[0], f"the key {shown(key)} of {count}")


def task_entry(drafts: Drafts, line: int, task_id: str, text: str) -> None:
    """Account for an item that became a task."""
    account(drafts, line, line, Became.TASK, task_id, text)


def phase_entry(drafts: Drafts, line: int, phase: str) -> None:
    """Account for an item that became a phase."""
    account(drafts, line, line, Became.PHASE, cut(phase))


def account(drafts: Drafts, line: int, last: int, became: Became, detail: str, text: str = "") -> None:
    """Account for lines by what they became."""
    file = drafts.place.file
    drafts.entries.append(Entry(file=file, line=line, last=last, became=became, detail=detail, text=cut(text)))
