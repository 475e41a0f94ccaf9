"""The life of an attempt with a real worker, real agents (scripted), and nothing else running."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_swarm import LiveSwarm, live_swarm, wait_until

from swarm_shared.domain.models import Status, TaskSpec

pytestmark = pytest.mark.integration

OBJECTION = {"answer": {"verdict": "FAIL", "critical_issues": ["the door has no handle"], "summary": "no"}}
LEASE_S = 2.0  # short enough to see it renewed, and longer than a busy machine keeps a worker waiting
FAILS = {"answer": {"status": "failed", "blockers": ["no wood left"], "tests_passed": False}}


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    with live_swarm(tmp_path) as swarm:
        yield swarm


def prompts(swarm: LiveSwarm, task_id: str, number: int) -> list[str]:
    attempt = swarm.attempts(task_id)[number - 1]
    return [s["prompt"] for s in swarm.db.tasks.sessions(attempt["id"]) if s["role"] == "builder"]


def test_a_task_is_built_then_validated_then_completed(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", script={"builder": [{}], "validator": [{}]}))
    swarm.worker()
    task = swarm.wait_for("a", Status.COMPLETED)
    assert task["builder_result"]["status"] == "success"
    assert task["validator_result"]["verdict"] == "PASS"
    roles = [(line["role"], line["event"]) for line in swarm.ledger_lines()]
    assert roles == [("builder", "start"), ("builder", "end"), ("validator", "start"), ("validator", "end")]


def test_without_validation_no_validator_session_is_started(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", script={"builder": [{}], "validator": [OBJECTION]}))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED)
    assert {line["role"] for line in swarm.ledger_lines()} == {"builder"}


def test_the_retry_knows_what_the_validator_objected_to(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", script={"builder": [{}], "validator": [OBJECTION, {}]}))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert "the door has no handle" in prompts(swarm, "a", 2)[0]
    assert [a["outcome"] for a in swarm.attempts("a")] == ["failed", "passed"]


def test_a_failing_check_spares_the_validator_and_its_last_lines_reach_the_retry(swarm: LiveSwarm) -> None:
    check = 'test "$AMPLIFIER_SWARM_ATTEMPT_NUMBER" = 2 || { echo the hinge squeaks; exit 5; }'
    swarm.add(swarm.scripted("a", checks=(check,), script={"builder": [{}], "validator": [{}]}))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    first = swarm.attempts("a")[0]
    assert first["check_results"][0]["exit_code"] == 5
    assert first["validator_result"] is None
    assert "the hinge squeaks" in prompts(swarm, "a", 2)[0]


def test_a_builder_that_reports_failure_uses_up_its_retries_and_the_task_fails(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", script={"builder": [FAILS]}), swarm.scripted("b", "a"))
    swarm.worker("worker-1", "--max-retries", "1")
    task = swarm.wait_for("a", Status.FAILED)
    assert task["attempt_count"] == 2
    assert "no wood left" in task["last_error"]
    assert swarm.status("b") is Status.BLOCKED


@pytest.mark.parametrize(
    ("step", "ends_as"),
    [
        # What the program that is rebuilt here got wrong: it believed exit codes.
        ({"answer": 'All fine!\n```json\n{"verdict": "FAIL", "critical_issues": ["x"]}\n```'}, Status.FAILED),
        ({"answer": {"verdict": "PASS", "critical_issues": []}, "exit": 3}, Status.FAILED),
        ({"answer": {"verdict": "PASS", "critical_issues": ["it leaks"]}}, Status.FAILED),
        ({"answer": {"verdict": "PASS", "critical_issues": []}, "output": ["❌ VERDICT: FAIL"]}, Status.FAILED),
        ({"answer": "It leaks.\n❌ VERDICT: FAIL"}, Status.FAILED),
        ({"answer": "I think that it is fine."}, Status.HELD),
        ({"answer": ""}, Status.HELD),
    ],
)
def test_a_verdict_is_read_from_its_structure(swarm: LiveSwarm, step: dict[str, Any], ends_as: Status) -> None:
    swarm.add(swarm.scripted("a", max_retries=0, script={"builder": [{}], "validator": [step]}))
    swarm.worker()
    assert swarm.wait_for("a", Status.FAILED, Status.HELD, Status.COMPLETED)["status"] == ends_as


def test_an_unreadable_answer_repeats_that_session_alone_twice(swarm: LiveSwarm) -> None:
    runs = str(swarm.folder / "runs")
    steps = {"runs": runs, "steps": [{"answer": "hm"}, {"answer": "hm"}, {}]}
    swarm.add(swarm.scripted("a", script={"builder": [{}], "validator": steps}))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    starts = [line["role"] for line in swarm.ledger_lines() if line["event"] == "start"]
    assert starts == ["builder", "validator", "validator", "validator"]


def test_exit_code_three_with_success_in_its_json_is_not_done(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", max_retries=0, script={"builder": [{"exit": 3}]}))
    swarm.worker()
    swarm.wait_for("a", Status.FAILED)


def test_a_killed_agent_is_a_crash_and_never_taken_for_exit_0(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", script={"builder": [{"signal": 9}]}))
    swarm.worker("worker-1", SWARM_CRASH_BACKOFF_S="0")
    swarm.wait_for("a", Status.HELD)
    assert {a["failure_class"] for a in swarm.attempts("a")} == {"crash"}
    assert len(swarm.attempts("a")) == 3


def test_nothing_that_an_agent_leaves_behind_outlives_its_session(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", script={"builder": [{"spawn": ["setsid", "envi", "doublefork"]}], "validator": [{}]}))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert swarm.leftovers() == []


def test_a_session_past_its_limit_is_ended_and_counts_as_a_failure(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", max_retries=0, timeout_minutes=0.005, script={"builder": [{"hang": True}]}))
    swarm.worker()
    assert "limit" in swarm.wait_for("a", Status.FAILED)["last_error"]


def test_a_session_without_any_sign_of_progress_is_ended(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", max_retries=0, script={"builder": [{"hang": True}]}))
    swarm.worker("worker-1", SWARM_ORPHAN_TIMEOUT_MIN="0.01")
    assert "no sign of progress" in swarm.wait_for("a", Status.FAILED)["last_error"]


def test_output_past_its_limit_keeps_head_and_tail_and_says_what_was_lost(swarm: LiveSwarm) -> None:
    command = "seq 1 60000; echo the end"
    swarm.add(TaskSpec(id="a", name="a", run=command, agent_cli="command"))
    swarm.worker("worker-1", SWARM_OUTPUT_LIMIT_MB="0.05")
    swarm.wait_for("a", Status.COMPLETED)
    session = swarm.db.tasks.sessions(swarm.attempts("a")[0]["id"])[0]
    chunks = swarm.db.output.read(session["id"], limit=10_000)
    kept = b"".join(chunk.data for chunk in chunks)
    assert kept.startswith(b"1\n2\n")
    assert kept.endswith(b"the end\n")
    assert len(kept) < 300_000
    assert session["lost_to"] > session["lost_from"]
    assert session["output_bytes"] > len(kept)
    assert "output_lost" in [event["event_type"] for event in swarm.db.events.newest(50)]


def test_an_agent_cli_that_cannot_start_is_held_after_one_repeat_and_costs_nothing(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a"), swarm.scripted("b"))
    swarm.worker("worker-1", "--agent-cli", "claude", PATH="/nonexistent")
    wait_until(lambda: any(h.until_at is None for h in swarm.db.swarm.holds()), swarm.logs)
    assert swarm.status("a") is Status.NOT_STARTED
    assert len(swarm.attempts("a")) == 2
    assert swarm.attempts("b") == []


def test_a_prompt_is_stored_before_anything_is_spent(swarm: LiveSwarm) -> None:
    swarm.add(
        swarm.scripted(
            "a",
            description="Build a door.",
            acceptance_criteria=("it opens", "it closes"),
            files=("door.py",),
            design_docs=("docs/door.md",),
            script={"builder": [{"hang": True}]},
        )
    )
    swarm.worker()
    swarm.wait_for_agent("a")
    prompt = prompts(swarm, "a", 1)[0]
    for part in ("Build a door.", "it opens", "it closes", "door.py", "docs/door.md", str(swarm.project)):
        assert part in prompt


def test_a_long_task_keeps_its_lease_and_is_never_given_out_twice(swarm: LiveSwarm) -> None:
    go = swarm.folder / "go"
    swarm.add(swarm.scripted("a", script={"builder": [{"wait_for": str(go)}]}))
    for n in (1, 2):
        swarm.worker(f"worker-{n}", "--no-validation", SWARM_HEARTBEAT_S=str(LEASE_S / 4))
    swarm.wait_for_agent("a")
    lease = "SELECT min(lease_until_mono) FROM workers"
    wait_until(lambda: len(swarm.db.workers.alive()) == 2, swarm.logs)
    first = swarm.db.connection.value(lease)
    wait_until(lambda: swarm.db.connection.value(lease) > first + LEASE_S * 1000)
    assert swarm.db.reset_orphaned_tasks(timeout_minutes=60) == 0
    go.touch()
    swarm.wait_for("a", Status.COMPLETED)
    assert len(swarm.attempts("a")) == 1


def test_a_contained_agent_cannot_outrun_its_end_by_forking(swarm: LiveSwarm) -> None:
    probe = subprocess.run(["unshare", "--pid", "--fork", "--kill-child", "--", "true"], capture_output=True)
    if os.geteuid() != 0 or probe.returncode != 0:
        pytest.skip("this machine gives no pid namespaces")
    chain = "import os,time\nwhile True:\n    if os.fork(): os._exit(0)\n    os.setsid()"
    swarm.add(
        TaskSpec(id="a", name="a", run=f'python3 -c "{chain}" & echo begun; sleep 0.3', agent_cli="command"),
        TaskSpec(id="b", name="b", run="exit 7", agent_cli="command", max_retries=0),
    )
    swarm.worker("worker-1", "--contain")
    swarm.wait_for("a", Status.COMPLETED)
    assert "exited with code 7" in swarm.wait_for("b", Status.FAILED)["last_error"]
    assert swarm.leftovers() == []
