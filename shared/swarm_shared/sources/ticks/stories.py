"""Stories in the files of Ralph loops: where they are, their keys and dependencies, and what marks one as done."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from swarm_shared.domain.models import Status
from swarm_shared.sources.plans.keys import Keys
from swarm_shared.sources.syntax.documents import Object, is_scalar
from swarm_shared.taskfile.words import status_elsewhere, status_of

# Names of the list; some files are the list itself.
LISTS = ("userStories", "stories", "features", "tasks")
FLAGS = ("passes", "completed", "complete", "done")
TITLES = ("title", "name", "description")
NEEDS = ("dependsOn", "depends_on", "dependencies", "blockedBy", "blocked_by")


def stories_of(document: Any) -> Sequence[Object]:
    """The stories of a document, which is a list of them or has one."""
    if isinstance(document, list):
        return [each for each in document if isinstance(each, Object)]
    if not isinstance(document, Object):
        return []
    return next((found for name in LISTS if (found := document.objects(name))), [])


def title_of(story: Object) -> str:
    """Its title; its description if there is none."""
    return next((text for name in TITLES if (text := story.text(name).strip())), "")


def keyed_stories(stories: Iterable[Object]) -> list[tuple[str, Object]]:
    """Stories by their id, and by their title where that is missing or used before."""
    keys, given, found = Keys(), set(), []
    for story in stories:
        own = story.text("id").strip()
        if not own or own in given:
            own = keys.of("", title_of(story))
        given.add(own)
        found.append((own, story))
    return found


def needs_of(story: Object) -> list[str] | None:
    """The ids that it depends on; None when it does not state them."""
    stated = [name for name in NEEDS if name in story]
    return [each.strip() for name in stated for each in story.texts(name)] if stated else None


def status_of_story(story: Object) -> Status | None:
    """Its status; None for an unknown word. Only a flag says that a story is done, if it has one."""
    flag = flag_of(story)
    if flag and story.truth(flag):
        return Status.COMPLETED
    word = story.text("status")
    status = status_elsewhere(word) if word else Status.NOT_STARTED
    return Status.NOT_STARTED if flag and status is Status.COMPLETED else status


def flag_of(story: Object) -> str:
    """The key that says whether it is done, such as `passes`; empty when there is none."""
    return next((name for name in FLAGS if is_scalar(story, name)), "")


def done_marks(story: Object, stories: Iterable[Object]) -> list[tuple[str, str]]:
    """Keys with the JSON values that mark it as done, spelled as in the other stories; empty if it is marked."""
    marks: list[tuple[str, str]] = []
    flag = flag_of(story)
    if flag and not story.truth(flag):
        marks.append((flag, "true"))
    if is_scalar(story, "status"):
        if status_of(story.text("status")) is not Status.COMPLETED:
            words = (each.text("status") for each in stories)
            word = next((each for each in words if status_of(each) is Status.COMPLETED), Status.COMPLETED.value)
            marks.append(("status", json.dumps(word.strip(), ensure_ascii=False)))
    elif not flag:
        marks.append(("passes", "true"))
    return marks
