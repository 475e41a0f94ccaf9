"""Recognizes the task files of other tools by content, so that an error names the tool and the way to convert them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

# Plans of other tools are small; a larger file is not parsed a second time only to name it.
MAX_BYTES = 16 << 20

_BOX = re.compile(r"^[ \t]*[-*+] \[[ xX]\]", re.MULTILINE)
_OWN_KEY = re.compile(r"^tasks:", re.MULTILINE)
_JSON_BLANKS = " \t\r\n"


class Foreign(Struct, frozen=True, kw_only=True):
    """A file of another tool: what it is, and how to convert it."""

    what: str
    advice: str


_TASK_MASTER = Foreign(
    what="a tasks.json of task-master",
    advice="convert it: jq '{tasks: [.[] | .tasks[]? | {id, name: .title, description, priority,"
    " status, dependencies}]}' FILE > tasks.json",
)
_RALPH = Foreign(
    what="a prd.json of Ralph",
    advice="convert it: jq '{tasks: [.userStories[] | {id, name: .title, description, priority, acceptance_criteria:"
    ' .acceptanceCriteria, status: (if .passes then "completed" else "not_started" end)}]}\' FILE > tasks.json',
)
_BEADS = Foreign(
    what="an export of beads (JSON lines)",
    advice='convert it: jq -s \'{tasks: [.[] | select(._type != "memory") | {id, name: .title, description, priority,'
    ' type: .issue_type, status, dependencies: [.dependencies[]? | select(.type == "blocks") | .depends_on_id]}]}\''
    " FILE > tasks.json",
)
_CHECKLIST = Foreign(
    what="a Markdown checklist, as of spec-kit, Kiro or OpenSpec",
    advice="write its items as a list of tasks with an id and a name each, in YAML",
)


def recognize(text: bytes) -> Foreign | None:
    """What the file is, if it is that of another tool; None for a task file, and for anything else."""
    if len(text) > MAX_BYTES:
        return None
    content = text.decode("utf-8", "replace").strip(_JSON_BLANKS + "\ufeff")
    if content.startswith(("{", "[")):
        return _of_json(content)
    if _BOX.search(content) and not _OWN_KEY.search(content):
        return _CHECKLIST
    return None


def _of_json(content: str) -> Foreign | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return _BEADS if _are_json_lines(content) else None
    if not isinstance(found, dict) or "tasks" in found:
        # One issue alone is a line, too.
        return None
    if isinstance(found.get("userStories"), list):
        return _RALPH
    if any(isinstance(tag, dict) and isinstance(tag.get("tasks"), list) for tag in found.values()):
        return _TASK_MASTER
    return _BEADS if _is_issue(found) else None


def _are_json_lines(content: str) -> bool:
    first, _, rest = content.partition("\n")
    if not rest.lstrip(_JSON_BLANKS).startswith("{"):
        return False
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and _is_issue(found)


def _is_issue(found: Mapping[str, Any]) -> bool:
    return "id" in found and "title" in found and ("issue_type" in found or "status" in found)
