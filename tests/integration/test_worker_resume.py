"""A retry resumes the builder's own session, with a stand-in that behaves like the real CLI."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from amplifier_harness import make_harness
from fake_amplifier import NAMING_TOKENS
from live_swarm import LiveSwarm
from repositories import PERSON

from swarm_shared.agents.prompting.prompt import answer_again
from swarm_shared.domain.models import Role, Status, TaskSpec

pytestmark = pytest.mark.integration

GIVES_UP = {"answer": {"status": "failed", "blockers": ["no wood left"], "tests_passed": False}}
PROSE = {"response": "I believe that it is done."}


class AmplifierSwarm(LiveSwarm):
    """One task, one worker, and the stand-in as `amplifier`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.home = folder / "amplifier" / "home"
        self.settings |= make_harness(folder / "amplifier").env() | {"SWARM_AGENT_CLI": "amplifier"}

    def run(self, *builder: dict[str, Any], until: Status, **settings: str) -> list[dict[str, Any]]:
        """Let the builder play these steps, one per attempt; returns the attempts."""
        steps = [{"ledger": str(self.ledger), "tokens": 100, **step} for step in builder]
        self.add(TaskSpec(id="a", name="Build it", description="Do it well."))
        self.worker("worker-1", "--no-validation", FAKE_AMPLIFIER=json.dumps({"builder": steps}), **settings)
        self.wait_for("a", until)
        return self.attempts("a")

    def resumed(self) -> list[tuple[str, str, int]]:
        """Which attempt resumed which session, and how much the agent remembered."""
        lines = [line for line in self.ledger_lines() if line["event"] == "resumed"]
        return [(line["number"], line["session"], line["messages"]) for line in lines]

    def prompt(self, number: int, session: int = 0) -> str:
        sessions = self.db.tasks.sessions(self.attempts("a")[number - 1]["id"])
        return str(sessions[session]["prompt"])


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[AmplifierSwarm]:
    swarm = AmplifierSwarm(tmp_path)
    try:
        yield swarm
    finally:
        swarm.end()


@pytest.mark.parametrize("isolation", ["none", "worktree"])
def test_the_first_retry_resumes_the_session_and_the_second_starts_fresh(swarm: AmplifierSwarm, isolation: str) -> None:
    if isolation == "worktree":
        swarm.settings |= {"SWARM_ISOLATION": isolation} | _git(swarm.project, swarm.folder)
    first, second, third = swarm.run(GIVES_UP, GIVES_UP, {"write": {"a": "b"}}, until=Status.COMPLETED)
    assert swarm.resumed() == [("2", first["builder_session_id"], 2)]
    assert second["resumed_session_id"] == second["builder_session_id"] == first["builder_session_id"]
    assert (first["resumed_session_id"], third["resumed_session_id"]) == (None, None)
    assert third["builder_session_id"] != first["builder_session_id"]
    assert "resuming your earlier session" in swarm.prompt(2)
    assert "no wood left" in swarm.prompt(2)
    assert "resuming your earlier session" not in swarm.prompt(3)


def test_a_resumed_sessions_earlier_tokens_are_counted_once(swarm: AmplifierSwarm) -> None:
    attempts = swarm.run(GIVES_UP, {"tokens": 30}, until=Status.COMPLETED)
    assert [a["tokens"] for a in attempts] == [100, 30 + NAMING_TOKENS]


def test_a_session_that_ended_in_an_error_was_not_saved_and_is_started_again(swarm: AmplifierSwarm) -> None:
    error = {"error": "Execution failed: ContextLengthError: too long"}
    first, second = swarm.run(error, {}, until=Status.COMPLETED)
    assert first["builder_session_id"] is not None
    assert swarm.resumed() == []
    assert second["resumed_session_id"] is None


def test_a_session_that_the_cli_no_longer_has_is_not_trouble_of_the_cli(swarm: AmplifierSwarm) -> None:
    # Its folder exists when the worker checks, and not when the CLI does.
    forget = f"rm -rf {swarm.home}/.amplifier/projects"
    binary = swarm.folder / "amplifier" / "bin" / "amplifier"
    real = binary.resolve()
    binary.unlink()
    binary.write_text(f'#!/bin/sh\ncase "$*" in *--resume*) {forget} ;; esac\nexec {real} "$@"\n')
    binary.chmod(0o755)
    _, second = swarm.run(GIVES_UP, {}, until=Status.COMPLETED)
    roles = [(s["resumes"] is not None, s["exit_code"]) for s in swarm.db.tasks.sessions(second["id"])]
    assert roles == [(True, 1), (False, 0)]
    assert swarm.db.swarm.holds() == []
    assert "resuming your earlier session" not in swarm.prompt(2, 1)


def test_an_unreadable_answer_is_requested_again_in_the_same_session(swarm: AmplifierSwarm) -> None:
    runs = swarm.folder / "runs"
    steps = {"runs": str(runs), "steps": [PROSE, GIVES_UP, {}]}
    swarm.add(TaskSpec(id="a", name="Build it"))
    swarm.worker("worker-1", "--no-validation", FAKE_AMPLIFIER=json.dumps({"builder": steps}))
    swarm.wait_for("a", Status.COMPLETED)
    first, second = swarm.attempts("a")
    sessions = swarm.db.tasks.sessions(first["id"])
    assert [s["resumes"] for s in sessions] == [None, first["builder_session_id"]]
    assert swarm.prompt(1, 1) == answer_again(Role.BUILDER)
    # It was resumed only for its answer: the retry may resume it for the work.
    assert second["resumed_session_id"] == first["builder_session_id"]


def test_a_validators_unreadable_answer_is_requested_again_and_then_in_a_new_session(swarm: AmplifierSwarm) -> None:
    runs = swarm.folder / "runs"
    steps = {"runs": str(runs), "steps": [{**PROSE, "tokens": 50}, {**PROSE, "tokens": 7}, {"tokens": 50}]}
    swarm.add(TaskSpec(id="a", name="Build it"))
    swarm.worker(FAKE_AMPLIFIER=json.dumps({"builder": [{"tokens": 100}], "validator": steps}))
    swarm.wait_for("a", Status.COMPLETED)
    (attempt,) = swarm.attempts("a")
    _, *validators = swarm.db.tasks.sessions(attempt["id"])
    assert [s["resumes"] is not None for s in validators] == [False, True, False]
    assert [s["prompt"] == answer_again(Role.VALIDATOR) for s in validators] == [False, True, False]
    assert attempt["tokens"] == 100 + 50 + (7 + NAMING_TOKENS) + 50


def test_a_killed_session_is_identified_by_its_files_if_it_has_its_own_folder(swarm: AmplifierSwarm) -> None:
    swarm.settings |= {"SWARM_ISOLATION": "worktree"} | _git(swarm.project, swarm.folder)
    first, second = swarm.run(
        {"hang": True, "tokens": 70}, {"write": {"a": "b"}}, until=Status.COMPLETED, SWARM_BUILDER_TIMEOUT_S="5"
    )
    assert first["cause"] == "time"
    assert first["builder_session_id"] is not None
    assert (second["resumed_session_id"], swarm.resumed()) == (None, [])


def _git(project: Path, folder: Path) -> dict[str, str]:
    config = folder / "gitconfig"
    config.write_text(PERSON)
    env = {"GIT_CONFIG_GLOBAL": str(config), "GIT_CONFIG_NOSYSTEM": "1"}
    for words in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *words], cwd=project, env={"PATH": "/usr/bin:/bin", **env}, check=True)
    return env
