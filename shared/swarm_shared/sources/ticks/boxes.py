"""Items of a Markdown plan by their keys, and ticking their boxes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from swarm_shared.sources.plans.keys import Keys, same_text, slug
from swarm_shared.sources.syntax.markdown import Document, Item, read_markdown, tick_lines

_SPEC_KIT_ID = re.compile(r"(?:\*\*)?(T\d{1,6}[a-z]?|TX{2,4})(?!\w)(?:\*\*)?[.:]?[ \t]*(.*)")
_NUMBER = re.compile(r"(\d{1,4}(?:\.\d{1,4}){1,4}[a-f]?|\d{1,4})[.)]?[ \t]+(.*)")
# `T-12: text`, `API-7 - text`, `rate-limiter: text`; a plain word before a colon is a word of the sentence.
_NAMED = re.compile(
    r"\[?([A-Za-z][A-Za-z0-9]{0,15}-\d{1,6}|[a-z0-9]{1,30}(?:-[a-z0-9]{1,30}){1,5}(?=:))\]?(?::|[ \t]+[-:])[ \t]+(.*)"
)

Keyed = list[tuple[str, Item]]


def number_and_text(text: str) -> tuple[str, str]:
    """`2.1 Add a cache` as its number and the rest; an empty number when it has none."""
    found = _NUMBER.match(text)
    return (found[1], found[2]) if found and found[2] else ("", text)


def spec_kit_id_and_text(text: str) -> tuple[str, str]:
    """`T012 [P] text` as its id and the rest; an empty id when it has none, or a placeholder."""
    found = _SPEC_KIT_ID.match(text)
    if not found or not found[2]:
        return "", text
    return ("" if found[1].startswith("TX") else found[1]), found[2]


def name_and_text(text: str) -> tuple[str, str]:
    """`T-12: text` or `rate-limiter: text` as its name and the rest; an empty name when it has none."""
    found = _NAMED.match(text)
    return (found[1], found[2]) if found and found[2] else ("", text)


def keyed_spec_kit(items: Iterable[Item]) -> Keyed:
    """Items of spec-kit by their `T012`; by heading and text where that is missing or used before."""
    return _by_own_id(items, spec_kit_id_and_text)


def keyed_checklist(items: Iterable[Item]) -> Keyed:
    """Items of a plain list by a name before a colon, else by heading and text."""
    return _by_own_id(items, name_and_text)


def keyed_numbered(items: Iterable[Item]) -> Keyed:
    """Items of Kiro and OpenSpec by number and text: a number changes its owner when an item is inserted."""
    keys = Keys()
    found = []
    for item in items:
        number, text = number_and_text(item.text)
        found.append((keys.of(number or _place(item), text), item))
    return found


def _by_own_id(items: Iterable[Item], split: Callable[[str], tuple[str, str]]) -> Keyed:
    keys = Keys()
    given: set[str] = set()
    found = []
    for item in items:
        own, text = split(item.text)
        if own and own not in given:
            given.add(own)
            found.append((own, item))
        else:
            found.append((keys.of(_place(item), text), item))
    return found


def _place(item: Item) -> str:
    return slug(item.headings[-1]) if item.headings else ""


def tick_spec_kit(text: str, key: str) -> str | None:
    return _tick(text, key, keyed_spec_kit)


def tick_checklist(text: str, key: str) -> str | None:
    return _tick(text, key, keyed_checklist)


def tick_numbered(text: str, key: str) -> str | None:
    return _tick(text, key, keyed_numbered, nest_numbered)


def nest_numbered(document: Document) -> None:
    """Move items numbered 2.1, 2.2 … below the 2 that they follow at the same level, as nested ones would be."""
    nested: list[Item] = []
    number = ""
    for item in document.items:
        own = number_and_text(item.text)[0]
        if number and own.startswith(f"{number}.") and nested[-1].headings == item.headings:
            nested[-1].children.append(item)
            continue
        nested.append(item)
        number = own if not item.children else ""
    document.items = nested


def _no_change(document: Document) -> None:
    """Keep the items as they are nested in the file."""


def _tick(
    text: str,
    key: str,
    keyed: Callable[[Iterable[Item]], Keyed],
    arrange: Callable[[Document], None] = _no_change,
) -> str | None:
    """Tick the item of this key, what is below it, and what is above it once all below that is ticked."""
    document = read_markdown(text)
    arrange(document)
    found = keyed(document.walk())
    item = find(key, found)
    if item is None:
        return None
    numbers = {each.line for each in item.walk()}
    for above in reversed(_path_to(item, document.items)):
        if not all(below.is_done or below.line in numbers or below.has_star for below in above.children):
            break
        numbers.add(above.line)
    return tick_lines(text, numbers)


def find(key: str, found: Keyed) -> Item | None:
    """The item of a key; one that has moved is known by its text, if no other has the same."""
    exact = next((item for each, item in found if each == key), None)
    if exact is not None:
        return exact
    moved = [item for each, item in found if same_text(key) and same_text(each) == same_text(key)]
    return moved[0] if len(moved) == 1 else None


def _path_to(item: Item, items: list[Item]) -> list[Item]:
    """The items above one, the outermost first."""
    path: list[Item] = []
    while item not in items:
        above = [each for each in items if each.line < item.line]
        path.append(above[-1])
        items = above[-1].children
    return path
