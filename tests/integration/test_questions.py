"""A builder asks, the user answers, and the session that asked continues; with real workers and a stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from amplifier_harness import make_harness
from live_swarm import LiveSwarm

from swarm_shared.carry_out import carry_out_now
from swarm_shared.domain.models import Status, TaskSpec, Verb

pytestmark = pytest.mark.integration

ASKS = {"answer": {"status": "failed", "question": "SQL or files?", "tests_passed": False}}


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    swarm = LiveSwarm(tmp_path)
    swarm.settings |= make_harness(tmp_path / "amplifier").env() | {"SWARM_AGENT_CLI": "amplifier"}
    try:
        yield swarm
    finally:
        swarm.end()


def test_the_session_that_asked_continues_with_the_answer(swarm: LiveSwarm) -> None:
    steps = [{"ledger": str(swarm.ledger), **step} for step in (ASKS, {})]
    swarm.add(TaskSpec(id="a", name="Build it", max_retries=0))
    swarm.worker("worker-1", "--no-validation", FAKE_AMPLIFIER=json.dumps({"builder": steps}))
    held = swarm.wait_for("a", Status.HELD, Status.FAILED)
    assert (held["hold_reason"], held["question"], held["failures"]) == ("question", "SQL or files?", 0)
    carry_out_now(swarm.db, Verb.ANSWER, "a", {"text": "Files.", "attempt": 1}, actor="anna")
    swarm.wait_for("a", Status.COMPLETED, Status.FAILED)
    first, second = swarm.attempts("a")
    assert (second["outcome"], second["resumed_session_id"]) == ("passed", first["builder_session_id"])
    [session] = swarm.db.tasks.sessions(second["id"])
    assert "You asked in attempt 1: SQL or files?\n\nAnswer from the user: Files." in session["prompt"]
    assert [line["session"] for line in swarm.ledger_lines() if line["event"] == "resumed"] == [
        first["builder_session_id"]
    ]


def test_a_cli_that_cannot_resume_gets_question_and_answer_in_a_fresh_session(swarm: LiveSwarm) -> None:
    asks = """printf '{"status": "failed", "blockers": ["SQL or files?"]}'"""
    run = f"grep -q 'Answer from the user: Files.' || {{ {asks}; exit 1; }}"
    swarm.add(TaskSpec(id="a", name="Build it", run=run, agent_cli="command", max_retries=0))
    swarm.worker("worker-1", "--no-validation")
    held = swarm.wait_for("a", Status.HELD, Status.FAILED)
    assert held["question"] == "SQL or files?"
    carry_out_now(swarm.db, Verb.ANSWER, "a", {"text": "Files."}, actor="anna")
    assert swarm.wait_for("a", Status.COMPLETED, Status.HELD, Status.FAILED)["status"] == Status.COMPLETED
