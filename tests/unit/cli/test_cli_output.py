"""`prompt`, `logs` and `events`: the prompts of agents, their output, and the event log."""

from __future__ import annotations

import json

from cli_harness import CliHarness, until

from swarm_shared.domain.models import FailureClass, Outcome, TaskSpec
from swarm_shared.store.queue.policy import AttemptResult

LOG_KEYS = {"id", "timestamp", "event_type", "worker_id", "message", "data"}
FAILED = AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error="tests fail")


def test_prompt_shows_the_prompt_of_the_next_attempt(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="Build it", acceptance_criteria=("compiles",)))
    harness.settle(harness.claim(), FAILED)
    harness.run("retry", "a", "--note", "use the new API")
    ran = harness.run("prompt", "a", "--json")
    assert set(ran.json) == {"id", "attempt", "role", "stored", "resumes", "prompt"}
    assert (ran.json["attempt"], ran.json["stored"]) == (2, False)
    for words in ("use the new API", "compiles", "tests fail"):
        assert words in ran.json["prompt"]


def test_prompt_shows_the_prompt_of_a_past_or_running_attempt(harness: CliHarness) -> None:
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


def test_logs_shows_output_without_control_sequences(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim()
    write(harness, 1, b"\x1b[3", 11)
    write(harness, 1, b"1mred\x1b[0m \xf0\x9f", 14)
    write(harness, 1, b"\x90\x9d without an end", 25)
    ran = harness.run("logs", "a")
    assert ran.out == "hello 🐝\nred 🐝 without an end\n"
    assert "attempt 1, builder" in ran.err


def test_logs_as_json_have_the_documented_shape(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim()
    shown = harness.run("logs", "a", "--json").json
    assert set(shown) == {"id", "attempt", "sessions"}
    assert shown["sessions"][0]["output"] == "hello 🐝\n"
    assert set(shown["sessions"][0]) == {
        "role", "name", "started_at", "ended_at", "exit_code", "signal", "output_bytes", "lost_from", "lost_to",
        "output", "landing",
    }  # fmt: skip


def test_logs_can_be_limited_to_an_attempt_and_a_role(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.settle(harness.claim(), FAILED)
    harness.run("retry", "a")
    harness.claim(stage=None)
    assert harness.run("logs", "a").out == ""
    assert "hello" in harness.run("logs", "a", "--attempt", "1").out
    assert harness.run("logs", "a", "--attempt", "1", "--role", "validator").out == ""
    assert harness.run("logs", "a", "--attempt", "7").code == 5


def test_logs_follow_ends_with_the_task(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    claim = harness.claim()
    process = harness.spawn("logs", "a", "-f")
    assert process.stdout is not None
    assert process.stdout.readline() == "hello 🐝\n"
    write(harness, 1, b"more\n", 11)
    assert process.stdout.readline() == "more\n"
    harness.settle(claim, AttemptResult(outcome=Outcome.PASSED))
    assert process.wait(20) == 0


def test_events_have_the_documented_shape_and_continue_from_an_id(harness: CliHarness) -> None:
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
