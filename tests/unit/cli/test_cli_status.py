"""`status` and `workers`: the JSON that programs rely on, and what the user sees."""

from __future__ import annotations

import json

import pytest
from cli_harness import CliHarness, ended_process
from msgspec.structs import replace

from swarm_shared.domain.models import Outcome, Status, TaskSpec
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.policy import AttemptResult

STATUS_KEYS = {
    "tasks", "by_status", "progress", "remaining_hours", "eta_s", "done_at", "stalled", "stuck", "paused",
    "isolation", "lands_on", "started_with", "workers",
}  # fmt: skip
WORKER_KEYS = {
    "worker_id", "pid", "hostname", "status", "started_at", "last_heartbeat", "current_task_id", "tasks_completed",
    "tasks_failed",
}  # fmt: skip
GROUPS = {"not_started", "in_progress", "completed", "failed", "held", "cancelled", "total"}


def test_status_has_its_documented_shape(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A", estimated_hours=2), TaskSpec(id="b", name="B", dependencies=("a",)))
    harness.claim()
    shown = harness.run("status", "--json").json
    assert set(shown) >= STATUS_KEYS
    assert set(shown["tasks"]) == GROUPS
    assert shown["tasks"]["in_progress"] == {"count": 1, "hours": 2.0}
    assert shown["by_status"] == {"in_progress": 1, "blocked": 1}
    assert set(shown["workers"][0]) >= WORKER_KEYS
    assert shown["workers"][0]["current_task_id"] == "a"
    assert shown["workers"][0]["status"] == "busy"


def test_status_shows_where_agents_work(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    assert harness.run("status", "--json").json["isolation"] is None
    with harness.open() as database:
        database.landings.adopt(repository="/r/.git", ref="refs/heads/nightly", person_ref=None, tip="t0")
        database.swarm.note_workplace("worktree")
    shown = harness.run("status", "--json").json
    assert (shown["isolation"], shown["lands_on"]) == ("worktree", "nightly")
    assert "lands on nightly" in harness.run("status").out
    with harness.open() as database:
        database.swarm.note_workplace("none")
    shown = harness.run("status", "--json").json
    assert (shown["isolation"], shown["lands_on"]) == ("none", None)
    assert "without worktrees" in harness.run("status").out


def test_a_worker_whose_process_is_gone_is_shown_as_crashed(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim(worker=ended_process())
    assert harness.run("workers", "--json").json["workers"][0]["status"] == "crashed"


def test_status_shows_pauses_and_that_no_worker_runs(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.run("pause", "--reason", "lunch")
    ran = harness.run("status")
    assert "warning: the queue is paused: no new tasks start, running ones continue (requested by" in ran.out
    assert " on the command line, " in ran.out
    assert "): lunch\n  → amplifier-swarm resume" in ran.out
    assert "no worker is running" in ran.err
    assert harness.run("status", "--json").json["paused"] is True


@pytest.mark.parametrize("is_up", [False, True])
def test_the_next_step_of_a_queue_without_workers_fits_the_swarm(harness: CliHarness, is_up: bool) -> None:
    more = harness.file("tasks:\n- {id: b, name: B}\n")
    harness.queue(TaskSpec(id="a", name="A"))
    if is_up:
        with harness.open() as database:
            database.swarm.register_service("reaper", ProcessId.mine(), {})
    step = "amplifier-swarm scale 3" if is_up else f"amplifier-swarm start --db {harness.db}"
    assert f"no worker is running; {'set the number of workers' if is_up else 'start the swarm'}: {step}\n" in (
        harness.run("status").err
    )
    assert harness.run("import-tasks", more).err.splitlines()[-1] == f"next: {step}"


def test_progress_is_rounded_down_as_on_the_dashboard(harness: CliHarness) -> None:
    statuses = [Status.COMPLETED] * 5 + [Status.NOT_STARTED] * 3
    harness.queue(*(TaskSpec(id=f"t{n}", name="T", status=status) for n, status in enumerate(statuses)))
    assert "62% done" in harness.run("status").out  # 62.5%


def test_status_of_an_empty_queue_shows_the_next_command(harness: CliHarness) -> None:
    harness.queue()
    assert "amplifier-swarm import-tasks" in harness.run("status").out


def test_status_warns_about_work_that_does_not_land(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.settle(harness.claim(), AttemptResult(outcome=Outcome.PASSED, base_sha="b", head_sha="h"))
    assert harness.run("status", "--json").json["to_land"] | {"since": ""} == {"tasks": 1, "since": "", "late": False}
    assert "warning" not in harness.run("status").out
    with harness.open() as database, database.connection.transaction():
        database.connection.change("UPDATE tasks SET approved_at = approved_at - 900000")
    assert harness.run("status", "--json").json["to_land"]["late"] is True
    assert "1 task waits to land, the first for 15 min" in harness.run("status").out
    assert "longer than a landing should take" in harness.run("why", "a").out


def test_a_worker_on_another_machine_is_unknown_to_status_why_doctor_and_stop(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_shared.processes.identity.own_host_id", lambda: "here")
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim(worker=replace(ProcessId.mine(), boot_id="11111111-2222", host_id="there"))
    status = harness.run("status")
    assert "unknown" in status.out
    assert "no worker is running" in status.err
    [worker] = json.loads(harness.run("status", "--json").out)["workers"]
    assert worker["status"] == "unknown"
    for ran in (harness.run("why", "a"), harness.run("doctor")):
        assert "started on another machine" in ran.out
        assert "release TASK --gone" in ran.out
    assert "not running on this machine" in harness.run("stop").err
