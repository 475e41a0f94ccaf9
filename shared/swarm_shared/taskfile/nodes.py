"""Turns the text of a task file into nodes, one task at a time, and stops at anything that would cost too much.

It works on the parser's events: building the whole document as objects takes several times as long and a
gigabyte for 100,000 tasks, and the literal spelling of `2.10` or `007` would be lost on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from swarm_shared.taskfile.jsontext import json_events
from swarm_shared.taskfile.problems import Mark, ProblemList, shown
from swarm_shared.taskfile.scalars import NULL_WORDS

MAX_DEPTH = 32
MAX_TEXT_CHARS = 1 << 20
# The parser gives a scalar only when it has all of it. The longest spelling of one character is "\U0001F600".
MAX_QUIET_BYTES = 12 * MAX_TEXT_CHARS
# How large all aliases together may expand: a floor for small files, in proportion for large ones.
ALIAS_ALLOWANCE_CHARS = 1 << 20
ALIAS_CHARS_PER_BYTE = 4
_CONTAINER_CHARS = 8  # even an empty list takes memory

_LOADER: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_IS_STRICT = yaml.__with_libyaml__  # the pure Python parser lets escapes such as "\ud800" through
_TAG = "tag:yaml.org,2002:"
_TAGS = frozenset({"!"} | {_TAG + kind for kind in ("str", "null", "bool", "int", "float", "timestamp", "seq", "map")})
_TEXT_TAGS = frozenset({"!", _TAG + "str"})


class ListNode:
    """A list; `start_mark` is where it begins, as scalars have it too."""

    __slots__ = ("items", "start_mark", "weight")

    def __init__(self, start_mark: Mark | None) -> None:
        self.start_mark = start_mark
        self.items: list[Node] = []
        self.weight = 0


class MapNode:
    """A mapping by the literal spelling of its keys, in the order of the file, merged entries last."""

    __slots__ = ("entries", "start_mark", "weight")

    def __init__(self, start_mark: Mark | None) -> None:
        self.start_mark = start_mark
        self.entries: dict[str, tuple[ScalarEvent, Node]] = {}
        self.weight = 0


Node = ScalarEvent | ListNode | MapNode


def is_plain(scalar: ScalarEvent) -> bool:
    """Whether a scalar is unquoted, so that YAML may read a type into its spelling."""
    return not scalar.style and scalar.tag not in _TEXT_TAGS


def is_null(node: Node) -> bool:
    """Whether nothing is given: no value, `~` or `null`."""
    return type(node) is ScalarEvent and node.value in NULL_WORDS and is_plain(node)


class StopReading(Exception):
    """The rest of the file cannot be read; the reason is already in the problem list."""


class TooLong(Exception):
    """One value or comment takes more of the file than any task needs; it begins near the byte `offset`."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class _Feed:
    """Feeds the file to the parser in portions, reports progress, and stops it within one endless token."""

    def __init__(self, text: bytes, progress: Callable[[int, int], None] | None) -> None:
        self.heard = False
        self._text = text
        self._at = 0
        self._quiet = 0
        self._progress = progress

    def read(self, size: int) -> bytes:
        portion = self._text[self._at : self._at + size]
        self._at += len(portion)
        self._quiet = len(portion) if self.heard else self._quiet + len(portion)
        self.heard = False
        if self._quiet > MAX_QUIET_BYTES:
            raise TooLong(self._at - self._quiet)
        if self._progress is not None and portion:
            self._progress(self._at, len(self._text))
        return portion


class NodeReader:
    """Reads one document; problems that leave the rest readable are noted, the others raise `StopReading`.

    Errors of the parser (`yaml.YAMLError`) and `TooLong` pass through to the caller, who knows the text.
    """

    def __init__(
        self,
        text: bytes,
        problems: ProblemList,
        progress: Callable[[int, int], None] | None,
        *,
        is_json: bool = False,
    ) -> None:
        """Start at the beginning of the text.

        Args:
            is_json: The text is known to be JSON (`check_json`), and is read as that instead of as YAML.
        """
        self._problems = problems
        self._feed = _Feed(text, progress)
        self._may_hold_surrogates = is_json or not _IS_STRICT
        # Most nodes are scalars with nothing to check: these are taken without a call. Otherwise none is short enough.
        self._inline_chars = -1 if self._may_hold_surrogates else MAX_TEXT_CHARS
        self._next: Callable[[], Any]
        if is_json:
            self._next = json_events(text, progress).__next__
        else:
            self._parser = _LOADER(self._feed)
            self._next = self._parser.get_event
        self._anchors: dict[str, Node | None] = {}  # None while the anchored node is still being read
        self._alias_chars_left = ALIAS_ALLOWANCE_CHARS + ALIAS_CHARS_PER_BYTE * len(text)

    def begin(self) -> Any:
        """The first event of the document's content; None for a file without any."""
        self._next()
        return None if type(self._next()) is StreamEndEvent else self._next()

    def end(self) -> None:
        """Make sure that nothing follows the document."""
        self._next()
        following = self._next()
        if type(following) is DocumentStartEvent:
            self._stop(
                following.start_mark,
                "a second document begins here",
                "keep one document per file: remove the line --- or split the file",
            )

    def items(self) -> Iterator[Node]:
        """The rest of a list whose first event has been read, entry by entry."""
        while type(event := self._next()) is not SequenceEndEvent:
            yield self.node(event, 2)

    def entries(self) -> Iterator[tuple[ScalarEvent, Any]]:
        """Keys of the outermost mapping, each with the first event of its value, still to be read."""
        seen: dict[str, ScalarEvent] = {}
        while type(event := self._next()) is not MappingEndEvent:
            key = self._key(event, 1)
            value = self._next()
            if key is None or self._is_repeated(key, seen.setdefault(key.value, key)):
                self.node(value, 2)
            else:
                yield key, value

    def node(self, event: Any, depth: int = 1) -> Node:
        """Everything that belongs to the node which begins with this event."""
        self._feed.heard = True
        kind = type(event)
        if kind is ScalarEvent:
            if len(event.value) > MAX_TEXT_CHARS:
                self._problems.add(
                    event.start_mark,
                    f"this text has {len(event.value):,} characters, more than {MAX_TEXT_CHARS:,}",
                    "put it into a file and name that file under design_docs",
                )
                event.value = event.value[:MAX_TEXT_CHARS]
            if self._may_hold_surrogates and not _is_encodable(event.value):
                self._problems.add(
                    event.start_mark,
                    "half of a surrogate pair: an escape such as \\ud83d without the second one",
                    "write the whole character, or both halves one after the other",
                )
                event.value = event.value.encode(errors="replace").decode()
            if event.tag is not None:
                self._check_tag(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = event
            scalar: ScalarEvent = event
            return scalar
        if kind is AliasEvent:
            return self._aliased(event)
        if depth > MAX_DEPTH:
            self._stop(event.start_mark, f"nested deeper than {MAX_DEPTH} levels", "flatten this value")
        if event.tag is not None:
            self._check_tag(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        node = self._sequence(event, depth) if kind is SequenceStartEvent else self._mapping(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _sequence(self, event: Any, depth: int) -> ListNode:
        node = ListNode(event.start_mark)
        append = node.items.append
        following = self._next
        inline = self._inline_chars
        self._feed.heard = True
        while (kind := type(event := following())) is not SequenceEndEvent:
            if kind is ScalarEvent and event.tag is None and event.anchor is None and len(event.value) <= inline:
                append(event)
            else:
                append(self.node(event, depth + 1))
        return node

    def _mapping(self, event: Any, depth: int) -> MapNode:
        node = MapNode(event.start_mark)
        entries = node.entries
        merged: list[Node] = []
        following = self._next
        inline = self._inline_chars
        self._feed.heard = True
        key: ScalarEvent | None
        value: Node
        while (kind := type(event := following())) is not MappingEndEvent:
            if kind is ScalarEvent and event.tag is None and event.anchor is None and len(event.value) <= inline:
                key = event
            else:
                key = self._key(event, depth + 1)
            event = following()
            if type(event) is ScalarEvent and event.tag is None and event.anchor is None and len(event.value) <= inline:
                value = event
            else:
                value = self.node(event, depth + 1)
            if key is None:
                continue
            if key.value == "<<" and is_plain(key):
                merged.append(value)
            elif key.value in entries:
                self._is_repeated(key, entries[key.value][0])
            else:
                entries[key.value] = (key, value)
        for value in merged:
            self._merge(node, value)
        return node

    def _merge(self, node: MapNode, value: Node) -> None:
        """Take over the entries of `<<: *base`; the mapping's own win, and earlier bases over later ones."""
        for base in value.items if type(value) is ListNode else [value]:
            if type(base) is MapNode:
                for word, entry in base.entries.items():
                    node.entries.setdefault(word, entry)
            else:
                self._problems.add(base.start_mark, "<< takes a mapping", "write <<: *name of an anchored mapping")

    def _key(self, event: Any, depth: int) -> ScalarEvent | None:
        node = self.node(event, depth)
        if type(node) is ScalarEvent:
            return node
        self._problems.add(event.start_mark, "a key must be plain text", "put the key in quotes")
        return None

    def _is_repeated(self, key: ScalarEvent, first: ScalarEvent) -> bool:
        if key is first:
            return False
        where = f" (first in line {first.start_mark.line + 1})" if first.start_mark else ""
        self._problems.add(key.start_mark, f"the key {shown(key.value)} is given twice{where}", "keep one of the two")
        return True

    def _aliased(self, event: AliasEvent) -> Node:
        name = event.anchor or ""
        if name not in self._anchors:
            self._stop(event.start_mark, f"*{name} names no anchor", f"put &{name} before it, or the text in quotes")
        node = self._anchors[name]
        if node is None:
            self._stop(event.start_mark, f"*{name} contains itself", "write the value out")
        self._alias_chars_left -= _weight(node)
        if self._alias_chars_left < 0:
            self._stop(
                event.start_mark,
                "the aliases of this file expand to far more than the file itself",
                "write the values out instead of nesting aliases",
            )
        return node

    def _check_tag(self, event: Any) -> None:
        if event.tag not in _TAGS:
            self._problems.add(
                event.start_mark, f"the tag {shown(event.tag)} means nothing here", "put the value in quotes"
            )

    def _stop(self, mark: Mark | None, message: str, advice: str) -> NoReturn:
        self._problems.add(mark, message, advice)
        raise StopReading


def _weight(node: Node) -> int:
    """About how many characters a node expands to when written out; remembered: nested aliases stay cheap."""
    if isinstance(node, ScalarEvent):
        return len(node.value) + 1
    if not node.weight:
        children: list[Node] = node.items if isinstance(node, ListNode) else [v for _, v in node.entries.values()]
        node.weight = _CONTAINER_CHARS + sum(map(_weight, children))
    return node.weight


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
