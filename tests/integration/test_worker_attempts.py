"""The life of an attempt with a real worker, real (scripted) agents, and nothing else running."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

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


def test_a_failing_check_skips_the_validator_and_the_retry_gets_its_last_lines(swarm: LiveSwarm) -> None:
    check = 'test "$AMPLIFIER_SWARM_ATTEMPT_NUMBER" = 2 || { echo the hinge squeaks; exit 5; }'
    swarm.add(swarm.scripted("a", checks=(check,), script={"builder": [{}], "validator": [{}]}))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    first = swarm.attempts("a")[0]
    assert first["check_results"][0]["exit_code"] == 5
    assert first["validator_result"] is None
    assert "the hinge squeaks" in prompts(swarm, "a", 2)[0]


def test_a_killed_agent_is_a_crash_and_never_counts_as_exit_0(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", script={"builder": [{"signal": 9}]}))
    swarm.worker("worker-1", SWARM_CRASH_BACKOFF_S="0")
    swarm.wait_for("a", Status.HELD)
    assert {a["failure_class"] for a in swarm.attempts("a")} == {"crash"}
    assert len(swarm.attempts("a")) == 3


def test_no_process_that_an_agent_leaves_behind_outlives_its_session(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", script={"builder": [{"spawn": ["setsid", "envi", "doublefork"]}], "validator": [{}]}))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert swarm.leftovers() == []


def test_a_session_past_its_limit_is_ended_and_counts_as_a_failure(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", max_retries=0, timeout_minutes=0.005, script={"builder": [{"hang": True}]}))
    swarm.worker()
    assert "limit" in swarm.wait_for("a", Status.FAILED)["last_error"]


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


def test_a_long_task_keeps_its_lease_and_is_never_claimed_twice(swarm: LiveSwarm) -> None:
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


def test_a_contained_agent_cannot_escape_its_end_by_forking(swarm: LiveSwarm) -> None:
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
