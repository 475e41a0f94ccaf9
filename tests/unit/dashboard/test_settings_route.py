"""Settings are shown without possible secrets; tasks are added and edited by requests."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_harness import DashboardHarness

from swarm_dashboard.routes.settings import plain
from swarm_shared.domain.models import Verb
from swarm_shared.settings.settings import Settings, resolve

SECRET = "correct-horse-battery-staple"


def test_settings_are_listed_with_their_meaning_and_without_secrets(tmp_path: Path) -> None:
    harness = DashboardHarness(tmp_path, settings=Settings(dashboard_token=SECRET, checks=("make lint", "make test")))
    answer = harness.get("/api/settings")
    assert SECRET not in answer.text
    rows = {row["name"]: row for row in answer.get_json()["settings"]}
    assert rows["dashboard_token"]["value"] == "•••"
    assert rows["max_retries"]["value"] == 2
    assert rows["max_retries"]["text"] == "The number of further attempts after the first one."
    assert rows["checks"]["value"] == "make lint, make test"


def test_a_setting_names_its_origin_and_the_value_that_the_file_has_by_now(tmp_path: Path) -> None:
    (tmp_path / "swarm.yaml").write_text("max_retries: 4\nretry_delay_s: 5\n")
    environ = {"SWARM_BUILDER_TIMEOUT_S": "120"}
    settings = resolve({"db": tmp_path / "tasks.db", "workers": 2}, environ=environ)
    harness = DashboardHarness(tmp_path, environ=environ, settings=settings)

    def rows() -> dict[str, tuple[object, str, object]]:
        answer = harness.get("/api/settings").get_json()
        return {row["name"]: (row["value"], row["origin"], row["next"]) for row in answer["settings"]}

    shown = rows()
    assert shown["max_retries"] == (4, "swarm.yaml", None)
    assert shown["workers"] == (2, "flag", None)
    assert shown["builder_timeout_s"] == (120, "SWARM_BUILDER_TIMEOUT_S", None)
    assert shown["validation"] == (True, "default", None)
    (tmp_path / "swarm.yaml").write_text("max_retries: 7\nvalidation: false\nworkers: 9\nbuilder_timeout_s: 60\n")
    shown = rows()
    assert shown["max_retries"] == (4, "swarm.yaml", 7)
    assert shown["retry_delay_s"][2] == 0
    assert shown["validation"] == (True, "default", False)
    assert (shown["workers"][2], shown["builder_timeout_s"][2]) == (None, None)


def test_a_file_that_cannot_be_used_any_more_is_reported_and_the_settings_in_effect_remain(tmp_path: Path) -> None:
    harness = DashboardHarness(tmp_path, settings=resolve({"db": tmp_path / "tasks.db"}, environ={}))
    (tmp_path / "swarm.yaml").write_text("max_retries: many\n")
    answer = harness.get("/api/settings").get_json()
    assert "max_retries" in answer["problem"]
    assert {row["next"] for row in answer["settings"]} == {None}


def test_only_the_size_of_a_structured_setting_is_shown() -> None:
    assert plain({"builder": ({"env": {"KEY": SECRET}},)}) == "1 set"
    assert plain(({"url": f"https://x/{SECRET}"}, {"url": "y"})) == "2 set"
    assert plain({}) is None


def test_a_task_is_added_and_edited_by_requests(tmp_path: Path) -> None:
    harness = DashboardHarness(tmp_path)
    harness.add("1")
    added = harness.post("/api/tasks", {"task": {"name": "new"}, "hold": True, "proposed_by": "1"})
    assert added.status_code == 202
    edited = harness.post("/api/tasks/1/edit", {"set": {"name": "other"}, "was": {"name": "one"}})
    rows = {row.id: row for row in harness.db.control.pending()}
    first, second = rows[added.get_json()["control_id"]], rows[edited.get_json()["control_id"]]
    assert (first.verb, first.target, dict(first.argument)) == (Verb.ADD, "", {"task": {"name": "new"}, "hold": True})
    assert (second.verb, second.target) == (Verb.EDIT, "1")
    assert dict(second.argument) == {"set": {"name": "other"}, "was": {"name": "one"}}


@pytest.mark.parametrize(
    ("path", "body"), [("/api/tasks", {}), ("/api/tasks", {"task": []}), ("/api/tasks/1/edit", {})]
)
def test_an_invalid_task_is_refused_at_once(tmp_path: Path, path: str, body: dict[str, object]) -> None:
    harness = DashboardHarness(tmp_path)
    harness.add("1")
    assert harness.post(path, body).status_code == 400
    assert harness.db.control.pending() == []
