"""Budgets with real workers: they stop in time, refuse what they cannot count, and end sessions only if asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_swarm import LiveSwarm, live_swarm, wait_until
from stand_in_provider import StandInProvider

from swarm_shared.domain.budget import Scope
from swarm_shared.domain.models import Status, TaskSpec


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    with live_swarm(tmp_path) as swarm:
        swarm.settings |= {"SWARM_AGENT_CLI": "stand-in", "ACCOUNT": "a", "SWARM_VALIDATION": "off"}
        yield swarm


def state(swarm: LiveSwarm, **settings: Any) -> StandInProvider:
    provider = StandInProvider(swarm.folder / "provider")
    settings["agent_clis"] = {"stand-in": provider.preset()}
    (swarm.folder / "swarm.yaml").write_text(json.dumps(settings))
    return provider


def test_workers_stop_within_one_session_of_the_cap(swarm: LiveSwarm) -> None:
    provider = state(swarm, budget={"run": {"usd": 0.035}})  # a session costs 0.01
    swarm.add(*(TaskSpec(id=f"t{n}", name="t") for n in range(12)))
    for n in range(2):
        swarm.worker(f"worker-{n}")
    wait_until(lambda: "paused" in swarm.db.swarm.flags(), swarm.logs)
    wait_until(lambda: not swarm.db.recovery.open_attempts(), swarm.logs)
    assert 4 <= len(provider.sessions()) <= 5  # the cap, and the sessions that the other worker had in flight
    [cap] = swarm.db.spending.shown()["caps"]
    assert cap["used"] == pytest.approx(0.01 * len(provider.sessions()))


def test_a_hard_budget_ends_running_sessions_and_costs_no_attempt(swarm: LiveSwarm) -> None:
    provider = state(swarm, budget={"run": {"usd": 0.005}, "hard": True})
    swarm.add(TaskSpec(id="slow", name="slow", priority=1, env={"ACCOUNT": "slow"}))
    provider.hangs("slow")
    swarm.worker("worker-1")
    wait_until(lambda: [s for s in provider.sessions() if s[0] == "slow"], swarm.logs)
    swarm.add(TaskSpec(id="quick", name="quick"))
    swarm.worker("worker-2")
    swarm.wait_for("quick", Status.COMPLETED)
    wait_until(lambda: swarm.attempts("slow")[0]["ended_at"], swarm.logs)
    [attempt] = swarm.attempts("slow")
    assert (attempt["failure_class"], attempt["error"]) == ("interrupted", "a budget is used up")
    assert swarm.db.tasks.get("slow")["failures"] == 0


def test_a_hard_budget_starts_no_validator_for_a_task_that_has_used_it_up(swarm: LiveSwarm) -> None:
    provider = state(swarm, budget={"run": {"usd": 0.005}, "hard": True})
    swarm.add(TaskSpec(id="t", name="t"))
    swarm.worker("worker-1", SWARM_VALIDATION="on")
    wait_until(lambda: swarm.attempts("t") and swarm.attempts("t")[0]["ended_at"], swarm.logs)
    assert [role for _, role, _, _ in provider.sessions()] == ["builder"]
    assert (swarm.attempts("t")[0]["failure_class"], swarm.status("t")) == ("interrupted", Status.NOT_STARTED)


def test_a_budget_reports_that_it_cannot_count_sessions_of_unknown_cost(swarm: LiveSwarm) -> None:
    provider = state(swarm, budget={"run": {"usd": 5}})
    answer = provider.answer("builder")
    provider.answer("builder", answer.replace('"total_cost_usd": 0.01', '"total_cost_usd": 0.0'))
    swarm.add(*(TaskSpec(id=f"t{n}", name="t") for n in range(2)))
    swarm.worker("worker-1")
    for n in range(2):
        swarm.wait_for(f"t{n}", Status.COMPLETED)
    [event] = [each for each in swarm.db.events.newest(100) if each["event_type"] == "budget_cost_unknown"]
    assert "their cost is unknown" in event["message"]
    assert swarm.db.spending.spent(Scope.RUN).unpriced == 2


def test_a_money_cap_is_refused_if_no_cost_is_reported(swarm: LiveSwarm) -> None:
    provider = state(swarm, budget={"run": {"usd": 1}})
    settings = json.loads((swarm.folder / "swarm.yaml").read_text())
    settings["agent_clis"]["stand-in"] |= {"like": "codex"}
    (swarm.folder / "swarm.yaml").write_text(json.dumps(settings))
    swarm.add(TaskSpec(id="t", name="t"))
    program = [sys.executable, "-m", "amplifier_swarm", "--db", str(swarm.path)]
    words = ("start", "--no-dashboard", "--project-root", str(swarm.project))
    env = {**os.environ, **swarm.settings}
    ended = subprocess.run([*program, *words], env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    assert "'stand-in' reports no cost, so a cap in USD cannot be enforced" in ended.stderr
    assert "prices:" in ended.stderr
    assert provider.sessions() == []
