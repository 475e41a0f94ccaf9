"""Routes with real workers: the next one takes over at once, and the first is used again when its hold ends."""

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

from swarm_shared.domain.models import Status, TaskSpec

PLAN = {"name": "plan", "agent_cli": "stand-in", "account": "a", "env": {"ACCOUNT": "a"}}
API = {"name": "api", "agent_cli": "stand-in", "account": "b", "env": {"ACCOUNT": "${SPARE}"}, "model": "opus"}


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    with live_swarm(tmp_path) as swarm:
        swarm.settings |= {"SWARM_AGENT_CLI": "stand-in", "SWARM_ROUTE_SPACING_S": "0", "SPARE": "b"}
        yield swarm


@pytest.fixture
def provider(swarm: LiveSwarm) -> StandInProvider:
    made = StandInProvider(swarm.folder / "provider")
    state(swarm, made, routes={"builder": [PLAN, API]})
    return made


def state(swarm: LiveSwarm, provider: StandInProvider, **settings: Any) -> None:
    settings["agent_clis"] = {"stand-in": provider.preset()}
    (swarm.folder / "swarm.yaml").write_text(json.dumps(settings))


def test_the_next_route_takes_over_with_its_account_and_model_and_no_attempt_is_lost(
    swarm: LiveSwarm, provider: StandInProvider
) -> None:
    provider.fails("a", 401)
    swarm.add(TaskSpec(id="t", name="t"))
    swarm.worker()
    swarm.wait_for("t", Status.COMPLETED)
    assert provider.sessions() == [
        ("a", "builder", "t", ""),
        ("b", "builder", "t", "--model opus"),
        ("b", "validator", "t", "--model opus"),
    ]
    assert swarm.db.tasks.get("t")["failures"] == 0
    assert [attempt["route"] for attempt in swarm.attempts("t")] == ["plan", "api"]
    first, second = swarm.db.routes.now()
    assert (first.name, first.state, first.kind, first.in_use) == ("plan", "held", "credentials", False)
    assert (second.name, second.state, second.in_use) == ("api", "open", True)


def test_the_first_route_is_used_again_as_soon_as_its_window_opens(swarm: LiveSwarm, provider: StandInProvider) -> None:
    provider.window("a", opens_in_s=3600)
    swarm.add(TaskSpec(id="t1", name="t"))
    swarm.worker()
    swarm.wait_for("t1", Status.COMPLETED)
    [hold] = swarm.db.swarm.holds()
    assert hold.until_at is not None
    assert 3500_000 < hold.until_at - swarm.db.clock.wall_ms() < 3700_000
    provider.works("a")
    with swarm.db.connection.transaction():  # an hour passes
        swarm.db.connection.change("UPDATE holds SET until_at = 1, until_mono = 1")
    swarm.add(TaskSpec(id="t2", name="t"))
    swarm.wait_for("t2", Status.COMPLETED)
    assert [account for account, role, task, _ in provider.sessions() if (role, task) == ("builder", "t2")] == ["a"]
    assert swarm.db.swarm.holds() == []


def test_a_validator_on_its_own_route_is_replaced_by_the_next_one(swarm: LiveSwarm, provider: StandInProvider) -> None:
    judges = [{**PLAN, "name": f"judge-{n}", "account": n, "env": {"ACCOUNT": n}} for n in ("c", "d")]
    state(swarm, provider, routes={"builder": [PLAN], "validator": judges})
    provider.fails("c", 503)
    swarm.add(TaskSpec(id="t", name="t"))
    swarm.worker()
    swarm.wait_for("t", Status.COMPLETED)
    assert [account for account, role, _, _ in provider.sessions() if role == "validator"] == ["c", "d"]
    assert [hold.route for hold in swarm.db.swarm.holds()] == ["judge-c"]


def test_a_retry_on_another_account_starts_a_fresh_session(swarm: LiveSwarm, provider: StandInProvider) -> None:
    swarm.add(TaskSpec(id="t", name="t", checks=("test -f ../passes",)))
    worker = swarm.worker("worker-1", "--retry-delay", "3")
    wait_until(lambda: [a for a in swarm.attempts("t") if a["ended_at"]], swarm.logs)
    assert worker.poll() is None
    provider.fails("a", 401)
    (swarm.folder / "passes").touch()
    swarm.wait_for("t", Status.COMPLETED)
    builders = [(account, words) for account, role, _, words in provider.sessions() if role == "builder"]
    assert builders == [("a", ""), ("a", "resume s-1"), ("b", "--model opus")]


def test_model_and_arguments_of_role_and_task_work_without_routes(swarm: LiveSwarm, provider: StandInProvider) -> None:
    state(swarm, provider, builder_args=["--fast"], validator_model="judge")
    swarm.add(TaskSpec(id="t", name="t", builder_model="mine", builder_args=("--more",)))
    swarm.worker("worker-1", ACCOUNT="a", SWARM_BUILDER_MODEL="swarm's")
    swarm.wait_for("t", Status.COMPLETED)
    assert [words for _, _, _, words in provider.sessions()] == ["--model mine --fast --more", "--model judge"]


def test_an_empty_variable_of_a_route_is_found_before_the_first_task(
    swarm: LiveSwarm, provider: StandInProvider
) -> None:
    swarm.add(TaskSpec(id="t", name="t"))
    env = {**os.environ, **swarm.settings, "SPARE": ""}
    program = [sys.executable, "-m", "amplifier_swarm", "--db", str(swarm.path)]
    for words in (("start", "--no-dashboard", "--project-root", str(swarm.project)), ("doctor",)):
        ended = subprocess.run([*program, *words], env=env, capture_output=True, text=True, check=False)
        assert ended.returncode != 0, words
        assert "ACCOUNT is taken from ${SPARE}, which is empty here" in ended.stdout + ended.stderr
    assert provider.sessions() == []
