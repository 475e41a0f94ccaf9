"""What a worker records of its sessions, including those that it ends because they were silent: cause and usage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_swarm import LiveSwarm, live_swarm, wait_until

from swarm_shared.domain.models import TaskSpec

pytestmark = pytest.mark.integration

STARTED = [{"type": "thread.started", "thread_id": "thread-1"}, {"type": "turn.started"}]
NO_NETWORK = {"type": "error", "message": "Reconnecting... waiting for network (Connection failed)"}
COMMAND = {"type": "item.started", "item": {"type": "command_execution", "command": "make"}}


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    with live_swarm(tmp_path) as swarm:
        yield swarm


def ended_attempt(swarm: LiveSwarm, events: list[dict[str, Any]], **settings: str) -> dict[str, Any]:
    """The attempt of a task whose agent prints these events and then nothing more."""
    agent = swarm.folder / "agent"
    printed = "".join(json.dumps(event) + "\n" for event in events)
    agent.write_text(f"#!/bin/sh\ncat <<'END'\n{printed}END\nexec sleep 600\n")
    agent.chmod(0o755)
    preset = {"like": "codex", "binary": str(agent), "argv": ["run"], "session_variables": []}
    (swarm.folder / "swarm.yaml").write_text(json.dumps({"agent_clis": {"silent": preset}}))
    swarm.add(TaskSpec(id="a", name="a", max_retries=0))
    swarm.worker("worker-1", SWARM_AGENT_CLI="silent", **settings)
    wait_until(lambda: [a for a in swarm.attempts("a") if a["outcome"]], swarm.logs)
    return swarm.attempts("a")[0]


def test_a_silent_session_that_waits_for_its_provider_costs_no_attempt(swarm: LiveSwarm) -> None:
    attempt = ended_attempt(swarm, STARTED, SWARM_ORPHAN_TIMEOUT_MIN="0.03")
    assert attempt["failure_class"] == "provider"
    assert "no sign of progress" in attempt["error"]
    assert "no answer from the provider" in attempt["error"]


USED = {"input_tokens": 100, "cached_input_tokens": 60, "output_tokens": 10}
TWICE = {name: 2 * count for name, count in USED.items()}
FAILED_ANSWER = {"status": "failed", "files_created": [], "blockers": ["no"]}


def finished(usage: dict[str, int]) -> list[dict[str, Any]]:
    said = {"type": "item.completed", "item": {"type": "agent_message", "text": json.dumps(FAILED_ANSWER)}}
    return [*STARTED, said, {"type": "turn.completed", "usage": usage}]


def test_a_resumed_session_is_charged_only_with_its_own_usage(swarm: LiveSwarm) -> None:
    agent = swarm.folder / "agent"
    first, second = ("".join(json.dumps(event) + "\n" for event in finished(usage)) for usage in (USED, TWICE))
    agent.write_text(
        f"#!/bin/sh\nif [ \"$1\" = resume ]; then cat <<'END'\n{second}END\nelse cat <<'END'\n{first}END\nfi\n"
    )
    agent.chmod(0o755)
    preset = {"like": "codex", "binary": str(agent), "argv": ["run"], "resume": ["resume", "{session_id}"]}
    (swarm.folder / "swarm.yaml").write_text(json.dumps({"agent_clis": {"counting": preset}}))
    swarm.add(TaskSpec(id="a", name="a", max_retries=1))
    swarm.worker("worker-1", SWARM_AGENT_CLI="counting")
    wait_until(lambda: [1 for a in swarm.attempts("a") if a["outcome"]][1:], swarm.logs)
    one, two = swarm.attempts("a")
    assert two["resumed_session_id"] == "thread-1"
    assert [(a["tokens"], a["cached_tokens"]) for a in (one, two)] == [(110, 60), (110, 60)]
    sessions = [session for a in (one, two) for session in swarm.db.tasks.sessions(a["id"])]
    assert [(s["cli_session_id"], s["tokens"], s["cached_tokens"]) for s in sessions] == [("thread-1", 110, 60)] * 2
