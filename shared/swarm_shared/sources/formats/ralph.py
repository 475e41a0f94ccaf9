"""Ralph: `prd.json` with user stories."""

from __future__ import annotations

import re

from swarm_shared.domain.models import Status
from swarm_shared.sources.documents import Object, read_document
from swarm_shared.sources.drafts import Draft, Drafts
from swarm_shared.sources.fields import KeyAccount, task_entry
from swarm_shared.sources.order import one_after_the_other
from swarm_shared.sources.paths import paths_in
from swarm_shared.sources.plan import Options, Place, Plan
from swarm_shared.sources.statuses import ralph_keys
from swarm_shared.sources.texts import joined
from swarm_shared.taskfile.scalars import parse_number

FORMAT = "ralph"
USED = ("id", "title", "description", "acceptanceCriteria", "priority", "passes", "notes")
ROOT_USED = ("userStories", "project", "description")

_STORIES = re.compile(r'"userStories"[ \t\r\n]*:[ \t\r\n]*\[')


def recognizes(place: Place, text: str) -> bool:
    """A JSON object with a list of user stories."""
    return text.lstrip().startswith("{") and bool(_STORIES.search(text)) and '"tasks"' not in text[:200]


def read(place: Place, text: str, options: Options) -> Plan:
    """All stories, one after the other in the order of their priority, which is an order and no urgency."""
    drafts = Drafts(FORMAT, place, ticks=True)
    document = read_document(text, drafts.errors, is_json=True)
    if not isinstance(document, Object):
        return drafts.finish("")
    keys = KeyAccount(USED)
    about = joined((document.text("project"), document.text("description")))
    ordered: list[tuple[float, Draft]] = []
    for key, story in ralph_keys(document.objects("userStories")):
        if not story.text("title").strip():
            drafts.leave_out(story.line, "a story without a title", key)
            continue
        keys.see(story)
        draft = drafts.add("" if "~" in key else key, story.text("title"), key=key, line=story.line)
        task_entry(drafts, story.line, draft.id, draft.name)
        draft.status = Status.COMPLETED if story.truth("passes") else Status.NOT_STARTED
        draft.description = joined(
            ("", story.text("description")), ("Notes", story.text("notes")), ("The project", about)
        )
        draft.criteria += story.texts("acceptanceCriteria")
        draft.files += paths_in(draft.description)
        number = parse_number(story.text("priority"))
        ordered.append((number if number is not None else float("inf"), draft))
    one_after_the_other(draft for _, draft in sorted(ordered, key=lambda each: each[0]))
    keys.report(drafts, "story", "stories")
    root = KeyAccount(ROOT_USED)
    root.see(document)
    root.report(drafts, "file", "files")
    return drafts.finish(place.folder or "ralph")
