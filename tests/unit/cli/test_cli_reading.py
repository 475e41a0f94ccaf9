"""The reading commands: their JSON shapes, which programs rely on, and what people see."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from cli_harness import CliHarness, ended_process, until
from msgspec.structs import replace

from swarm_shared.domain.models import FailureClass, HoldReason, Outcome, Status, TaskSpec
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.policy import AttemptResult
from swarm_shared.store.queue.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP

TASK_KEYS = {
    "id", "name", "phase", "type", "status", "stage", "priority", "estimated_hours", "description",
    "acceptance_criteria", "files", "design_docs", "dependencies", "worker_id", "attempt_count", "max_retries",
    "last_error", "created_at", "claimed_at", "started_at", "completed_at", "builder_session_id",
    "validator_session_id", "builder_result", "validator_result",
}  # fmt: skip
ATTEMPT_KEYS = {
    "number", "worker_id", "started_at", "ended_at", "outcome", "failure_class", "error", "exit_code",
    "builder_session_id", "validator_session_id", "builder_result", "check_results", "validator_result", "base_sha",
    "head_sha", "tokens", "cost_usd",
}  # fmt: skip
LOG_KEYS = {"id", "timestamp", "event_type", "worker_id", "message", "data"}
STATUS_KEYS = {
    "tasks", "by_status", "progress", "remaining_hours", "eta_s", "done_at", "stalled", "stuck", "paused",
    "isolation", "lands_on", "started_with", "workers",
}  # fmt: skip
WORKER_KEYS = {
    "worker_id", "pid", "hostname", "status", "started_at", "last_heartbeat", "current_task_id", "tasks_completed",
    "tasks_failed",
}  # fmt: skip
GROUPS = {"not_started", "in_progress", "completed", "failed", "held", "cancelled", "total"}
FAILED = AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error="tests are red")
HOSTILE = "\x1b]0;owned\x07a\x1b[2J\x9b31mb\x00\u202ec\r\nd"


def test_status_has_its_promised_shape(harness: CliHarness) -> None:
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


def test_status_of_an_empty_queue_shows_the_next_command(harness: CliHarness) -> None:
    harness.queue()
    assert "amplifier-swarm import-tasks" in harness.run("status").out


def test_list_tasks_has_its_promised_shape(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    shown = harness.run("list-tasks", "--json").json
    assert set(shown) >= {"tasks", "total", "limit"}
    assert shown["limit"] == 20
    assert set(shown["tasks"][0]) >= TASK_KEYS


def test_lists_are_filtered_by_group_stored_status_and_phase(harness: CliHarness) -> None:
    harness.queue(
        TaskSpec(id="a", name="A", phase="one"),
        TaskSpec(id="b", name="B", phase="two", dependencies=("a",)),
        TaskSpec(id="c", name="C", phase="two", status=Status.FAILED),
    )

    def ids(*words: str) -> list[str]:
        return [task["id"] for task in harness.run("list-tasks", "--json", *words).json["tasks"]]

    assert ids("--status", "not-started") == ["a", "b"]
    assert ids("--status", "blocked") == ["b"]
    assert ids("--status", "FAILED", "--status", "blocked") == ["b", "c"]
    assert ids("--phase", "two") == ["b", "c"]
    assert ids("--phase", "two", "--status", "failed") == ["c"]


def test_pages_follow_each_other_without_gap_or_overlap(harness: CliHarness) -> None:
    harness.queue(*(TaskSpec(id=f"t{n}", name="T") for n in range(5)))
    seen: list[str] = []
    after = 0
    while after is not None:
        shown = harness.run("list-tasks", "--json", "--limit", "2", "--after", str(after)).json
        assert shown["total"] == 5
        seen += [task["id"] for task in shown["tasks"]]
        after = shown["next_after"]
    assert seen == [f"t{n}" for n in range(5)]


def test_task_info_has_its_promised_shape(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A", acceptance_criteria=("works",)))
    harness.settle(harness.claim(), FAILED)
    shown = harness.run("task-info", "a", "--json").json
    assert set(shown) >= TASK_KEYS | {"attempts", "log"}
    assert set(shown["attempts"][0]) >= ATTEMPT_KEYS
    assert all(set(line) >= LOG_KEYS for line in shown["log"])
    assert shown["attempts"][0]["error"] == "tests are red"
    assert datetime.fromisoformat(shown["attempts"][0]["started_at"]).utcoffset() is not None
    told = harness.run("task-info", "a").out
    assert "tests are red" in told
    assert "works" in told


@pytest.mark.parametrize("words", [("task-info",), ("why",), ("prompt",), ("logs",)])
def test_an_unknown_task_is_exit_code_5(harness: CliHarness, words: tuple[str, ...]) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    ran = harness.run(*words, "zz")
    assert ran.code == 5
    assert len(ran.err.splitlines()) == 2


def test_task_info_shows_a_warning_as_one(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    check = {"command": "built-in: only a was changed", "exit_code": None, "passed": True}
    checks = [check, {**check, "output": "b\nc", "warning": True}]
    harness.settle(harness.claim(), AttemptResult(outcome=Outcome.PASSED, check_results=checks))
    out = harness.run("task-info", "a").out
    assert "passed: built-in: only a was changed\n" in out
    assert "warning: built-in: only a was changed – violated: b, c\n" in out


def test_terminal_escapes_in_task_text_are_inert(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name=HOSTILE, description=HOSTILE, phase=HOSTILE, acceptance_criteria=(HOSTILE,)))
    for words in (("list-tasks",), ("task-info", "a"), ("prompt", "a"), ("why", "a"), ("status",)):
        ran = harness.run(*words)
        assert not any(c in ran.out + ran.err for c in "\x1b\x9b\x07\x00\u202e\r"), words
    for words in (("list-tasks", "--json"), ("task-info", "a", "--json")):
        ran = harness.run(*words)
        assert not any(c in ran.out for c in "\x1b\x9b\x07\x00\u202e\r"), words
        task = ran.json["tasks"][0] if "tasks" in ran.json else ran.json
        assert task["name"] == HOSTILE  # programs get the truth


# ───── why ─────


def reasons(harness: CliHarness, task_id: str) -> dict[str, str]:
    shown = harness.run("why", task_id, "--json").json
    assert set(shown) == {"id", "status", "reasons", "same_problem"}
    return {reason["kind"]: reason["text"] for reason in shown["reasons"]}


def test_why_shows_the_place_in_the_queue(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"), TaskSpec(id="b", name="B"), TaskSpec(id="c", name="C", priority=1))
    assert "next in the queue" in reasons(harness, "c")["queue"]
    assert "2 ready tasks come before it" in reasons(harness, "b")["queue"]
    assert "no_workers" in reasons(harness, "b")


def test_why_shows_which_dependencies_are_missing_and_which_ended(harness: CliHarness) -> None:
    harness.queue(
        TaskSpec(id="done", name="D", status=Status.COMPLETED),
        TaskSpec(id="bad", name="B", status=Status.FAILED),
        TaskSpec(id="open", name="O"),
        TaskSpec(id="c", name="C", dependencies=("done", "bad", "open")),
    )
    told = reasons(harness, "c")
    assert "bad (failed)" in told["dependency_ended"]
    assert "open (not_started)" in told["dependency"]
    assert "done" not in " ".join(told.values())


@pytest.mark.parametrize("flag", ["paused", DRAINED, EMERGENCY_STOP, DISK_LOW])
def test_why_shows_what_stops_the_whole_queue(harness: CliHarness, flag: str) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    with harness.open() as database:
        database.swarm.set_flag(flag, actor="anna", reason="because")
    told = reasons(harness, "a")[flag]
    assert "anna" in told
    assert "because" in told


def test_why_shows_a_providers_hold_and_its_end(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"), TaskSpec(id="b", name="B", agent_cli="other"))
    with harness.open() as database:
        names = {"route": "amplifier", "agent_cli": "amplifier"}
        values = {**names, "kind": "throttled", "reason": "429", "wall": database.clock.wall_ms()}
        times = {"until_at": values["wall"] + 60_000, "until_mono": database.clock.mono_ms() + 60_000, "step": 1}
        from swarm_shared.store.sql import SQL

        with database.connection.transaction():
            database.connection.change(SQL["put_hold"], values | times)
    assert "429" in reasons(harness, "a")["provider_hold"]
    told = reasons(harness, "b")
    assert "provider_hold" not in told
    assert "next in the queue" in told["queue"]  # held ones are passed over


def test_why_shows_what_runs_and_its_last_sign_of_progress(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim()
    told = reasons(harness, "a")["running"]
    assert "building by worker-1, attempt 1" in told
    assert "progress" in told


def test_why_shows_that_the_worker_of_a_task_is_gone(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim(worker=ended_process())
    assert "worker-1 is gone" in reasons(harness, "a")["orphaned"]


@pytest.mark.parametrize("status", list(Status))
def test_why_has_an_answer_for_every_status(harness: CliHarness, status: Status) -> None:
    harness.queue(TaskSpec(id="a", name="A"), TaskSpec(id="b", name="B", dependencies=("a",)))
    if status in (Status.CLAIMED, Status.IN_PROGRESS):
        harness.claim(stage=None)
    with harness.open() as database, database.connection.transaction():
        database.connection.change(
            "UPDATE tasks SET status = :s, due_at = :due, due_mono = :due, hold_reason = :hold WHERE id = 'a'",
            {
                "s": status,
                "due": 1_900_000_000_000 if status is Status.SCHEDULED else None,
                "hold": HoldReason.CRASHED if status is Status.HELD else None,
            },
        )
    ran = harness.run("why", "b" if status is Status.BLOCKED else "a")
    assert ran.code == 0
    assert len(ran.out.splitlines()) > 1


# ───── prompt, logs, events ─────


def test_prompt_shows_what_the_next_attempt_would_be_told(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="Build it", acceptance_criteria=("compiles",)))
    harness.settle(harness.claim(), FAILED)
    harness.run("retry", "a", "--note", "use the new API")
    ran = harness.run("prompt", "a", "--json")
    assert set(ran.json) == {"id", "attempt", "role", "stored", "resumes", "prompt"}
    assert (ran.json["attempt"], ran.json["stored"]) == (2, False)
    for words in ("use the new API", "compiles", "tests are red"):
        assert words in ran.json["prompt"]


def test_prompt_shows_what_a_past_or_running_attempt_was_told(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim()
    assert harness.run("prompt", "a").out == "Do it.\n"
    assert harness.run("prompt", "a", "--attempt", "1", "--json").json["stored"] is True
    assert harness.run("prompt", "a", "--attempt", "2").code == 5
    assert harness.run("prompt", "a", "--attempt", "1", "--role", "validator").code == 5


def test_a_validators_prompt_needs_an_attempt(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    assert harness.run("prompt", "a", "--role", "validator").code == 2


def write(harness: CliHarness, session: int, data: bytes, position: int) -> None:
    with harness.open() as database:
        database.output.append(session, [(1, data)], position=position, limit_bytes=10**6)


def test_logs_shows_output_with_its_controls_taken_out(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim()
    write(harness, 1, b"\x1b[3", 11)
    write(harness, 1, b"1mred\x1b[0m \xf0\x9f", 14)
    write(harness, 1, b"\x90\x9d without an end", 25)
    ran = harness.run("logs", "a")
    assert ran.out == "hello 🐝\nred 🐝 without an end\n"
    assert "attempt 1, builder" in ran.err


def test_logs_in_json_has_its_shape(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim()
    shown = harness.run("logs", "a", "--json").json
    assert set(shown) == {"id", "attempt", "sessions"}
    assert shown["sessions"][0]["output"] == "hello 🐝\n"
    assert set(shown["sessions"][0]) == {
        "role", "name", "started_at", "ended_at", "exit_code", "signal", "output_bytes", "lost_from", "lost_to",
        "output", "landing",
    }  # fmt: skip


def test_logs_picks_attempt_and_role(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.settle(harness.claim(), FAILED)
    harness.run("retry", "a")
    harness.claim(stage=None)
    assert harness.run("logs", "a").out == ""
    assert "hello" in harness.run("logs", "a", "--attempt", "1").out
    assert harness.run("logs", "a", "--attempt", "1", "--role", "validator").out == ""
    assert harness.run("logs", "a", "--attempt", "7").code == 5


def test_logs_that_follow_end_with_the_task(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    claim = harness.claim()
    process = harness.spawn("logs", "a", "-f")
    assert process.stdout is not None
    assert process.stdout.readline() == "hello 🐝\n"
    write(harness, 1, b"more\n", 11)
    assert process.stdout.readline() == "more\n"
    harness.settle(claim, AttemptResult(outcome=Outcome.PASSED))
    assert process.wait(20) == 0


def test_events_has_its_shape_and_continues_from_an_id(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim()
    shown = harness.run("events", "--json").json
    assert set(shown) == {"events", "last_id"}
    assert set(shown["events"][0]) >= LOG_KEYS | {"task_id"}
    types = [event["event_type"] for event in shown["events"]]
    assert types == ["imported", "worker_started", "claimed", "started"]
    rest = harness.run("events", "--json", "--since", str(shown["events"][1]["id"])).json["events"]
    assert [event["event_type"] for event in rest] == ["claimed", "started"]
    assert len(harness.run("events", "--limit", "1").out.splitlines()) == 1


def test_events_follow_gives_one_document_per_line(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    process = harness.spawn("events", "-f", "--json", "--since", "0")
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["event_type"] == "imported"
        harness.run("hold", "a")
        assert json.loads(process.stdout.readline())["event_type"] == "held"
    finally:
        process.kill()
        process.communicate()
    until(lambda: process.returncode is not None, "the follower is gone")


def test_the_same_problem_twice_is_shown_side_by_side(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A", max_retries=5))
    for line in (3, 8):
        verdict = {"verdict": "FAIL", "summary": "it leaks"}
        objection = AttemptResult(
            outcome=Outcome.FAILED,
            failure_class=FailureClass.QUALITY,
            error="the validator objects",
            validator_result=verdict,
            must_fix=(f"a.py:{line} leaks",),
        )
        harness.settle(harness.claim(), objection)
    for command in ("task-info", "why"):
        told = harness.run(command, "a").out
        assert "Attempt 2 failed in the same way as attempt 1: the same problem" in told
        assert any("a.py:3 leaks" in line and "a.py:8 leaks" in line for line in told.splitlines())
        shown = harness.run(command, "a", "--json").json["same_problem"]
        assert [each["number"] for each in shown["attempts"]] == [1, 2]


def test_status_warns_of_work_that_does_not_land(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.settle(harness.claim(), AttemptResult(outcome=Outcome.PASSED, base_sha="b", head_sha="h"))
    assert harness.run("status", "--json").json["to_land"] | {"since": ""} == {"tasks": 1, "since": "", "late": False}
    assert "warning" not in harness.run("status").out
    with harness.open() as database, database.connection.transaction():
        database.connection.change("UPDATE tasks SET approved_at = approved_at - 900000")
    assert harness.run("status", "--json").json["to_land"]["late"] is True
    assert "1 task waits to land, the first for 15 min" in harness.run("status").out
    assert "longer than a landing should take" in harness.run("why", "a").out


def test_a_worker_of_another_machine_is_unknown_in_status_why_doctor_and_for_stop(
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
