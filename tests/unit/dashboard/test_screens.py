"""What the routes behind Needs you, Failures, Landing and Health tell, and what an operator is woken by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dashboard_desk import DashboardDesk
from queue_desk import PASSED, failed

from swarm_shared.diagnosis import Level
from swarm_shared.domain.models import FailureClass, Outcome, Status, TaskSpec, Verb
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.landings import LANDING_LATE_MS
from swarm_shared.store.queue.policy import AttemptResult
from swarm_shared.store.requests.bulk import Bulk

SHA = "a" * 40
COMMITTED = AttemptResult(outcome=Outcome.PASSED, base_sha="b" * 40, head_sha=SHA)


@pytest.fixture
def desk(tmp_path: Path) -> DashboardDesk:
    return DashboardDesk(tmp_path)


def read(desk: DashboardDesk, path: str) -> dict[str, Any]:
    response = desk.get(path)
    assert response.status_code == 200, response.get_data(as_text=True)
    body: dict[str, Any] = response.get_json()
    return body


def test_what_is_held_says_why_and_what_usually_helps(desk: DashboardDesk) -> None:
    desk.add("killed", "unreadable", "by a person", TaskSpec(id="imported", name="i", status=Status.HELD))
    desk.settle(desk.start(), AttemptResult(outcome=Outcome.KILLED))
    desk.run(failed(FailureClass.UNREADABLE, "prose"))
    desk.db.steering.apply(Verb.HOLD, "by a person", {}, actor="somebody")
    body = read(desk, "/api/needs")
    found = {row["id"]: (row["why"], row["next"], row["verbs"][0], row["last_error"]) for row in body["tasks"]}
    assert found == {
        "killed": ("it was killed on request", "release", "release", None),
        "unreadable": ("the agent's answer was not in the required format, after repeats", "retry", "retry", "prose"),
        "by a person": ("it is on hold by request", "release", "release", None),
        "imported": ("its task file says held", "release", "release", None),
    }
    assert (body["total"], body["cursor"]) == (4, None)


def test_held_tasks_come_in_pages(desk: DashboardDesk) -> None:
    desk.add(*(TaskSpec(id=str(n), name="n", status=Status.HELD) for n in range(5)))
    first = read(desk, "/api/needs?limit=3")
    second = read(desk, f"/api/needs?limit=3&cursor={first['cursor']}")
    assert [row["id"] for row in first["tasks"] + second["tasks"]] == ["0", "1", "2", "3", "4"]
    assert second["cursor"] is None


def test_the_tasks_of_a_problem_are_found_and_retried_together(desk: DashboardDesk) -> None:
    desk.add(
        *(TaskSpec(id=str(n), name="n", max_retries=0) for n in range(3)), TaskSpec(id="9", name="n", max_retries=0)
    )
    for n in range(3):
        desk.run(failed(FailureClass.QUALITY, f"No module named ledger (line {n})"))
    desk.run(failed(FailureClass.QUALITY, "something else"))
    body = read(desk, "/api/failures")
    largest = body["groups"][0]
    assert (largest["tasks"], largest["task_ids"], body["totals"]) == (
        3,
        ["0", "1", "2"],
        {"groups": 2, "tasks": 4, "failed": 4, "held": 0},
    )
    search = f"problem:{largest['fingerprint']}"
    assert [row["id"] for row in read(desk, f"/api/tasks?q={search}")["tasks"]] == ["0", "1", "2"]
    assert [row["id"] for row in read(desk, f"/api/tasks?q={search} 1")["tasks"]] == ["1"]
    count = read(desk, f"/api/count?verb=retry&q={search}")
    assert (count["matching"], count["meant"], count["cursor"]) == (3, 3, None)
    asked = desk.post("/api/tasks/bulk", {"verb": "retry", "matching": {"q": search}, "note": "install it first"})
    row = desk.db.control.get(asked.get_json()["control_id"])
    while not Bulk(desk.db.connection, desk.clock).step(row):
        pass
    assert [desk.task(str(n))["note"] for n in range(3)] == ["install it first"] * 3
    assert [desk.status(task_id) for task_id in ("0", "9")] == [Status.NOT_STARTED, Status.FAILED]


def approve(desk: DashboardDesk, *ids: str) -> None:
    """Have tasks pass with a commit each, on a branch that the swarm lands on."""
    desk.db.landings.adopt(
        repository="/r/.git", ref="refs/heads/swarm/integration", person_ref="refs/heads/main", tip=SHA
    )
    desk.add(*ids)
    for _ in ids:
        desk.settle(desk.start(), COMMITTED)


def test_the_landing_queue_shows_whose_turn_it_is_and_what_has_landed(desk: DashboardDesk) -> None:
    assert read(desk, "/api/landing")["integration"] is None
    approve(desk, "1", "2", "3")
    landing = desk.db.landings.claim(desk.claimant())
    assert landing is not None
    now = read(desk, "/api/landing")
    assert now["integration"] == {
        "branch": "swarm/integration",
        "person_branch": "main",
        "tip": SHA,
        "state": "following",
    }
    assert (now["landing"]["id"], now["landing"]["worker_id"]) == ("1", "worker-1")
    assert ([row["id"] for row in now["waiting"]], now["waiting_total"]) == (["2", "3"], 2)
    desk.db.landings.record_landed(landing, SHA)
    desk.settle(landing.claim, PASSED)
    refused = desk.db.landings.claim(desk.claimant())
    assert refused is not None
    desk.settle(refused.claim, failed(FailureClass.QUALITY, "both change f"))
    recent = read(desk, "/api/landing")["recent"]
    assert [(row["task_id"], row["landed"], row["commit"], row["message"]) for row in recent] == [
        ("2", False, None, "both change f"),
        ("1", True, SHA, f"as {SHA[:12]}"),
    ]


def test_what_has_not_landed_for_ten_minutes_is_a_warning(desk: DashboardDesk) -> None:
    approve(desk, "1")
    assert not read(desk, "/api/landing")["late"]
    desk.clock.pass_s(LANDING_LATE_MS / 1000 + 1)
    assert read(desk, "/api/landing")["late"]
    assert read(desk, "/api/status")["pulse"]["to_land"]["late"]
    assert levels(desk)["landing"] == Level.WARN
    assert "swarm_landing_oldest_seconds 601.0" in metrics(desk)


def levels(desk: DashboardDesk) -> dict[str, str]:
    return {check["name"]: check["level"] for check in read(desk, "/api/health")["checks"]}


def metrics(desk: DashboardDesk) -> str:
    return desk.get("/metrics").get_data(as_text=True)


def test_a_stopped_branch_is_bad_and_a_pause_is_a_warning(desk: DashboardDesk) -> None:
    approve(desk, "1")
    desk.db.landings.stop_queue("base is red", actor="worker-1")
    found = levels(desk)
    assert (found["landing"], found["claims"]) == (Level.BAD, Level.WARN)
    assert read(desk, "/api/landing")["integration"]["state"] == "stopped"


def test_health_asks_for_a_reaper_and_for_workers_where_tasks_wait(desk: DashboardDesk) -> None:
    assert levels(desk)["reaper"] == Level.BAD
    desk.add("1")
    assert levels(desk)["workers"] == Level.WARN
    desk.claimant()
    me = ProcessId.mine()
    desk.db.swarm.register_service("reaper", me, {"supervised": True, "supervisord_answers": True})
    found = levels(desk)
    found.pop("project", None)  # the tests run in the checkout of Amplifier Swarm
    assert set(found.values()) == {Level.OK}, found
    desk.db.swarm.see_service("reaper", me, {"supervised": True, "supervisord_answers": False})
    assert levels(desk)["supervisord"] == Level.BAD
    desk.clock.pass_s(61)
    assert levels(desk)["reaper"] == Level.BAD
    desk.clock.pass_s(60)
    assert levels(desk)["heartbeats"] == Level.WARN
    desk.db.swarm.end_service("reaper", me)
    assert levels(desk)["reaper"] == Level.BAD
    assert "swarm_reaper_up 0.0" in metrics(desk)


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
def test_health_shows_whatever_a_reaper_has_written_of_a_stuck_writer(
    desk: DashboardDesk, stuck: dict[str, object], command: str | None
) -> None:
    desk.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True, "stuck_writer": stuck})
    [lock] = [check for check in read(desk, "/api/health")["checks"] if check["name"] == "write lock"]
    assert lock["command"] == command


def test_health_reports_a_process_that_keeps_the_write_lock(desk: DashboardDesk) -> None:
    stuck = {"process": "pid 7 (python)", "name": "worker-2"}
    desk.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True, "stuck_writer": stuck})
    [lock] = [check for check in read(desk, "/api/health")["checks"] if check["name"] == "write lock"]
    assert (lock["level"], "worker-2" in lock["text"]) == (Level.BAD, True)
    assert 'swarm_findings{code="write_lock_held",level="bad"} 1.0' in metrics(desk)
    assert 'level="ok"' not in metrics(desk)


def test_the_pulse_counts_failures_of_the_last_hour_and_not_what_people_cut_short(desk: DashboardDesk) -> None:
    desk.add(*(TaskSpec(id=str(n), name="n", max_retries=0) for n in range(6)))
    desk.run(failed(FailureClass.QUALITY, "too long ago"))
    desk.clock.pass_s(3700)
    desk.run()
    desk.run(failed(FailureClass.QUALITY, "red"))
    desk.settle(desk.start(), AttemptResult(outcome=Outcome.KILLED))
    pulse = read(desk, "/api/status")["pulse"]
    assert pulse["failing"] == {"ended": 2, "failed": 1, "rate": 0.5, "window_s": 3600}
    assert 'swarm_recent_attempts{outcome="failed"} 1.0' in metrics(desk)


def test_the_pulse_shows_how_long_the_oldest_ready_task_waits(desk: DashboardDesk) -> None:
    assert read(desk, "/api/status")["pulse"]["oldest_ready_at"] is None
    desk.add("1", "2")
    desk.clock.pass_s(90)
    desk.run()
    assert "swarm_oldest_ready_seconds 90.0" in metrics(desk)


def test_spend_is_null_until_an_agent_reports_it_and_is_summed_once_per_attempt(desk: DashboardDesk) -> None:
    desk.add("1", "2", "3")
    desk.run()
    assert read(desk, "/api/status")["pulse"]["spend"] is None
    for cost in (0.25, 0.5):
        desk.run(AttemptResult(outcome=Outcome.PASSED, tokens=100, cost_usd=cost))
    assert read(desk, "/api/status")["pulse"]["spend"] == {"cost_usd": 0.75, "tokens": 200, "attempts": 2}
    desk.add("4", clear=True, force=True)
    assert 'swarm_spend_usd{agent_cli="command"} 0.75' in metrics(desk), "a cleared queue does not give money back"


def test_a_program_that_looks_for_life_is_told_when_the_file_is_gone(desk: DashboardDesk) -> None:
    assert desk.client.get("/healthz", headers={"Host": "localhost"}).status_code == 200
    desk.path.rename(desk.path.with_suffix(".away"))
    assert desk.client.get("/healthz", headers={"Host": "localhost"}).status_code == 503
