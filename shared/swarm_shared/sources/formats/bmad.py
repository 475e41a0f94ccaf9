"""BMAD: `sprint-status.yaml` with the states of stories, and a file for each story."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.models import Status
from swarm_shared.sources.plans.drafts import Draft, Drafts
from swarm_shared.sources.plans.order import one_after_the_other
from swarm_shared.sources.plans.plan import Became, Options, Place, Plan, merged
from swarm_shared.sources.syntax.documents import Object, read_document
from swarm_shared.sources.syntax.markdown import split_lines
from swarm_shared.sources.syntax.paths import paths_in
from swarm_shared.sources.syntax.texts import Section, joined, listed, sections
from swarm_shared.taskfile.words import status_elsewhere

FORMAT = "bmad"
MAX_STORY_BYTES = 1 << 20
# Records of work that was done, which no agent needs for doing it.
RECORDS = ("dev agent record", "change log", "file list", "qa results", "code review", "senior developer review")

_STATES = re.compile(r"^development_status[ \t]*:", re.MULTILINE)
_STORY = re.compile(r"(\d+)-(\d+[a-z]?)-(.+)")
_EPIC = re.compile(r"(?:.+-)?epic-([\w.]+)")
_TITLE = re.compile(r"(?:Story[ \t]+)?\d+[.-]\d+[a-z]?[ \t]*[:.-]?[ \t]*(.+)")


class _Story(Struct, frozen=True, kw_only=True):
    file: str  # for messages
    path: str  # relative to the project root, or absolute
    lines: list[str]
    parts: list[Section]


class _Folder(Struct, frozen=True, kw_only=True):
    """A folder that may hold stories: where it is opened, how it is named in messages, and in the project."""

    on_disk: str
    file: str
    path: str


def recognizes(place: Place, text: str) -> bool:
    """YAML with the states of a development."""
    return place.suffix in ("", ".yaml", ".yml") and bool(_STATES.search(text))


def read(place: Place, text: str, options: Options) -> Plan:
    """The stories that have a file, those of an epic one after the other."""
    drafts = Drafts(FORMAT, place, ticks=True)
    document = read_document(text, drafts.errors, is_json=False)
    states = document.value("development_status") if isinstance(document, Object) else None
    if not isinstance(document, Object) or not isinstance(states, Object):
        return drafts.finish("")
    fates: dict[int, tuple[Became, str]] = {document.line_of("development_status"): (Became.NOTHING, "")}
    stories: list[tuple[Draft, _Story]] = []
    epics: dict[str, list[Draft]] = {}
    epic = ""  # the one above
    folders = _folders(place, document.text("story_location"))
    for key in states:
        line = states.line_of(key)
        found = _STORY.fullmatch(key)
        if key.endswith("retrospective"):
            fates[line] = Became.LEFT_OUT, "a retrospective"
        elif found is None and (named := _EPIC.fullmatch(key)):
            epic = f"Epic {named[1]}" if key.startswith("epic-") else key
            fates[line] = Became.PHASE, epic
        elif (story := _open(folders, key)) is None:
            fates[line] = Became.LEFT_OUT, "a story without a file"
        else:
            phase = f"Epic {found[1]}" if found else epic
            draft = _draft(drafts, key, states, story, phase)
            fates[line] = Became.TASK, draft.id
            epics.setdefault(phase, []).append(draft)
            stories.append((draft, story))
    for listed_drafts in epics.values():
        one_after_the_other(listed_drafts)
    plan = drafts.finish("")
    plan.entries += merged(place.file, _fates(split_lines(text), fates))
    for draft, story in stories:
        plan.entries += merged(story.file, _fates_of_story(draft, story))
    return plan


def _draft(drafts: Drafts, key: str, states: Object, story: _Story, phase: str) -> Draft:
    draft = drafts.add(key, _name(story.parts, key), key=key, line=states.line_of(key))
    draft.phase = phase
    word = states.text(key)
    status = status_elsewhere(word)
    if status is None:
        drafts.warn_of_status(draft, word)
    draft.status = status or Status.NOT_STARTED
    texts = []
    for part in story.parts:
        title = part.title.casefold()
        if title.startswith("acceptance criteria"):
            draft.criteria += listed(part.text)
        elif part.level != 1 and not title.startswith(RECORDS):
            texts.append((part.title, part.text))
    draft.description = joined(*texts)
    draft.files += paths_in(draft.description)
    if not story.path.startswith("/"):
        draft.design_docs.append(story.path)
    return draft


def _name(parts: list[Section], key: str) -> str:
    title = next((part.title for part in parts if part.level == 1), "")
    numbered = _TITLE.fullmatch(title)
    found = _STORY.fullmatch(key)
    return (numbered[1] if numbered else title) or (found[3] if found else key).replace("-", " ")


def _folders(place: Place, location: str) -> list[_Folder]:
    """Where stories may be: where the plan says, or next to it, as folders move with their repository."""
    if place.on_disk is None:
        return []
    depth = len(place.parts)
    beside = place.on_disk.parent
    root = place.on_disk.parents[depth - 1] if place.in_project and depth <= len(place.on_disk.parents) else None
    inside = location.removeprefix("{project-root}/").strip()
    folders = [beside, beside / "stories"]
    if root is not None and inside and not inside.startswith(("/", "~")) and ".." not in inside.split("/"):
        folders.insert(0, root / inside)
    return [
        _Folder(
            on_disk=str(folder),
            # As the user named the plan: `a/sprint-status.yaml` gives `a/1-1-x.md`.
            file=str(Path(place.file).parent / folder.relative_to(beside))
            if folder.is_relative_to(beside)
            else str(folder),
            path=folder.relative_to(root).as_posix()
            if root is not None and folder.is_relative_to(root)
            else folder.as_posix(),
        )
        for folder in folders
    ]


def _open(folders: Sequence[_Folder], key: str) -> _Story | None:
    """The file of a story."""
    if "/" in key or key.startswith("."):
        return None
    name = f"{key}.md"
    for folder in folders:
        try:
            with open(os.path.join(folder.on_disk, name), "rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                data = stream.read(size) if size <= MAX_STORY_BYTES else None
        except OSError:
            continue
        if data is not None:
            lines = split_lines(data.decode("utf-8", "replace"))
            file, path = os.path.normpath(os.path.join(folder.file, name)), posixpath.join(folder.path, name)
            return _Story(file=file, path=posixpath.normpath(path), lines=lines, parts=sections(lines))
    return None


def _fates(lines: list[str], fates: dict[int, tuple[Became, str]]) -> list[tuple[int, Became, str, str]]:
    found = []
    for number, line in enumerate(lines, 1):
        became, detail = fates.get(number, (Became.LEFT_OUT, "not part of development_status"))
        if number not in fates and (not line.strip() or line.lstrip().startswith("#") or line.strip() == "---"):
            became, detail = Became.NOTHING, ""
        found.append((number, became, detail, line))
    return found


def _fates_of_story(draft: Draft, story: _Story) -> list[tuple[int, Became, str, str]]:
    found = []
    heading, is_record, level = "", False, 1
    starts = {part.line: part for part in story.parts if part.level}
    for number, line in enumerate(story.lines, 1):
        if number in starts:
            heading, level = starts[number].title, starts[number].level
            is_record = heading.casefold().startswith(RECORDS)
        if not line.strip():
            found.append((number, Became.NOTHING, "", ""))
        elif is_record:
            found.append((number, Became.LEFT_OUT, f"{heading}: a record of work", line))
        elif number not in starts and level == 1:
            found.append((number, Became.LEFT_OUT, "text before the sections of a story", line))
        else:
            found.append((number, Became.PART, draft.id, line))
    return found
