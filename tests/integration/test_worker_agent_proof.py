"""A session counts only if it had its agent's instructions, with a stand-in that behaves like the real CLI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from amplifier_harness import make_harness
from live_swarm import LiveSwarm, wait_until

from swarm_shared.domain.models import HoldReason, Status, TaskSpec

pytestmark = pytest.mark.integration


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    swarm = LiveSwarm(tmp_path)
    swarm.settings |= make_harness(tmp_path / "amplifier").env() | {"SWARM_AGENT_CLI": "amplifier"}
    try:
        yield swarm
    finally:
        swarm.end()


def play(swarm: LiveSwarm, builder: dict[str, Any], validator: dict[str, Any], *options: str) -> None:
    swarm.worker("worker-1", *options, FAKE_AMPLIFIER=json.dumps({"builder": [builder], "validator": [validator]}))


def test_a_validator_that_ran_without_its_instructions_passes_nothing_and_costs_nothing(swarm: LiveSwarm) -> None:
    swarm.add(TaskSpec(id="a", name="a"))
    play(swarm, {}, {"no_context": True})
    wait_until(lambda: any(hold.until_at is None for hold in swarm.db.swarm.holds()), swarm.logs)
    (hold,) = swarm.db.swarm.holds()
    assert "without the instructions of recipes:result-validator" in hold.reason
    assert swarm.db.tasks.get("a")["failures"] == 0
    assert {attempt["failure_class"] for attempt in swarm.attempts("a")} == {"setup"}
    assert all(attempt["validator_result"] is None for attempt in swarm.attempts("a"))


def test_an_agent_that_only_one_task_names_holds_only_that_task(swarm: LiveSwarm) -> None:
    swarm.add(TaskSpec(id="a", name="a", validator_agent="recipes:result-validater"), TaskSpec(id="b", name="b"))
    play(swarm, {}, {})
    swarm.wait_for("b", Status.COMPLETED)
    task = swarm.wait_for("a", Status.HELD)
    assert task["hold_reason"] == HoldReason.CANNOT_START
    assert "recipes:result-validater" in task["last_error"]
    assert swarm.db.swarm.holds() == []


def test_missing_context_of_amplifier_is_a_warning_of_the_attempt(swarm: LiveSwarm) -> None:
    panel = ["╭─ Include Failed (skipping) ─╮", "│ Bundle: python-dev          │", "╰─────────────────────────────╯"]
    swarm.add(TaskSpec(id="a", name="a"))
    play(swarm, {"preamble": panel}, {"old": True})
    swarm.wait_for("a", Status.COMPLETED)
    (attempt,) = swarm.attempts("a")
    warnings = [check["output"] for check in attempt["check_results"] if check.get("warning")]
    assert warnings[0] == "Include Failed (skipping): Bundle: python-dev"
    assert "no event mentions:resolved" in warnings[1]
