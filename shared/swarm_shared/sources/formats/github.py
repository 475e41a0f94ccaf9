"""GitHub issues: what `gh issue list --json …` prints, as a list or one after another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from swarm_shared.domain.models import Status
from swarm_shared.sources.plans.drafts import Draft, Drafts
from swarm_shared.sources.plans.fields import KeyAccount, task_entry
from swarm_shared.sources.plans.plan import Options, Place, Plan
from swarm_shared.sources.syntax.documents import Object, joined_values, read_document
from swarm_shared.sources.syntax.paths import paths_in
from swarm_shared.sources.syntax.texts import joined, listed, sections
from swarm_shared.taskfile.words import priority_of, status_elsewhere

FORMAT = "github"
# What `gh` is asked for.
FIELDS = ("number", "title", "body", "state", "stateReason", "labels", "milestone", "author", "url")
# The API itself calls some of them otherwise.
USED = (*FIELDS, "closed", "blockedBy", "html_url", "user", "state_reason", "repository", "repository_url", "type")
ITEM_USED = ("content", "id", "title", "status", "labels", "milestone", "repository")  # of a project's items
MAX_BODY_CHARS = 200_000
LIMITS = (30, 1000)  # of gh by default, and of what we ask for

_LIST = re.compile(r"\A\s*\[\s*(?:\]|\{)")
# What `gh issue view` and `gh project item-list` print: the first key, of those that they print.
_ONE = re.compile(
    r'\A\s*\{\s*"(?:active_lock_reason|assignees|author|body|closed|comments|createdAt|id|labels|milestone|number|state'
    r'|title|url)"'
)
_PROJECT = re.compile(r'\A\s*\{\s*"items"\s*:\s*\[\s*\{.{0,100000}?"content"\s*:\s*\{', re.DOTALL)
_NUMBER = re.compile(r'"number"[ \t]*:[ \t]*\d')
_KEYS = re.compile(r'"(?:body|state|labels|url|milestone)"[ \t]*:')
_URL = re.compile(r"(https?://[^/\s]+/[^/\s]+/[^/\s]+)/(?:issues|pull)/\d+")
_NEEDS = re.compile(r"\b(?:depends on|blocked by|after|requires|needs)[: \t]+((?:#\d{1,9}|and\b|[, \t&]){1,400})", re.I)
_REFERENCE = re.compile(r"#(\d{1,9})")
_BOX = re.compile(r"[ \t]*[-*+][ \t]+\[([ xX])\][ \t]+(.*)")
_ONLY_REFERENCE = re.compile(r"(?:https?://\S+/(?:issues|pull)/|#)(\d{1,9})\s*")
_PRIORITY = re.compile(
    r"(?:prio(?:rity)?[ :/_-]*)?"
    r"(?:(p[0-4])(?:[ :/_-].*)?|(critical|urgent|highest|high|medium|low|lowest)(?:[ _-]prio(?:rity)?)?)",
    re.IGNORECASE,
)
_CRITERIA = ("acceptance", "criteria", "definition of done", "done when", "tasks", "to do", "todo", "checklist")


def recognizes(place: Place, text: str) -> bool:
    """JSON records with a number and a title, in a list or one after another, one issue, or the items of a project."""
    if place.suffix not in ("", ".json", ".jsonl", ".ndjson") or not _NUMBER.search(text) or '"title"' not in text:
        return False
    if _LIST.match(text) or _PROJECT.match(text):
        return True
    if not _ONE.match(text) or '"tasks"' in text:
        return False
    return bool(_KEYS.search(text)) or joined_values(text) != text


def read(place: Place, text: str, options: Options) -> Plan:
    """Each issue as a task; its text is what its author wrote, and is said to be that."""
    drafts = Drafts(FORMAT, place, ticks=False)
    document = read_document(joined_values(text), drafts.errors, is_json=True)
    issues = _issues(document)
    keys, item_keys = KeyAccount(USED), KeyAccount(ITEM_USED)
    homes = {_repository(issue) for issue, _ in issues} - {""}
    repository = next(iter(homes)) if len(homes) == 1 else ""
    if repository:
        # The same issues, from a file or from `gh`, are the same tasks.
        drafts.place = Place(file=place.file, path=repository)
    for issue, item in issues:
        number = issue.text("number")
        if not number.isdigit() or not issue.text("title").strip():
            draft_of_project = item is not None and issue.text("title").strip()
            reason = "a draft of a project, without a number" if draft_of_project else "not an issue"
            drafts.leave_out(issue.line, reason, issue.text("title"))
            continue
        if "pull_request" in issue or "/pull/" in _url(issue) or issue.text("type") == "PullRequest":
            drafts.leave_out(issue.line, "a pull request", issue.text("title"))
            continue
        keys.see(issue)
        home = "" if repository else _repository(issue)
        prefix = f"{home.rpartition('/')[2]}." if home else ""
        key = f"{home}#{number}" if home else number
        draft = drafts.add(f"{prefix}GH-{number}", issue.text("title"), key=key, line=issue.line)
        task_entry(drafts, issue.line, draft.id, draft.name)
        _read_issue(draft, issue)
        if item is not None:
            item_keys.see(item)
            _read_item(drafts, draft, item)
        draft.needs = [f"{prefix}{need}" for need in draft.needs]
    keys.report(drafts, "issue", "issues")
    item_keys.report(drafts, "item", "items")
    if len(issues) in LIMITS:
        limit = f"{len(issues)} issues, which is a usual limit of gh: there may be more"
        drafts.warn(1, limit, "raise it: gh issue list -L 5000, or gh:OWNER/REPO?limit=5000")
    return drafts.finish(repository.rpartition("/")[2])


def _issues(document: Any) -> list[tuple[Object, Object | None]]:
    """The issues, each with its item if they are those of a project."""
    if isinstance(document, list):
        # `gh api --paginate` prints a list for each page.
        pages = [each if isinstance(each, list) else [each] for each in document]
        return [(each, None) for page in pages for each in page if isinstance(each, Object)]
    if not isinstance(document, Object):
        return []
    if "items" not in document:
        return [(document, None)]
    items = document.objects("items")
    return [(issue, item) for item in items if isinstance(issue := item.value("content"), Object)]


def _read_item(drafts: Drafts, draft: Draft, item: Object) -> None:
    """What a project says about an issue: its column, and labels."""
    word = item.text("status")
    status = status_elsewhere(word) if word else draft.status
    if status is None:
        drafts.warn_of_status(draft, word)
    elif draft.status is Status.NOT_STARTED:
        draft.status = status
    _read_labels(draft, item)
    draft.phase = draft.phase or _name(item.value("milestone"))


def _read_labels(draft: Draft, owner: Object) -> None:
    labels = [each for each in (_name(label) for label in _items(owner, "labels")) if each]
    for label in labels:
        found = _PRIORITY.fullmatch(label.strip())
        if found:
            draft.priority = priority_of(found[1] or found[2]) or draft.priority
    draft.labels += labels


def _read_issue(draft: Draft, issue: Object) -> None:
    draft.status = _status(issue)
    _read_labels(draft, issue)
    draft.phase = _name(issue.value("milestone"))
    for blocker in _items(issue, "blockedBy"):
        number = blocker.text("number") if isinstance(blocker, Object) else str(blocker).lstrip("#")
        draft.needs.append(f"GH-{number}")
    body = issue.text("body").replace("\r\n", "\n")[:MAX_BODY_CHARS]
    rest = _take_boxes(draft, body)
    for found in _NEEDS.findall(body):
        draft.needs += [f"GH-{number}" for number in _REFERENCE.findall(found)]
    author = issue.value("author") or issue.value("user")
    login = author.text("login") if isinstance(author, Object) else ""
    origin = " ".join(part for part in (_url(issue), f"by {login}" if login else "") if part)
    draft.description = joined(("", rest), ("This is the text of an issue", origin or f"#{issue.text('number')}"))
    draft.files += paths_in(rest)


def _take_boxes(draft: Draft, body: str) -> str:
    """Take criteria out of a body: the lists of sections about them, and boxes elsewhere; the rest is the text."""
    rest: list[str] = []
    for part in sections(body.split("\n"), deepest=6):
        is_about = part.level and part.title.casefold().startswith(_CRITERIA)
        kept = []
        for line in part.lines:
            box = _BOX.fullmatch(line)
            # One that is ticked elsewhere is what its author confirmed: "I have searched the issues".
            if box is None or (box[1] != " " and not is_about):
                kept.append(line)
            elif only := _ONLY_REFERENCE.fullmatch(box[2]):
                draft.needs.append(f"GH-{only[1]}")
            else:
                draft.criteria.append(box[2])
        text = "\n".join(kept).strip("\n")
        if is_about and text:
            draft.criteria += listed(text)
        elif text or (part.level and not is_about):
            rest += [f"{'#' * part.level} {part.title}"] if part.level else []
            rest.append(text)
    return "\n".join(rest).strip("\n")


def _status(issue: Object) -> Status:
    is_closed = issue.text("state").casefold() == "closed" or issue.truth("closed")
    if not is_closed:
        return Status.NOT_STARTED
    reason = (issue.text("stateReason") or issue.text("state_reason")).casefold()
    return Status.CANCELLED if reason in ("not_planned", "duplicate") else Status.COMPLETED


def _url(issue: Object) -> str:
    """The address of its page."""
    return issue.text("html_url") or issue.text("url")


def _repository(issue: Object) -> str:
    """The address of the repository that it is in; empty when the issue does not say it."""
    found = _URL.match(_url(issue))
    return found[1] if found else ""


def _items(issue: Object, key: str) -> Sequence[Any]:
    """A list, or the `nodes` of one."""
    found = issue.value(key)
    if isinstance(found, Object):
        found = found.value("nodes")
    return found if isinstance(found, list) else []


def _name(label: Any) -> str:
    return label.text("name") or label.text("title") if isinstance(label, Object) else str(label or "")
