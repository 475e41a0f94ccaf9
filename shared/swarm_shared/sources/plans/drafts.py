"""Collects the tasks of a plan and makes each fit what a task file may hold."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct, field

from swarm_shared.domain.models import DEFAULT_PRIORITY, Source, Status, TaskSpec
from swarm_shared.sources.plans.keys import FreeIds, slug
from swarm_shared.sources.plans.plan import Became, Entry, Place, Plan, cut
from swarm_shared.sources.syntax.paths import is_usable
from swarm_shared.taskfile.nodes import MAX_TEXT_CHARS
from swarm_shared.taskfile.problems import ProblemList, shown
from swarm_shared.taskfile.values import MAX_ID_CHARS
from swarm_shared.taskfile.words import status_elsewhere

MAX_NAME_CHARS = 160
# Control characters but for the tab and line feed, and what is no character: no YAML file holds them unescaped.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_NOT_IN_ID = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class Draft(Struct, kw_only=True, eq=False):
    """A task that is being put together; `needs` are ids, or what the plan calls other tasks."""

    id: str
    name: str
    key: str
    line: int
    description: str = ""
    phase: str = ""
    type: str = ""
    status: Status = Status.NOT_STARTED
    priority: int = DEFAULT_PRIORITY
    hours: float | None = None
    criteria: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    design_docs: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


class Drafts:
    """The drafts of one plan in their order, with unique ids."""

    def __init__(self, plan_format: str, place: Place, *, ticks: bool) -> None:
        self.place = place
        self.entries: list[Entry] = []
        self.warnings = ProblemList(place.file)
        self.errors = ProblemList(place.file)
        self._format = plan_format
        self._ticks = ticks and place.in_project
        self._by_id: dict[str, Draft] = {}
        self._free = FreeIds()
        self._keys: dict[str, int] = {}

    def __iter__(self) -> Iterator[Draft]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, wanted: str, name: str, *, key: str, line: int) -> Draft:
        """A new draft; its id is the wanted one, from the name when that is empty, with a number if it is taken."""
        base = _NOT_IN_ID.sub("", wanted).strip()[: MAX_ID_CHARS - 8] or slug(name) or "task"
        task_id = self._free.of(base, self._by_id)
        # Two items of one key could not be distinguished when the plan is imported again.
        count = self._keys[key] = self._keys.get(key, 0) + 1
        draft = self._by_id[task_id] = Draft(
            id=task_id, name=name, key=key if count == 1 else f"{key}#{count}", line=line
        )
        return draft

    def find(self, word: str) -> Draft | None:
        return self._by_id.get(word)

    def leave_out(self, line: int, reason: str, text: str = "", *, last: int = 0) -> None:
        entry = Entry(
            file=self.place.file,
            line=line,
            last=max(line, last),
            became=Became.LEFT_OUT,
            detail=reason,
            text=cut(text),
        )
        self.entries.append(entry)

    def warn(self, line: int, message: str, advice: str) -> None:
        self.warnings.add_at(line, 0, message, advice)

    def status(self, draft: Draft, word: str) -> Status:
        """What the status word of another tool means; an unknown one causes a warning and means not started."""
        status = status_elsewhere(word)
        if word and status is None:
            self.warn_of_status(draft, word)
        return status or Status.NOT_STARTED

    def warn_of_status(self, draft: Draft, word: str) -> None:
        what = f"{shown(draft.id)} has an unknown status, {shown(word)}: treated as not started"
        self.warn(draft.line, what, "hold or cancel the task if that is wrong")

    def finish(self, name: str) -> Plan:
        """The plan with all its tasks; dependencies that lead nowhere are kept: a queue may know them."""
        tasks = [self._task(draft) for draft in self._by_id.values()]
        return Plan(
            format=self._format,
            name=name,
            place=self.place,
            tasks=tasks,
            entries=self.entries,
            warnings=list(self.warnings),
            errors=list(self.errors),
        )

    def _task(self, draft: Draft) -> TaskSpec:
        name = self._one_line(draft, draft.name) or draft.id
        description = self._clean(draft, draft.description).strip("\n")
        if len(name) > MAX_NAME_CHARS:
            description = f"{name}\n\n{description}".strip("\n")
            short = name[:MAX_NAME_CHARS].rpartition(" ")[0] or name[:MAX_NAME_CHARS]
            name = f"{short} …"
        if len(description) > MAX_TEXT_CHARS:
            self.leave_out(draft.line, f"text of {draft.id} after {MAX_TEXT_CHARS:,} characters")
            self.warn(draft.line, f"the text of {shown(draft.id)} is too long and was truncated", "shorten it")
            description = description[:MAX_TEXT_CHARS]
        key = draft.key if draft.key.isprintable() else _CONTROL.sub("\ufffd", draft.key)
        return TaskSpec(
            id=draft.id,
            name=name,
            description=description,
            phase=self._one_line(draft, draft.phase)[:MAX_TEXT_CHARS],
            type=self._one_line(draft, draft.type),
            status=draft.status,
            priority=draft.priority,
            estimated_hours=draft.hours,
            acceptance_criteria=self._texts(draft, draft.criteria),
            files=self._paths(draft, draft.files),
            design_docs=self._texts(draft, draft.design_docs),
            dependencies=tuple(dict.fromkeys(need for need in draft.needs if need != draft.id)),
            checks=self._texts(draft, draft.checks),
            labels=self._texts(draft, draft.labels),
            source=Source(
                format=self._format,
                path=self.place.path or "-",
                key=key,
                tick=self._ticks and key == draft.key,
            ),
            line=draft.line,
        )

    def _texts(self, draft: Draft, texts: list[str]) -> tuple[str, ...]:
        if not texts:
            return ()
        cleaned = (self._clean(draft, text)[:MAX_TEXT_CHARS].strip() for text in texts)
        return tuple(dict.fromkeys(text for text in cleaned if text))

    def _paths(self, draft: Draft, paths: list[str]) -> tuple[str, ...]:
        kept = []
        for path in dict.fromkeys(paths):
            cleaned = self._clean(draft, path).strip()
            if is_usable(cleaned):
                kept.append(cleaned)
            elif cleaned:
                self.leave_out(draft.line, f"a path outside the project, of {draft.id}", path)
        return tuple(kept)

    def _one_line(self, draft: Draft, text: str) -> str:
        return " ".join(self._clean(draft, text).split()) if text else ""

    def _clean(self, draft: Draft, text: str) -> str:
        if text.isascii() and text.isprintable():
            return text
        if _BIDI.search(text):
            what = f"{shown(draft.id)} contains bidirectional control characters"
            self.warn(draft.line, what, "check that the text is what it appears to be")
        cleaned = _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))
        if "\ufffd" in cleaned and "\ufffd" not in text:
            self.warn(draft.line, f"control characters in {shown(draft.id)} were replaced by U+FFFD", "remove them")
        return cleaned
