"""Importing one text: the report says what every line becomes, and the request imports exactly that, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from queue_harness import QueueHarness

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import DatabaseError, InputError
from swarm_shared.domain.models import Status, Verb
from swarm_shared.store.importing import imports as importing
from swarm_shared.store.importing.imports import Answers
from swarm_shared.text_import import MAX_BYTES, MAX_TASKS, Text, carry_out_import, read_text, report

CHECKLIST = """# Plan

## Core
- [x] Write the parser
- [ ] Print a tree
```
- [ ] a sample
```
Some words.
"""
YAML = "tasks:\n  - {id: a, name: A}\n  - {id: b, name: B, dependencies: [a]}\n"
HOSTILE = "- [ ] \x1b[31mred\u202e \x00<script>alert(1)</script>\n" + "- [ ] " + "x" * 100_000 + "\n"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[QueueHarness]:
    harness = QueueHarness(tmp_path)
    yield harness
    harness.db.close()


def ask(harness: QueueHarness, text: str, **how: Any) -> int:
    given = Text(text=text, **how)
    return harness.db.control.request_import(text, given.argument(), actor="dashboard")


def carry_out(harness: QueueHarness, row: int, **how: Any) -> tuple[str, str | None]:
    carry_out_import(harness.db, harness.db.control.get(row), by="reaper", **how)
    return outcome(harness, row)


def outcome(harness: QueueHarness, row: int) -> tuple[str, str | None]:
    found = harness.db.control.get(row)
    return found.status, found.result


def test_the_report_accounts_for_every_line(harness: QueueHarness) -> None:
    shown = report(harness.db, Text(text=CHECKLIST, name="TODO.md"))
    assert shown["format"] == "checklist"
    assert shown["counts"] == {"total": 2, "imported": 2, "updated": 0, "unchanged": 0, "skipped": 0}
    assert [(task["name"], task["status"], task["line"], task["phase"]) for task in shown["tasks"]] == [
        ("Write the parser", "completed", 4, "Core"),
        ("Print a tree", "not_started", 5, "Core"),
    ]
    assert [(each["lines"], each["why"]) for each in shown["left_out"]] == [
        ("6", "a code fence"),
        ("7", "a checklist line in a code fence"),
        ("8", "a code fence"),
        ("9", "text outside any task"),
    ]
    assert sum(shown["lines"].values()) == CHECKLIST.count("\n")
    assert harness.db.tasks.counts() == {}, "a report must change nothing"


def test_problems_are_reported_with_their_lines(harness: QueueHarness) -> None:
    shown = report(harness.db, Text(text="tasks:\n  - {id: a}\n  - {id: b, name: B, dependencies: [nope]}\n"))
    assert [problem["line"] for problem in shown["problems"]] == [2, 3]
    assert (shown["problem_count"], shown["counts"]) == (2, None)


def test_a_cycle_through_the_queue_is_a_problem_as_well(harness: QueueHarness) -> None:
    assert carry_out(harness, ask(harness, YAML))[0] == "done"
    circle = "tasks:\n  - {id: a, name: A, dependencies: [b]}\n"
    message = report(harness.db, Text(text=circle))["problems"][0]["message"]
    assert "b → a → b" in message
    assert carry_out(harness, ask(harness, circle)) == ("refused", message)


def test_a_repeated_import_is_announced_as_such(harness: QueueHarness) -> None:
    carry_out(harness, ask(harness, YAML))
    changed = YAML.replace("name: B", "name: Better")
    assert report(harness.db, Text(text=changed))["counts"] == {
        "total": 2,
        "imported": 0,
        "updated": 1,
        "unchanged": 1,
        "skipped": 0,
    }


@pytest.mark.parametrize(
    ("text", "how", "found"),
    [
        ('{"tasks": [{"id": "a", "name": "A"}]}', {}, "yaml"),
        ("- [ ] T001 [P] Set it up\n", {"name": "specs/001-x/tasks.md"}, "spec-kit"),
        ("- [ ] 1. Set it up\n  - [ ] 1.1 Do it\n", {"name": ".kiro/specs/x/tasks.md"}, "kiro"),
        ("- [ ] 1. Set it up\n", {"plan_format": "kiro"}, "kiro"),
        ("## 1. Group\n- [ ] 1.1 Do it\n", {"name": "openspec/changes/x/tasks.md"}, "openspec"),
        ("Title,Status\nDo it,todo\n", {"name": "plan.csv"}, "csv"),
        ('{"master": {"tasks": [{"id": 1, "title": "T", "status": "pending"}]}}', {}, "task-master"),
        ('{"mine": {"tasks": [{"id": 1, "title": "T", "status": "pending"}]}}', {"tag": "mine"}, "task-master"),
        ('{"project": "p", "userStories": [{"id": "U1", "title": "T", "passes": false}]}', {}, "ralph"),
        ('{"id": "bd-1", "title": "T", "status": "open", "issue_type": "task"}\n', {"name": "issues.jsonl"}, "beads"),
        ('[{"number": 7, "title": "T", "body": "", "state": "OPEN", "labels": [], "url": "u"}]', {}, "github"),
        ("---\nid: task-1\ntitle: T\nstatus: To Do\n---\n", {"plan_format": "backlog.md"}, "backlog.md"),
    ],
)
def test_every_format_that_fits_in_one_file(harness: QueueHarness, text: str, how: dict[str, Any], found: str) -> None:
    shown = report(harness.db, Text(text=text, **how))
    assert (shown["format"], shown["problems"], shown["task_count"]) == (found, [], 1)
    status, result = carry_out(harness, ask(harness, text, **how))
    assert (status, result) == ("done", "imported 1 of 1 tasks (0 updated, 0 unchanged, 0 skipped)")


def test_the_csv_columns_of_the_settings_are_stored_with_the_request(harness: QueueHarness) -> None:
    how = {"name": "plan.csv", "columns": {"Titel": "name"}}
    assert report(harness.db, Text(text="Titel\nTu es\n", **how))["tasks"][0]["name"] == "Tu es"
    assert carry_out(harness, ask(harness, "Titel\nTu es\n", **how))[0] == "done"


def test_hostile_text_is_treated_as_text(harness: QueueHarness) -> None:
    shown = report(harness.db, Text(text=HOSTILE, name="TODO.md"))
    assert "\x00" not in str(shown["tasks"])
    assert carry_out(harness, ask(harness, HOSTILE, name="TODO.md"))[0] in ("done", "refused")


def test_lists_are_bounded_but_counts_are_complete(harness: QueueHarness) -> None:
    many = "".join(f"- [ ] Task number {number}\n" for number in range(MAX_TASKS + 10))
    shown = report(harness.db, Text(text=many, name="TODO.md"))
    assert (len(shown["tasks"]), shown["task_count"]) == (MAX_TASKS, MAX_TASKS + 10)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Text(text="é" * MAX_BYTES), "up to 400 KiB can be imported in the browser"),
        (Text(text=" \n"), "nothing to import"),
        (Text(text="x", name="/etc/passwd"), "path in the project"),
        (Text(text="x", name="../x.md"), "path in the project"),
        (Text(text="x", name="a\nb"), "cannot be the name"),
        (Text(text="x", name="n" * 301), "cannot be the name"),
        (Text(text="x", plan_format="docx"), "unknown format"),
    ],
)
def test_a_text_that_cannot_be_imported_is_refused_with_the_reason(
    harness: QueueHarness, given: Text, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        report(harness.db, given)


# ───── the request ─────


def test_the_text_is_kept_until_the_request_has_its_outcome(harness: QueueHarness) -> None:
    row = ask(harness, YAML)
    assert harness.db.control.text(row) == YAML
    assert carry_out(harness, row) == ("done", "imported 2 of 2 tasks (0 updated, 0 unchanged, 0 skipped)")
    assert harness.db.control.text(row) is None
    assert harness.status("b") is Status.BLOCKED


def test_a_repeated_request_is_recorded_once(harness: QueueHarness) -> None:
    rows = {
        harness.db.control.request_import(text, {}, actor="dashboard", idempotency_key="k")
        for text in (YAML, CHECKLIST)
    }
    assert len(rows) == 1
    assert harness.db.control.text(rows.pop()) == YAML


def test_a_text_with_problems_changes_nothing_and_the_first_problem_is_named(harness: QueueHarness) -> None:
    status, result = carry_out(harness, ask(harness, "tasks:\n  - {id: a}\n  - {id: b}\n"))
    assert status == "refused"
    assert str(result).startswith("line 2: ")
    assert str(result).endswith("(and 1 more problem)")
    assert harness.db.tasks.counts() == {}


def test_a_request_carried_out_twice_imports_once(harness: QueueHarness) -> None:
    row = ask(harness, YAML)
    carried = harness.db.control.get(row)
    carry_out_import(harness.db, carried, by="reaper")
    harness.db.definitions.edit("b", {"set": {"name": "Mine"}}, actor="me")
    carry_out_import(harness.db, carried, by="reaper")
    read = read_text(Text(text=YAML), harness.db)
    assert not harness.db.imports.carry_out(
        read.tasks, source="x", actor="x", answers=Answers(control=row, by="reaper")
    )
    assert harness.task("b")["name"] == "Mine"
    assert harness.events().count("imported") == 1


class Killed(BaseException):
    """Simulates a kill: none of the following code runs."""


@pytest.mark.parametrize("late", [False, True])
def test_an_import_that_died_while_publishing_is_completed_with_its_outcome(
    harness: QueueHarness, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    monkeypatch.setattr(importing, "AT_ONCE_ROWS", 1)
    row = ask(harness, YAML)
    with monkeypatch.context() as patch:

        def die(*_: object) -> None:
            raise Killed

        patch.setattr(harness.db.imports, "_publish", die)
        with pytest.raises(Killed):
            carry_out(harness, row)
    with harness.db.connection.transaction():  # its process has ended
        harness.db.connection.change("UPDATE imports SET pid_start = pid_start - 1")
    assert outcome(harness, row)[0] == "pending"
    with TaskDatabase(harness.path, clock=harness.clock) as later:
        carry_out_import(later, later.control.get(row), by="reaper", late=late)
    assert outcome(harness, row) == ("done", "imported 2 of 2 tasks (0 updated, 0 unchanged, 0 skipped)")
    assert harness.events().count("imported") == 1


def test_an_expired_request_that_only_began_is_not_imported(harness: QueueHarness) -> None:
    assert carry_out(harness, ask(harness, YAML), late=True)[0] == "expired"
    assert harness.db.tasks.counts() == {}


def test_a_database_error_leaves_the_request_open(harness: QueueHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(harness.db.imports, "carry_out", full)
    row = ask(harness, YAML)
    with pytest.raises(DatabaseError):
        carry_out(harness, row)
    assert outcome(harness, row)[0] == "pending"


def test_repeating_the_key_of_a_completed_request_stores_no_text(harness: QueueHarness) -> None:
    row = harness.db.control.request_import(CHECKLIST, {}, actor="dashboard", idempotency_key="k")
    harness.db.control.answer(row, "done", "imported", by="reaper")
    assert harness.db.control.request_import(CHECKLIST, {}, actor="dashboard", idempotency_key="k") == row
    assert harness.db.control.text(row) is None


def test_the_key_of_another_request_stores_no_text(harness: QueueHarness) -> None:
    row = harness.db.control.request(Verb.PAUSE, actor="dashboard", idempotency_key="k")
    assert harness.db.control.request_import(CHECKLIST, {}, actor="dashboard", idempotency_key="k") == row
    assert harness.db.control.text(row) is None


def test_a_report_looks_up_only_the_ids_that_the_text_contains(
    harness: QueueHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.add("a", *(f"t{number}" for number in range(200)))
    read = 0
    kind = type(harness.db.connection)
    ask_for = kind.rows

    def counted(self: Any, *arguments: Any) -> Any:
        nonlocal read
        rows = list(ask_for(self, *arguments))
        read += len(rows)
        return rows

    monkeypatch.setattr(kind, "rows", counted)
    text = "tasks:\n  - {id: a, name: other}\n  - {id: c, name: C, dependencies: [a, t7]}\n"
    shown = report(harness.db, Text(text=text, plan_format="yaml"))
    assert (shown["counts"]["imported"], shown["counts"]["updated"]) == (1, 1)
    assert read <= 10
