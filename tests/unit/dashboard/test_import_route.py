"""Importing and exporting in the browser: reports change nothing, a request keeps the text, limits are explained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from dashboard_harness import DashboardHarness
from payload_types import PayloadTypes

from swarm_dashboard.routes import exporting
from swarm_shared.domain.models import Status, TaskSpec, Verb
from swarm_shared.settings.settings import resolve
from swarm_shared.taskfile.reader import read_task_file
from swarm_shared.text_import import MAX_BYTES

TYPES = Path(__file__).parents[3] / "services" / "swarm_dashboard" / "static" / "types.d.ts"
PLAN = "# Plan\n- [ ] Write the parser\n\n```\n- [ ] a sample\n```\n"


@pytest.fixture
def harness(tmp_path: Path) -> DashboardHarness:
    return DashboardHarness(tmp_path)


def test_the_report_has_the_declared_shape_and_changes_nothing(harness: DashboardHarness) -> None:
    types = PayloadTypes(TYPES)
    for text in (PLAN, "tasks:\n  - {id: a}\n", "tasks:\n  - {id: a, name: A, odd: 1, status: completed}\n"):
        shown = harness.post(
            "/api/import/preview", {"text": text, "name": "plan.md" if text is PLAN else ""}
        ).get_json()
        assert list(types.faults("ImportReport", shown)) == [], text
    assert list(types.faults("ImportLimits", harness.get("/api/import").get_json())) == []
    assert (harness.db.control.pending(), harness.db.tasks.counts()) == ([], {})


def test_the_request_stores_the_text_next_to_its_row(harness: DashboardHarness) -> None:
    response = harness.post("/api/import", {"text": PLAN, "name": "plan.md", "format": "checklist"})
    assert response.status_code == 202
    row = harness.db.control.get(response.get_json()["control_id"])
    assert (row.verb, row.target, dict(row.argument)) == (Verb.IMPORT, "", {"name": "plan.md", "format": "checklist"})
    assert harness.db.control.text(row.id) == PLAN
    assert PLAN not in json.dumps(harness.get("/api/control").get_json()), (
        "the audit log names it and does not repeat it"
    )


def test_the_columns_of_the_settings_are_used(tmp_path: Path) -> None:
    settings = replace(resolve({"db": tmp_path / "tasks.db"}, {}), csv_columns={"Titel": "name"})
    harness = DashboardHarness(tmp_path, settings=settings)
    shown = harness.post("/api/import/preview", {"text": "Titel\nTu es\n", "name": "x.csv"}).get_json()
    assert [task["name"] for task in shown["tasks"]] == ["Tu es"]


@pytest.mark.parametrize("path", ["/api/import", "/api/import/preview"])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text": "x" * (MAX_BYTES + 1)}, "up to 400 KiB can be imported in the browser"),
        ({"text": ""}, "there is nothing to import"),
        ({}, "there is nothing to import"),
        ({"text": 7}, "text must be a string"),
        ({"text": "\ud800"}, "text is not valid Unicode"),
        ({"text": "x", "name": "../x"}, "name the file, or its path in the project"),
        ({"text": "x", "format": "docx"}, "unknown format"),
    ],
)
def test_a_text_that_cannot_be_imported_is_refused_with_the_reason(
    harness: DashboardHarness, path: str, body: dict[str, object], said: str
) -> None:
    response = harness.post(path, body)
    assert response.status_code == 400
    assert said in response.get_json()["error"]["message"]
    assert harness.db.control.pending() == []


def test_a_text_of_the_maximum_size_fits_into_a_request_however_it_is_escaped(harness: DashboardHarness) -> None:
    text = '- [ ] "\\\n' * (MAX_BYTES // 9)
    assert harness.post("/api/import", {"text": text}).status_code == 202


def test_an_export_is_a_task_file_of_all_tasks_or_of_one_status(harness: DashboardHarness) -> None:
    harness.add("a", TaskSpec(id="b", name="B", status=Status.FAILED))
    shown = harness.get("/api/export").get_json()
    assert not list(PayloadTypes(TYPES).faults("Exported", shown))
    assert [task.id for task in read_task_file(None, shown["text"].encode()).tasks] == ["a", "b"]
    failed = harness.get("/api/export?status=failed").get_json()
    assert (failed["tasks"], "id: b" in failed["text"], "id: a" in failed["text"]) == (1, True, False)
    assert harness.get("/api/export?status=nonsense").status_code == 400


def test_an_export_accepts_several_statuses_like_the_list_of_tasks(harness: DashboardHarness) -> None:
    harness.add("a", TaskSpec(id="b", name="B", status=Status.FAILED), TaskSpec(id="c", name="C", status=Status.HELD))
    shown = harness.get("/api/export?status=failed,held").get_json()
    assert [task.id for task in read_task_file(None, shown["text"].encode()).tasks] == ["b", "c"]


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ("phase=build", ["a", "b"]),
        ("phase=build&status=failed", ["b"]),
        ("q=lexer", ["a", "c"]),
        ("q=phase:build lexer", ["a"]),
        ("q=status:held&status=failed", ["c"]),
        ("q=nothing-like-it", []),
    ],
)
def test_an_export_selects_what_the_list_of_tasks_shows(harness: DashboardHarness, asked: str, ids: list[str]) -> None:
    harness.add(
        TaskSpec(id="a", name="a lexer", phase="build"),
        TaskSpec(id="b", name="a parser", phase="build", status=Status.FAILED, dependencies=("a",)),
        TaskSpec(id="c", name="test the lexer", phase="test", status=Status.HELD),
    )
    listed = [row["id"] for row in harness.get(f"/api/tasks?{asked}").get_json()["tasks"]]
    shown = harness.get(f"/api/export?{asked}").get_json()
    written = yaml.safe_load(shown["text"])["tasks"]
    assert listed == [task["id"] for task in written] == ids
    assert shown["tasks"] == len(ids)
    assert all(task["dependencies"] == ["a"] for task in written if task["id"] == "b")


def test_an_export_finds_matches_wherever_they_are_in_the_queue(harness: DashboardHarness) -> None:
    harness.add(*(TaskSpec(id=f"t{n}", name="lexer" if n % 1500 == 7 else "other") for n in range(4200)))
    shown = harness.get("/api/export?q=lexer").get_json()
    assert [task["id"] for task in yaml.safe_load(shown["text"])["tasks"]] == ["t7", "t1507", "t3007"]


def test_an_export_that_is_too_large_for_a_browser_is_refused(
    harness: DashboardHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.add("a", "b")
    monkeypatch.setattr(exporting, "MAX_EXPORTED", 1)
    refused = harness.get("/api/export")
    assert (refused.status_code, "2 tasks are too many" in refused.get_json()["error"]["message"]) == (400, True)
    assert harness.get("/api/export?q=id:b").status_code == 200
