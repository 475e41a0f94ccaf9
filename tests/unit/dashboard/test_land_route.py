"""Landing into your branches from the dashboard: previews change nothing, and requests name what was shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_harness import DashboardHarness
from integration_harness import Run, adopt
from payload_types import PayloadTypes

from swarm_shared.domain.models import Status, Verb

TYPES = Path(__file__).parents[3] / "services" / "swarm_dashboard" / "static" / "types.d.ts"
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def harness(tmp_path: Path) -> DashboardHarness:
    return DashboardHarness(tmp_path)


@pytest.fixture
def project(tmp_path: Path, harness: DashboardHarness) -> Run:
    run = Run(tmp_path / "with-git")
    run.land("a", {"b.txt": "1\n"})
    adopt(harness.db, run)
    return run


def test_the_preview_has_the_declared_shape(harness: DashboardHarness, project: Run) -> None:
    harness.add("later")
    types = PayloadTypes(TYPES)
    shown = harness.get("/api/landing/preview?into=main").get_json()
    assert list(types.faults("LandPreview", shown)) == []
    assert (shown["kind"], shown["refusal"]) == ("fast_forward", None)
    assert shown["not_included"] == [{"what": "not started", "count": 1, "ids": ["later"]}]
    project.write({"a.txt": "mine\n"})
    refused = harness.get("/api/landing/preview?into=main").get_json()
    assert list(types.faults("LandPreview", refused)) == []
    assert "a.txt" in refused["refusal"]["message"]
    assert list(types.faults("Branches", harness.get("/api/landing/branches").get_json())) == []


def test_work_that_is_not_included_is_listed_with_its_status(harness: DashboardHarness, project: Run) -> None:
    statuses = (Status.APPROVED, Status.COMPLETED, Status.CANCELLED, Status.HELD, Status.FAILED)
    harness.add(*(f"t{number}" for number in range(20)))
    with harness.db.connection.transaction():
        for number, status in enumerate(statuses):
            reason = "'killed'" if status is Status.HELD else "NULL"
            values = f"status = '{status}', hold_reason = {reason}"
            harness.db.connection.change(f"UPDATE tasks SET {values} WHERE id = 't{number}'")
    shown = harness.get("/api/landing/preview?into=main").get_json()["not_included"]
    assert {each["what"]: each["count"] for each in shown} == {
        "passed, waiting to land": 1,
        "failed": 1,
        "held": 1,
        "not started": 15,
    }
    assert shown[-1]["ids"] == [f"t{number}" for number in range(5, 15)], "the first ones are listed"


def test_without_worktrees_there_is_nothing_to_preview(harness: DashboardHarness) -> None:
    for path in ("branches", "preview?into=main"):
        response = harness.get(f"/api/landing/{path}")
        assert response.status_code == 409, path
        assert "no integration branch" in response.get_json()["error"]["message"]


def test_a_missing_repository_is_reported_with_a_message(harness: DashboardHarness, project: Run) -> None:
    project.root.rename(project.folder / "elsewhere")
    response = harness.get("/api/landing/preview?into=main")
    assert response.status_code == 409
    assert "does not exist" in response.get_json()["error"]["message"]


def test_a_damaged_repository_is_reported_with_a_message(harness: DashboardHarness, project: Run) -> None:
    (project.root / ".git" / "HEAD").write_text("nonsense")
    assert harness.get("/api/landing/preview?into=main").status_code == 409


@pytest.mark.parametrize("name", ["", "--force", "no\nbranch", "x" * 500])
def test_an_invalid_branch_name_is_refused(harness: DashboardHarness, project: Run, name: str) -> None:
    assert (
        harness.client.get("/api/landing/preview", query_string={"into": name}, headers=harness.headers()).status_code
        == 400
    )
    assert harness.post("/api/land", {"branch": name, "into": SHA, "tip": SHA}).status_code == 400
    assert harness.db.control.pending() == []


@pytest.mark.parametrize("name", ["nope", "a..b", "refs/heads/main", "main~1", "HEAD"])
def test_a_missing_branch_is_not_found(harness: DashboardHarness, project: Run, name: str) -> None:
    assert harness.client.get(
        "/api/landing/preview", query_string={"into": name}, headers=harness.headers()
    ).status_code in (
        404,
        409,
    )


def test_landing_writes_its_row_and_nothing_else(harness: DashboardHarness, project: Run) -> None:
    response = harness.post("/api/land", {"branch": "main", "into": SHA, "tip": SHA, "more": 1})
    assert response.status_code == 202
    row = harness.db.control.get(response.get_json()["control_id"])
    assert (row.verb, row.target, dict(row.argument)) == (Verb.LAND, "main", {"into": SHA, "tip": SHA})
    undo = harness.post("/api/land", {"branch": "main", "undo": True, "from": SHA, "to": SHA})
    row = harness.db.control.get(undo.get_json()["control_id"])
    assert dict(row.argument) == {"undo": True, "from": SHA, "to": SHA}
    assert project.sha("main") == project.base


@pytest.mark.parametrize(
    "body", [{"into": "main"}, {"tip": SHA}, {"into": SHA, "tip": "HEAD"}, {"undo": True}, {"into": 1}]
)
def test_commits_are_given_as_ids_from_the_preview(harness: DashboardHarness, body: dict[str, object]) -> None:
    assert harness.post("/api/land", {"branch": "main", **body}).status_code == 400
    assert harness.db.control.pending() == []


@pytest.mark.parametrize("name", ["swarm/integration", "swarm/task/a"])
def test_a_branch_of_the_swarm_is_refused_before_it_becomes_a_request(
    harness: DashboardHarness, project: Run, name: str
) -> None:
    response = harness.post("/api/land", {"branch": name, "into": SHA, "tip": SHA})
    assert response.status_code == 409
    assert "is a branch of the swarm" in response.get_json()["error"]["message"]
    undo = harness.post("/api/land", {"branch": name, "undo": True, "from": SHA, "to": SHA})
    assert undo.status_code == 409
    assert harness.db.control.pending() == []
