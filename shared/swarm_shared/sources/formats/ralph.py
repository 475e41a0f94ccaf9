"""Ralph and similar loops: `prd.json` or `feature_list.json` with stories that pass or do not."""

from __future__ import annotations

import re

from swarm_shared.domain.models import Status
from swarm_shared.sources.plans.drafts import Draft, Drafts
from swarm_shared.sources.plans.fields import KeyAccount, task_entry
from swarm_shared.sources.plans.order import one_after_the_other
from swarm_shared.sources.plans.plan import Options, Place, Plan
from swarm_shared.sources.syntax.documents import Object, read_document
from swarm_shared.sources.syntax.paths import paths_in
from swarm_shared.sources.syntax.texts import joined
from swarm_shared.sources.ticks.stories import (
    FLAGS,
    LISTS,
    NEEDS,
    TITLES,
    keyed_stories,
    needs_of,
    status_of_story,
    stories_of,
    title_of,
)
from swarm_shared.taskfile.scalars import parse_number
from swarm_shared.taskfile.words import priority_of

FORMAT = "ralph"
CRITERIA = ("acceptanceCriteria", "acceptance_criteria", "acceptance", "steps")
# Further text of a story, with its title in the description.
TEXTS = {
    "summary": "",
    "details": "",
    "context": "Context",
    "notes": "Notes",
    "validationCommands": "Validation commands",
    "verificationCommands": "Verification commands",
}
USED = ("id", *TITLES, *TEXTS, *CRITERIA, "priority", *FLAGS, "status", "phase", "category", *NEEDS)
ABOUT = ("project", "name", "title")  # the whole, in the outermost object
NAMES = frozenset({"prd.json", "feature_list.json"})

_BLANKS = r"[ \t\r\n]*"
_STORIES = re.compile(rf'"userStories"{_BLANKS}:{_BLANKS}\[')
_LIST = re.compile(rf'\A{_BLANKS}\[{_BLANKS}\{{|"(?:stories|features)"{_BLANKS}:{_BLANKS}\[')
_TASKS = re.compile(rf'"tasks"{_BLANKS}:{_BLANKS}\[')
_PASSES = re.compile(rf'"passes"{_BLANKS}:{_BLANKS}(?:true|false)\b')


def recognizes(place: Place, text: str) -> bool:
    """JSON with a list of user stories, or of any records that pass or do not."""
    if place.suffix not in ("", ".json") or text.lstrip()[:1] not in ("{", "["):
        return False
    if _STORIES.search(text) and '"tasks"' not in text[:200]:
        return True
    if _LIST.search(text) and place.parts[-1] in NAMES:
        return True
    return bool((_LIST.search(text) or _TASKS.search(text)) and _PASSES.search(text))


def read(place: Place, text: str, options: Options) -> Plan:
    """All stories in the order of their priority, which is an order and no urgency.

    A story waits for those that it depends on; one that states nothing about that, for the one before it.
    """
    drafts = Drafts(FORMAT, place, ticks=True)
    document = read_document(text, drafts.errors, is_json=True)
    root = document if isinstance(document, Object) else None
    keys = KeyAccount(USED)
    about = _about(root) if root is not None else ""
    ordered: list[tuple[float, Draft]] = []
    stated: dict[str, list[str]] = {}
    for key, story in keyed_stories(stories_of(document)):
        if not title_of(story):
            drafts.leave_out(story.line, "a story without a title", key)
            continue
        keys.see(story)
        draft = drafts.add("" if "~" in key else key, title_of(story), key=key, line=story.line)
        task_entry(drafts, story.line, draft.id, draft.name)
        needs = needs_of(story)
        if needs is not None:
            stated[draft.id] = needs
        ordered.append((_fill(drafts, draft, story, about), draft))
    one_after_the_other((draft for _, draft in sorted(ordered, key=lambda each: each[0])), stated=stated)
    for draft in drafts:
        draft.needs += stated.get(draft.id, ())
    keys.report(drafts, "story", "stories")
    if root is not None:
        left = KeyAccount((*LISTS, *ABOUT, "description"))
        left.see(root)
        left.report(drafts, "file", "files")
    return drafts.finish(place.folder or "ralph")


def _about(root: Object) -> str:
    name, text = next((found for key in ABOUT if (found := root.text(key))), ""), root.text("description")
    return joined((name if text else "", text or name))


def _fill(drafts: Drafts, draft: Draft, story: Object, about: str) -> float:
    """Fill in the fields; gives the place in the order."""
    status = status_of_story(story)
    if status is None:
        drafts.warn_of_status(draft, story.text("status"))
    draft.status = status or Status.NOT_STARTED
    text = story.text("description").strip()
    draft.description = joined(
        ("", "" if text == draft.name else text),
        *((title, story.text(key)) for key, title in TEXTS.items()),
        ("The project", about),
    )
    draft.phase = story.text("phase")
    draft.type = story.text("category")
    for name in CRITERIA:
        draft.criteria += story.texts(name)
    draft.files += paths_in(draft.description)
    number = parse_number(story.text("priority"))
    if number is None:
        draft.priority = priority_of(story.text("priority")) or draft.priority
    return float("inf") if number is None else number
