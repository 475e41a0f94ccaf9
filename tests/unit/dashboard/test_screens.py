"""The routes behind Inbox, Failures, Landing and Health, and what alerts an operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dashboard_harness import DashboardHarness
from queue_harness import PASSED, failed

from swarm_shared.diagnosis import Level
from swarm_shared.domain.models import FailureClass, Outcome, Status, TaskSpec, Verb
from swarm_shared.processes.identity import ProcessId
from swarm_shared.settings.settings import resolve
from swarm_shared.store.queue.landings import LANDING_LATE_MS
from swarm_shared.store.queue.policy import AttemptResult
from swarm_shared.store.requests.bulk import Bulk

SHA = "a" * 40
COMMITTED = AttemptResult(outcome=Outcome.PASSED, base_sha="b" * 40, head_sha=SHA)


@pytest.fixture
def harness(tmp_path: Path) -> DashboardHarness:
    return DashboardHarness(tmp_path)


def read(harness: DashboardHarness, path: str) -> dict[str, Any]:
    response = harness.get(path)
    assert response.status_code == 200, response.get_data(as_text=True)
    body: dict[str, Any] = response.get_json()
    return body


def test_each_held_task_has_its_reason_and_the_action_that_usually_helps(harness: DashboardHarness) -> None:
    harness.add("killed", "unreadable", "by a user", TaskSpec(id="imported", name="i", status=Status.HELD))
    harness.settle(harness.start(), AttemptResult(outcome=Outcome.KILLED))
    harness.run(failed(FailureClass.UNREADABLE, "prose"))
    harness.db.steering.apply(Verb.HOLD, "by a user", {}, actor="a user")
    body = read(harness, "/api/needs")
    found = {row["id"]: (row["why"], row["next"], row["verbs"][0], row["last_error"]) for row in body["tasks"]}
    assert found == {
        "killed": ("it was killed on request", "release", "release", None),
        "unreadable": ("the agent's answer was not in the required format, after repeats", "retry", "retry", "prose"),
        "by a user": ("it is on hold by request", "release", "release", None),
        "imported": ("its task file says held", "release", "release", None),
    }
    assert (body["total"], body["cursor"]) == (4, None)


def test_the_inbox_count_matches_its_list_on_every_screen(harness: DashboardHarness) -> None:
    def counts() -> dict[str, int]:
        status, inbox = read(harness, "/api/status"), read(harness, "/api/needs")
        assert status["needs"] == inbox["counts"]
        lasting = [one for one in status["obstacles"] if not one["passes"]]
        listed = len(inbox["groups"]) + bool(inbox["imported"]["tasks"]) + len(inbox["reasons"])
        assert status["needs"]["causes"] == listed + bool(inbox["cancelled"]["tasks"])
        assert status["needs"]["groups"] == status["needs"]["causes"] + len(lasting)
        found: dict[str, int] = status["needs"]
        return {name: found[name] for name in ("total", "causes", "notices", "groups")}

    nothing = {"total": 0, "causes": 0, "notices": 0, "groups": 0}
    assert counts() == nothing
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True})
    harness.add(*(TaskSpec(id=str(n), name="n", max_retries=0) for n in range(4)))
    for _ in range(3):
        harness.run(failed(FailureClass.QUALITY, "No module named ledger"))
    assert counts() == {"total": 3, "causes": 1, "notices": 0, "groups": 1}
    harness.add(
        *(TaskSpec(id=f"held {n}", name="n", status=Status.HELD) for n in range(2)),
        TaskSpec(id="imported", name="n", status=Status.FAILED),
        TaskSpec(id="needed", name="n"),
        TaskSpec(id="needs it", name="n", dependencies=("needed",)),
    )
    harness.db.steering.apply(Verb.CANCEL, "needed", {}, actor="a user")
    assert counts() == {"total": 7, "causes": 4, "notices": 0, "groups": 4}
    harness.db.swarm.set_flag("paused", actor="a user")
    assert counts() == {"total": 7, "causes": 4, "notices": 1, "groups": 5}


def test_held_tasks_come_in_pages(harness: DashboardHarness) -> None:
    harness.add(*(TaskSpec(id=str(n), name="n", status=Status.HELD) for n in range(5)))
    first = read(harness, "/api/needs?limit=3")
    second = read(harness, f"/api/needs?limit=3&cursor={first['cursor']}")
    assert [row["id"] for row in first["tasks"] + second["tasks"]] == ["0", "1", "2", "3", "4"]
    assert second["cursor"] is None


def test_the_tasks_of_a_problem_are_found_and_retried_together(harness: DashboardHarness) -> None:
    harness.add(
        *(TaskSpec(id=str(n), name="n", max_retries=0) for n in range(3)), TaskSpec(id="9", name="n", max_retries=0)
    )
    for n in range(3):
        harness.run(failed(FailureClass.QUALITY, f"No module named ledger (line {n})"))
    harness.run(failed(FailureClass.QUALITY, "something else"))
    body = read(harness, "/api/failures")
    largest = body["groups"][0]
    assert (largest["tasks"], largest["task_ids"], body["totals"]) == (
        3,
        ["0", "1", "2"],
        {"groups": 2, "tasks": 4, "failed": 4, "held": 0},
    )
    search = f"problem:{largest['fingerprint']}"
    assert [row["id"] for row in read(harness, f"/api/tasks?q={search}")["tasks"]] == ["0", "1", "2"]
    assert [row["id"] for row in read(harness, f"/api/tasks?q={search} 1")["tasks"]] == ["1"]
    count = read(harness, f"/api/count?verb=retry&q={search}")
    assert (count["matching"], count["meant"], count["cursor"]) == (3, 3, None)
    asked = harness.post("/api/tasks/bulk", {"verb": "retry", "matching": {"q": search}, "note": "install it first"})
    row = harness.db.control.get(asked.get_json()["control_id"])
    while not Bulk(harness.db.connection, harness.clock).step(row):
        pass
    assert [harness.task(str(n))["note"] for n in range(3)] == ["install it first"] * 3
    assert [harness.status(task_id) for task_id in ("0", "9")] == [Status.NOT_STARTED, Status.FAILED]


def approve(harness: DashboardHarness, *ids: str) -> None:
    """Let tasks pass with a commit each, on a branch that the swarm lands on."""
    harness.db.landings.adopt(
        repository="/r/.git", ref="refs/heads/swarm/integration", person_ref="refs/heads/main", tip=SHA
    )
    harness.add(*ids)
    for _ in ids:
        harness.settle(harness.start(), COMMITTED)


def test_the_landing_queue_shows_whose_turn_it_is_and_landed_work(harness: DashboardHarness) -> None:
    assert read(harness, "/api/landing")["integration"] is None
    approve(harness, "1", "2", "3")
    landing = harness.db.landings.claim(harness.claimant())
    assert landing is not None
    now = read(harness, "/api/landing")
    assert now["integration"] == {
        "branch": "swarm/integration",
        "person_branch": "main",
        "tip": SHA,
        "state": "following",
    }
    assert (now["landing"]["id"], now["landing"]["worker_id"]) == ("1", "worker-1")
    assert ([row["id"] for row in now["waiting"]], now["waiting_total"]) == (["2", "3"], 2)
    harness.db.landings.record_landed(landing, SHA)
    harness.settle(landing.claim, PASSED)
    refused = harness.db.landings.claim(harness.claimant())
    assert refused is not None
    harness.settle(refused.claim, failed(FailureClass.QUALITY, "both change f"))
    recent = read(harness, "/api/landing")["recent"]
    assert [(row["task_id"], row["landed"], row["commit"], row["message"]) for row in recent] == [
        ("2", False, None, "both change f"),
        ("1", True, SHA, f"as {SHA[:12]}"),
    ]


def test_work_that_has_not_landed_for_ten_minutes_is_a_warning(harness: DashboardHarness) -> None:
    approve(harness, "1")
    assert not read(harness, "/api/landing")["late"]
    harness.clock.pass_s(LANDING_LATE_MS / 1000 + 1)
    assert read(harness, "/api/landing")["late"]
    assert levels(harness)["landing"] == Level.WARN
    assert "swarm_landing_oldest_seconds 601.0" in metrics(harness)


def levels(harness: DashboardHarness) -> dict[str, str]:
    return {check["name"]: check["level"] for check in read(harness, "/api/health")["checks"]}


def metrics(harness: DashboardHarness) -> str:
    return harness.get("/metrics").get_data(as_text=True)


def test_a_stopped_branch_is_bad_and_a_pause_is_a_warning(harness: DashboardHarness) -> None:
    approve(harness, "1")
    harness.db.landings.stop_queue("base is red", actor="worker-1")
    found = levels(harness)
    assert (found["landing"], found["claims"]) == (Level.BAD, Level.WARN)
    assert read(harness, "/api/landing")["integration"]["state"] == "stopped"


def test_health_requires_a_reaper_and_workers_if_tasks_are_waiting(harness: DashboardHarness) -> None:
    assert levels(harness)["reaper"] == Level.BAD
    harness.add("1")
    assert levels(harness)["workers"] == Level.WARN
    harness.claimant()
    me = ProcessId.mine()
    harness.db.swarm.register_service("reaper", me, {"supervised": True, "supervisord_answers": True})
    found = levels(harness)
    found.pop("project", None)  # the tests run in the checkout of Amplifier Swarm
    assert set(found.values()) == {Level.OK}, found
    harness.db.swarm.see_service("reaper", me, {"supervised": True, "supervisord_answers": False})
    assert levels(harness)["supervisord"] == Level.BAD
    harness.clock.pass_s(61)
    assert levels(harness)["reaper"] == Level.BAD
    harness.clock.pass_s(60)
    assert levels(harness)["heartbeats"] == Level.WARN
    harness.db.swarm.end_service("reaper", me)
    assert levels(harness)["reaper"] == Level.BAD
    assert "swarm_reaper_up 0.0" in metrics(harness)


@pytest.mark.parametrize(
    ("stuck", "command"),
    [
        ({"process": "pid 7 (python, state T)", "pid": 7, "name": "worker-2"}, "kill -CONT 7"),
        ({"process": "pid 7 (python, state R)", "pid": 7, "name": "worker-2"}, None),
        ({"process": "unreadable", "name": None}, None),
        ({"name": "worker-2"}, None),
        ({"process": None, "pid": None, "name": None}, None),
    ],
)
def test_health_accepts_any_data_of_a_reaper_about_a_stuck_writer(
    harness: DashboardHarness, stuck: dict[str, object], command: str | None
) -> None:
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True, "stuck_writer": stuck})
    [lock] = [check for check in read(harness, "/api/health")["checks"] if check["name"] == "write lock"]
    assert lock["command"] == command


def test_health_reports_a_process_that_keeps_the_write_lock(harness: DashboardHarness) -> None:
    stuck = {"process": "pid 7 (python)", "name": "worker-2"}
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True, "stuck_writer": stuck})
    [lock] = [check for check in read(harness, "/api/health")["checks"] if check["name"] == "write lock"]
    assert (lock["level"], "worker-2" in lock["text"]) == (Level.BAD, True)
    assert 'swarm_findings{code="write_lock_held",level="bad"} 1.0' in metrics(harness)
    assert 'level="ok"' not in metrics(harness)


def test_the_pulse_counts_failures_of_the_last_hour_and_not_interruptions_by_users(harness: DashboardHarness) -> None:
    harness.add(*(TaskSpec(id=str(n), name="n", max_retries=0) for n in range(6)))
    harness.run(failed(FailureClass.QUALITY, "too long ago"))
    harness.clock.pass_s(3700)
    harness.run()
    harness.run(failed(FailureClass.QUALITY, "red"))
    harness.settle(harness.start(), AttemptResult(outcome=Outcome.KILLED))
    pulse = read(harness, "/api/status")["pulse"]
    assert pulse["failing"] == {"ended": 2, "failed": 1, "rate": 0.5, "window_s": 3600}
    assert 'swarm_recent_attempts{outcome="failed"} 1.0' in metrics(harness)


def test_the_pulse_shows_how_long_the_oldest_ready_task_has_waited(harness: DashboardHarness) -> None:
    assert read(harness, "/api/status")["pulse"]["oldest_ready_at"] is None
    harness.add("1", "2")
    harness.clock.pass_s(90)
    harness.run()
    assert "swarm_oldest_ready_seconds 90.0" in metrics(harness)


def test_cost_is_null_until_an_agent_reports_it_and_is_summed_once_per_attempt(harness: DashboardHarness) -> None:
    harness.add("1", "2", "3")
    harness.run()
    assert read(harness, "/api/status")["pulse"]["spend"] is None
    for cost in (0.25, 0.5):
        harness.run(AttemptResult(outcome=Outcome.PASSED, tokens=100, cost_usd=cost))
    assert read(harness, "/api/status")["pulse"]["spend"] == {"cost_usd": 0.75, "tokens": 200, "attempts": 2}
    harness.add("4", clear=True, force=True)
    assert 'swarm_spend_usd{agent_cli="command"} 0.75' in metrics(harness), "clearing the queue does not refund costs"


def test_the_health_check_reports_a_missing_file(harness: DashboardHarness) -> None:
    assert harness.client.get("/healthz", headers={"Host": "localhost"}).status_code == 200
    harness.path.rename(harness.path.with_suffix(".away"))
    assert harness.client.get("/healthz", headers={"Host": "localhost"}).status_code == 503


def test_advice_on_the_project_names_the_setting_and_no_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    harness = DashboardHarness(tmp_path, settings=resolve({"db": tmp_path / "tasks.db"}, environ={}))
    checks = harness.get("/api/health").get_json()["checks"]
    advice = next(check["advice"] for check in checks if check["code"] == "no_project")
    assert advice == f"set project_root in {tmp_path}/swarm.yaml, then restart the swarm"
