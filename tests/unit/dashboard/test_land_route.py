"""Landing into your branches by the dashboard: previews that change nothing, and requests that name what was shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_desk import DashboardDesk
from integration_desk import Run, adopt
from payload_types import PayloadTypes

from swarm_shared.domain.models import Status, Verb

TYPES = Path(__file__).parents[3] / "services" / "swarm_dashboard" / "static" / "types.d.ts"
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def desk(tmp_path: Path) -> DashboardDesk:
    return DashboardDesk(tmp_path)


@pytest.fixture
def project(tmp_path: Path, desk: DashboardDesk) -> Run:
    run = Run(tmp_path / "with-git")
    run.land("a", {"b.txt": "1\n"})
    adopt(desk.db, run)
    return run


def test_the_preview_has_the_declared_shape(desk: DashboardDesk, project: Run) -> None:
    desk.add("later")
    types = PayloadTypes(TYPES)
    shown = desk.get("/api/landing/preview?into=main").get_json()
    assert list(types.faults("LandPreview", shown)) == []
    assert (shown["kind"], shown["refusal"]) == ("fast_forward", None)
    assert shown["not_included"] == [{"what": "not started", "count": 1, "ids": ["later"]}]
    project.write({"a.txt": "mine\n"})
    refused = desk.get("/api/landing/preview?into=main").get_json()
    assert list(types.faults("LandPreview", refused)) == []
    assert "a.txt" in refused["refusal"]["message"]
    assert list(types.faults("Branches", desk.get("/api/landing/branches").get_json())) == []


def test_what_is_not_included_is_named_by_its_state(desk: DashboardDesk, project: Run) -> None:
    statuses = (Status.APPROVED, Status.COMPLETED, Status.CANCELLED, Status.HELD, Status.FAILED)
    desk.add(*(f"t{number}" for number in range(20)))
    with desk.db.connection.transaction():
        for number, status in enumerate(statuses):
            reason = "'killed'" if status is Status.HELD else "NULL"
            values = f"status = '{status}', hold_reason = {reason}"
            desk.db.connection.change(f"UPDATE tasks SET {values} WHERE id = 't{number}'")
    shown = desk.get("/api/landing/preview?into=main").get_json()["not_included"]
    assert {each["what"]: each["count"] for each in shown} == {
        "passed, waiting to land": 1,
        "failed": 1,
        "held": 1,
        "not started": 15,
    }
    assert shown[-1]["ids"] == [f"t{number}" for number in range(5, 15)], "the first ones"


def test_without_worktrees_there_is_nothing_to_look_at(desk: DashboardDesk) -> None:
    for path in ("branches", "preview?into=main"):
        response = desk.get(f"/api/landing/{path}")
        assert response.status_code == 409, path
        assert "no integration branch" in response.get_json()["error"]["message"]


def test_a_repository_that_is_gone_is_reported_in_words(desk: DashboardDesk, project: Run) -> None:
    project.root.rename(project.folder / "elsewhere")
    response = desk.get("/api/landing/preview?into=main")
    assert response.status_code == 409
    assert "does not exist" in response.get_json()["error"]["message"]


def test_a_damaged_repository_is_reported_in_words(desk: DashboardDesk, project: Run) -> None:
    (project.root / ".git" / "HEAD").write_text("nonsense")
    assert desk.get("/api/landing/preview?into=main").status_code == 409


@pytest.mark.parametrize("name", ["", "--force", "no\nbranch", "x" * 500])
def test_what_is_no_branch_is_refused(desk: DashboardDesk, project: Run, name: str) -> None:
    assert (
        desk.client.get("/api/landing/preview", query_string={"into": name}, headers=desk.headers()).status_code == 400
    )
    assert desk.post("/api/land", {"branch": name, "into": SHA, "tip": SHA}).status_code == 400
    assert desk.db.control.pending() == []


@pytest.mark.parametrize("name", ["nope", "a..b", "refs/heads/main", "main~1", "HEAD"])
def test_a_branch_that_is_not_there_is_not_found(desk: DashboardDesk, project: Run, name: str) -> None:
    assert desk.client.get("/api/landing/preview", query_string={"into": name}, headers=desk.headers()).status_code in (
        404,
        409,
    )


def test_landing_writes_its_row_and_nothing_else(desk: DashboardDesk, project: Run) -> None:
    response = desk.post("/api/land", {"branch": "main", "into": SHA, "tip": SHA, "more": 1})
    assert response.status_code == 202
    row = desk.db.control.get(response.get_json()["control_id"])
    assert (row.verb, row.target, dict(row.argument)) == (Verb.LAND, "main", {"into": SHA, "tip": SHA})
    undo = desk.post("/api/land", {"branch": "main", "undo": True, "from": SHA, "to": SHA})
    row = desk.db.control.get(undo.get_json()["control_id"])
    assert dict(row.argument) == {"undo": True, "from": SHA, "to": SHA}
    assert project.sha("main") == project.base


@pytest.mark.parametrize(
    "body", [{"into": "main"}, {"tip": SHA}, {"into": SHA, "tip": "HEAD"}, {"undo": True}, {"into": 1}]
)
def test_commits_are_ids_as_the_preview_gives_them(desk: DashboardDesk, body: dict[str, object]) -> None:
    assert desk.post("/api/land", {"branch": "main", **body}).status_code == 400
    assert desk.db.control.pending() == []


@pytest.mark.parametrize("name", ["swarm/integration", "swarm/task/a"])
def test_a_branch_of_the_swarm_is_refused_before_it_becomes_a_request(
    desk: DashboardDesk, project: Run, name: str
) -> None:
    response = desk.post("/api/land", {"branch": name, "into": SHA, "tip": SHA})
    assert response.status_code == 409
    assert "is a branch of the swarm" in response.get_json()["error"]["message"]
    undo = desk.post("/api/land", {"branch": name, "undo": True, "from": SHA, "to": SHA})
    assert undo.status_code == 409
    assert desk.db.control.pending() == []
