"""Plans with many similar items are read in linear time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from queue_harness import QueueHarness

from swarm_shared.sources.plans.keys import FreeIds
from swarm_shared.text_import import Text, read_text, report

LINES = 20_000
WITHIN_CPU_S = 8.0  # it takes one; quadratic time takes more than twenty


@contextmanager
def in_time() -> Iterator[None]:
    begun = time.process_time()
    yield
    assert time.process_time() - begun < WITHIN_CPU_S


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[QueueHarness]:
    harness = QueueHarness(tmp_path)
    yield harness
    harness.db.close()


def test_a_free_id_is_the_base_or_has_the_first_free_number() -> None:
    taken, free = {"a-2"}, FreeIds()
    for expected in ("a", "a-3", "a-4"):
        assert free.of("a", taken) == expected
        taken.add(expected)
    assert free.of("b", taken, {"b"}) == "b-2"


@pytest.mark.parametrize(
    ("plan_format", "line"),
    [
        ("checklist", "# a\n## b\n- [ ] a\n"),
        ("spec-kit", "- [ ] a\0\n"),
        ("kiro", "- [ ] 1. a\n"),
        ("openspec", "- [ ] a\n"),
    ],
)
def test_items_with_the_same_text(harness: QueueHarness, plan_format: str, line: str) -> None:
    with in_time():
        shown = report(harness.db, Text(text=line * LINES, plan_format=plan_format))
    assert shown["task_count"] == LINES


def imported(harness: QueueHarness, text: str, name: str) -> None:
    read = read_text(Text(text=text, name=name), harness.db)
    harness.db.imports.run(read.tasks, source=name, actor="test")


Lines = Callable[[str, int], str]


def under_headings(word: str, count: int) -> str:
    return "".join(f"# {word} {n}\n- [ ] {word * 3} {n}\n" for n in range(count))


def alike(word: str, count: int) -> str:
    return "- [ ] a\n" * count


@pytest.mark.parametrize(("text", "name"), [(under_headings, "a.md"), (alike, "b.md")])
def test_items_that_match_none_of_the_queue(harness: QueueHarness, text: Lines, name: str) -> None:
    count = LINES // 2
    imported(harness, text("old", count), "a.md")
    with in_time():
        shown = report(harness.db, Text(text=text("new", count), name=name))
    assert shown["counts"]["imported"] == count
