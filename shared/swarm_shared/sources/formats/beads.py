"""beads: `.beads/issues.jsonl`, or what `bd list --json` prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct, field

from swarm_shared.domain.models import Status
from swarm_shared.sources.plans.drafts import Draft, Drafts
from swarm_shared.sources.plans.fields import KeyAccount, phase_entry, task_entry
from swarm_shared.sources.plans.plan import Became, Entry, Options, Place, Plan
from swarm_shared.sources.syntax.markdown import split_lines
from swarm_shared.sources.syntax.paths import paths_in
from swarm_shared.sources.syntax.texts import joined, listed

FORMAT = "beads"
BLOCKING = frozenset({"blocks", "conditional-blocks", "waits-for"})
NO_WORK = frozenset({"message", "event", "gate", "agent", "role", "molecule", "merge-request", "convoy"})
GROUPS = frozenset({"epic"})
USED = (
    *("id", "title", "_type", "description", "design", "notes", "acceptance_criteria", "status", "priority"),
    *("issue_type", "estimated_minutes", "labels", "dependencies", "defer_until"),
)

_ISSUE = re.compile(r'"(?:issue_type|_type)"[ \t]*:')
_TITLED = re.compile(r'"id"[ \t]*:.*"title"[ \t]*:|"title"[ \t]*:.*"id"[ \t]*:', re.DOTALL)
_ENVELOPE = re.compile(r'\A\s*\{\s*"(?:schema_version|data)"[ \t]*:')


def recognizes(place: Place, text: str) -> bool:
    """JSON lines, a list, or an envelope with records that have a type of issue."""
    if place.path.endswith(".beads/issues.jsonl"):
        return True
    if place.suffix not in ("", ".json", ".jsonl", ".ndjson"):
        return False
    head = text.lstrip()[:20_000]
    is_list = head.startswith("[") or _ENVELOPE.match(head) is not None
    if not is_list:
        # Records by line: the first one is whole, or cut.
        head = head.partition("\n")[0] if head.startswith("{") else ""
    return bool(_ISSUE.search(head)) and ("memory" in head or bool(_TITLED.search(head))) and '"tasks"' not in head[:40]


class _Issue(Struct, kw_only=True, eq=False):
    line: int
    record: dict[str, Any]
    parents: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)

    def text(self, key: str) -> str:
        found = self.record.get(key)
        return found if isinstance(found, str) else ""


def read(place: Place, text: str, options: Options) -> Plan:
    """Open and closed issues as tasks, epics with children as their phases."""
    drafts = Drafts(FORMAT, place, ticks=False)
    issues: dict[str, _Issue] = {}
    keys = KeyAccount(USED)
    for line, record in _records(text, drafts):
        reason = _no_task(record)
        if reason:
            drafts.leave_out(line, reason, str(record.get("title", record.get("id", ""))))
            continue
        issue = _Issue(line=line, record=record)
        _read_links(issue, drafts)
        if record["id"] in issues:
            drafts.leave_out(line, "a second record of the same id", record["id"])
            continue
        issues[record["id"]] = issue
        keys.see_record(record, line)
    children = {parent for issue in issues.values() for parent in issue.parents}
    for issue_id, issue in issues.items():
        if issue.text("issue_type") in GROUPS and issue_id in children:
            phase_entry(drafts, issue.line, issue.text("title"))
        else:
            _draft(drafts, issue_id, issue, issues)
    keys.report(drafts, "issue", "issues")
    drafts.entries.sort(key=lambda entry: entry.line)
    _pass_on(drafts, issues)
    return drafts.finish("")


def _records(text: str, drafts: Drafts) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records with their lines: of a whole document, or one a line."""
    if text.lstrip().startswith("[") or '"schema_version"' in text[:200]:
        yield from _records_of_document(text, drafts)
        return
    for number, line in enumerate(split_lines(text), 1):
        if not line.strip():
            drafts.entries.append(Entry(file=drafts.place.file, line=number, last=number, became=Became.NOTHING))
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            drafts.errors.add_at(number, 0, "this line is not JSON", "export the issues again with bd")
            continue
        if isinstance(found, dict) and isinstance(found.get("data"), list) and "schema_version" in found:
            yield from ((number, each) for each in found["data"] if isinstance(each, dict))
        elif isinstance(found, dict):
            yield number, found
        else:
            drafts.leave_out(number, "not a record", line)


def _records_of_document(text: str, drafts: Drafts) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        drafts.errors.add_at(line, 0, "this is not JSON", "export the issues again with bd")
        return
    found = document.get("data") if isinstance(document, dict) else document
    at = 0
    for record in found if isinstance(found, list) else []:
        if not isinstance(record, dict):
            continue
        mark = text.find(json.dumps(str(record.get("id", "")), ensure_ascii=False), at)
        at = max(at, mark)
        yield text.count("\n", 0, at) + 1, record


def _no_task(record: dict[str, Any]) -> str:
    """Why a record is no task; empty when it is one."""
    kind = str(record.get("issue_type") or "")
    if record.get("_type", "issue") != "issue":
        return f"a {record['_type']}"
    if not isinstance(record.get("id"), str) or not str(record.get("title") or "").strip():
        return "a record without an id or title"
    if record.get("status") == "tombstone":
        return "deleted (a tombstone)"
    if record.get("ephemeral") or record.get("is_template") or record.get("wisp"):
        return "ephemeral, or a template"
    if record.get("status") == "pinned" or record.get("pinned"):
        return "pinned"
    return f"the type {kind} is not work" if kind in NO_WORK else ""


def _read_links(issue: _Issue, drafts: Drafts) -> None:
    links = issue.record.get("dependencies")
    for link in links if isinstance(links, list) else []:
        if not isinstance(link, dict):
            continue
        # `bd show` writes the other issue itself, with the kind next to its fields.
        target = str(link.get("depends_on_id") or link.get("id") or "")
        kind = str(link.get("type") or link.get("dependency_type") or "blocks")
        if not target or target == issue.record["id"]:
            continue
        if kind in BLOCKING:
            issue.needs.append(target)
        elif kind == "parent-child":
            issue.parents.append(target)
        else:
            drafts.leave_out(issue.line, f"a link of {issue.record['id']} to {target}: {kind}")


def _draft(drafts: Drafts, issue_id: str, issue: _Issue, issues: dict[str, _Issue]) -> None:
    draft = drafts.add(issue_id, issue.text("title"), key=issue_id, line=issue.line)
    task_entry(drafts, issue.line, draft.id, draft.name)
    draft.status = drafts.status(draft, issue.text("status"))
    priority = issue.record.get("priority")
    if isinstance(priority, int) and not isinstance(priority, bool) and 0 <= priority <= 4:
        draft.priority = priority + 1  # 0 is the most urgent one
    minutes = issue.record.get("estimated_minutes")
    if isinstance(minutes, int | float) and 0 < minutes < 6_000_000:
        draft.hours = round(minutes / 60, 2)
    draft.type = issue.text("issue_type")
    draft.phase = next((issues[each].text("title") for each in issue.parents if each in issues), "")
    labels = issue.record.get("labels")
    draft.labels += [each for each in labels if isinstance(each, str)] if isinstance(labels, list) else []
    draft.description = joined(
        ("", issue.text("description")), ("Design", issue.text("design")), ("Notes", issue.text("notes"))
    )
    draft.criteria += listed(issue.text("acceptance_criteria"))
    draft.files += paths_in(draft.description)
    draft.needs += issue.needs
    if issue.text("defer_until") and draft.status is Status.NOT_STARTED:
        draft.status = Status.HELD
        drafts.warn(issue.line, f"{draft.id} is deferred until {issue.text('defer_until')[:40]}", "release it then")


def _pass_on(drafts: Drafts, issues: dict[str, _Issue]) -> None:
    """What blocks a parent blocks its children; what waits for an epic waits for its children."""
    children: dict[str, list[str]] = {}
    for issue_id, issue in issues.items():
        for parent in issue.parents:
            children.setdefault(parent, []).append(issue_id)
    for draft in drafts:
        draft.needs += [need for parent in _above(draft, issues) for need in issues[parent].needs]
        found: list[str] = []
        for need in draft.needs:
            is_epic = drafts.find(need) is None and need in issues
            # A child never waits for the epic that it is part of.
            below = _below(need, children) if is_epic else []
            if not is_epic:
                found.append(need)
            elif draft.key not in below:
                found += [each for each in below if drafts.find(each)]
        draft.needs = found


def _above(draft: Draft, issues: dict[str, _Issue]) -> list[str]:
    found: list[str] = []
    waiting = list(issues[draft.key].parents)
    while waiting:
        parent = waiting.pop()
        if parent in issues and parent not in found:
            found.append(parent)
            waiting += issues[parent].parents
    return found


def _below(epic: str, children: dict[str, list[str]]) -> list[str]:
    found: list[str] = []
    seen = {epic}
    waiting = [epic]
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child not in seen:
                seen.add(child)
                found.append(child)
                waiting.append(child)
    return found
