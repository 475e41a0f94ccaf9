"""The prompt that `prompt` announces for the next attempt is, word for word, the one that it receives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from amplifier_harness import make_harness
from landing_harness import LandingSwarm, landing_swarm

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.next_prompt import NextPrompt, Place, next_prompt, place_by_git, place_by_record
from swarm_shared.settings.settings import resolve
from swarm_shared.store.swarm.swarm import PAUSED

pytestmark = pytest.mark.integration

GIVES_UP = {"answer": {"status": "failed", "blockers": ["no wood left"], "tests_passed": False}}


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        yield swarm


def foretold(
    swarm: LandingSwarm, place_by: Callable[..., Place] = place_by_git, root: Path | None = None
) -> NextPrompt:
    """As the command line or the dashboard shows it, with the workers' settings."""
    environ = swarm.settings if root is None else {**swarm.settings, "SWARM_ISOLATION": "auto"}
    settings = resolve({"db": swarm.path, "project_root": root or swarm.project}, environ)
    task = swarm.db.tasks.get("a")
    return next_prompt(swarm.db, task, settings, at=place_by(swarm.db, task, settings), environ=swarm.settings)


def shown_prompt(swarm: LandingSwarm, number: int) -> str:
    sessions = swarm.db.tasks.sessions(swarm.attempts("a")[number - 1]["id"])
    return str(next(s["prompt"] for s in sessions if s["role"] == "builder"))


@pytest.mark.parametrize("isolation", ["none", "worktree"])
@pytest.mark.parametrize("place_by", [place_by_git, place_by_record])
def test_the_announced_prompt_is_the_prompt_that_is_used(
    swarm: LandingSwarm, isolation: str, place_by: Callable[..., Place]
) -> None:
    swarm.settings["SWARM_ISOLATION"] = isolation
    go = swarm.folder / "go"
    run = f"echo b >> b.txt; while ! test -e {go}; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="Build it", run=run, checks=('test "$AMPLIFIER_SWARM_ATTEMPT_NUMBER" = 2',)))
    swarm.worker()
    swarm.wait_for("a", Status.IN_PROGRESS)
    swarm.db.swarm.set_flag(PAUSED, actor="test")
    go.touch()
    swarm.wait_for("a", Status.NOT_STARTED)
    foreseen = foretold(swarm, place_by)
    if isolation == "worktree":  # without a project root, the stored one is used
        (swarm.folder / "elsewhere").mkdir()
        assert foretold(swarm, place_by, swarm.folder / "elsewhere").text == foreseen.text
    swarm.db.swarm.resume(actor="test")
    swarm.wait_for("a", Status.COMPLETED)
    assert foreseen.text == shown_prompt(swarm, 2)
    assert (foreseen.number, foreseen.resumes) == (2, None)
    assert ("A b.txt +1" in foreseen.text) is (isolation == "worktree")


@pytest.mark.parametrize("place_by", [place_by_git, place_by_record])
def test_the_session_to_be_resumed_is_announced_too(swarm: LandingSwarm, place_by: Callable[..., Place]) -> None:
    swarm.commit({"services/api/main.py": "print(1)\n"})
    swarm.project /= "services/api"
    harness = make_harness(swarm.folder / "amplifier")
    go = swarm.folder / "go"
    steps = [{"write": {"b.txt": "b"}, "wait_for": str(go), **GIVES_UP}, {"write": {"b.txt": "c"}}]
    swarm.settings |= harness.env(FAKE_AMPLIFIER=json.dumps({"builder": steps})) | {"SWARM_AGENT_CLI": "amplifier"}
    swarm.add(TaskSpec(id="a", name="Build it"))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.IN_PROGRESS)
    swarm.db.swarm.set_flag(PAUSED, actor="test")
    go.touch()
    swarm.wait_for("a", Status.NOT_STARTED)
    foreseen = foretold(swarm, place_by)
    swarm.db.swarm.resume(actor="test")
    swarm.wait_for("a", Status.COMPLETED)
    first, second = swarm.attempts("a")
    assert foreseen.text == shown_prompt(swarm, 2)
    assert "worktrees/a/services/api" in foreseen.text
    assert foreseen.resumes == second["resumed_session_id"] == first["builder_session_id"] is not None
