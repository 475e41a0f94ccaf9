"""BMAD: `sprint-status.yaml` with the states of stories, and a file for each story."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.models import Status
from swarm_shared.sources.documents import Object, read_document
from swarm_shared.sources.drafts import Draft, Drafts
from swarm_shared.sources.markdown import split_lines
from swarm_shared.sources.order import one_after_the_other
from swarm_shared.sources.paths import paths_in
from swarm_shared.sources.plan import Became, Options, Place, Plan, merged
from swarm_shared.sources.texts import Section, joined, listed, sections
from swarm_shared.taskfile.words import status_of

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
    for key in states:
        line = states.line_of(key)
        found = _STORY.fullmatch(key)
        if key.endswith("retrospective"):
            fates[line] = Became.LEFT_OUT, "a retrospective"
        elif found is None and (named := _EPIC.fullmatch(key)):
            epic = f"Epic {named[1]}" if key.startswith("epic-") else key
            fates[line] = Became.PHASE, epic
        elif (story := _open(place, document.text("story_location"), key)) is None:
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
    parts = sections(story.lines)
    draft = drafts.add(key, _name(parts, key), key=key, line=states.line_of(key))
    draft.phase = phase
    word = states.text(key)
    status = status_of(word)
    if status is None:
        drafts.warn_of_status(draft, word)
    draft.status = status or Status.NOT_STARTED
    texts = []
    for part in parts:
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


def _open(place: Place, location: str, key: str) -> _Story | None:
    """The file of a story: where the plan says, or beside it, as folders move with their repository."""
    if place.on_disk is None or "/" in key or key.startswith("."):
        return None
    depth = len(place.parts)
    root = place.on_disk.parents[depth - 1] if place.in_project and depth <= len(place.on_disk.parents) else None
    inside = location.removeprefix("{project-root}/").strip()
    folders = [place.on_disk.parent, place.on_disk.parent / "stories"]
    if root is not None and inside and not inside.startswith(("/", "~")) and ".." not in inside.split("/"):
        folders.insert(0, root / inside)
    for folder in folders:
        path = folder / f"{key}.md"
        try:
            if path.stat().st_size <= MAX_STORY_BYTES:
                text = path.read_text(encoding="utf-8", errors="replace")
                return _Story(file=_shown(path, place), path=_path(path, root), lines=split_lines(text))
        except OSError:
            continue
    return None


def _path(path: Path, root: Path | None) -> str:
    return path.relative_to(root).as_posix() if root is not None and path.is_relative_to(root) else path.as_posix()


def _shown(path: Path, place: Place) -> str:
    """The story's file as the user named the plan: `a/sprint-status.yaml` gives `a/1-1-x.md`."""
    folder = Path(place.file).parent
    beside = place.on_disk.parent if place.on_disk is not None else folder
    return str(folder / path.relative_to(beside)) if path.is_relative_to(beside) else str(path)


def _fates(lines: list[str], fates: dict[int, tuple[Became, str]]) -> list[tuple[int, Became, str, str]]:
    found = []
    for number, line in enumerate(lines, 1):
        became, detail = fates.get(number, (Became.LEFT_OUT, "no part of the states"))
        if number not in fates and (not line.strip() or line.lstrip().startswith("#") or line.strip() == "---"):
            became, detail = Became.NOTHING, ""
        found.append((number, became, detail, line))
    return found


def _fates_of_story(draft: Draft, story: _Story) -> list[tuple[int, Became, str, str]]:
    found = []
    heading, is_record = "", False
    starts = {part.line: part for part in sections(story.lines) if part.level}
    for number, line in enumerate(story.lines, 1):
        if number in starts:
            heading = starts[number].title
            is_record = heading.casefold().startswith(RECORDS)
        if not line.strip():
            found.append((number, Became.NOTHING, "", ""))
        elif is_record:
            found.append((number, Became.LEFT_OUT, f"{heading}: a record of work", line))
        elif starts.get(number) is None and _level(starts, number) == 1:
            found.append((number, Became.LEFT_OUT, "text before the sections of a story", line))
        else:
            found.append((number, Became.PART, draft.id, line))
    return found


def _level(starts: dict[int, Section], number: int) -> int:
    """The level of the section that a line is in."""
    before = [line for line in starts if line <= number]
    return starts[max(before)].level if before else 1
