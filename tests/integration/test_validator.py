"""The validator: what it sees, what its verdict applies to, and what happens to an attempt without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import LandingSwarm, landing_swarm

from swarm_shared.agents.prompting.prompt import DIFF_LIMIT_BYTES
from swarm_shared.domain.models import HoldReason, Status, TaskSpec

pytestmark = pytest.mark.integration


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        yield swarm


def roles(swarm: LandingSwarm, number: int = 1) -> list[str]:
    return [s["role"] for s in swarm.db.tasks.sessions(swarm.attempts("a")[number - 1]["id"])]


def prompt(swarm: LandingSwarm) -> str:
    sessions = swarm.db.tasks.sessions(swarm.attempts("a")[0]["id"])
    return str(next(s["prompt"] for s in sessions if s["role"] == "validator"))


def test_it_sees_the_criteria_numbered_the_change_itself_and_the_checks(swarm: LandingSwarm) -> None:
    build = 'echo "a new line" >> a.txt; echo \'{"status": "success", "implementation_notes": "it is marvellous"}\''
    more = {"acceptance_criteria": ("it opens", "it closes"), "checks": ("test -f a.txt",)}
    swarm.add(swarm.task("a", build, verify="true", **more))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    shown = prompt(swarm)
    for part in ("1. it opens\n2. it closes", "+a new line", "1 files changed, 1 lines added", "passed: test -f a.txt"):
        assert part in shown, part
    assert "marvellous" not in shown


def test_a_change_too_long_to_show_is_truncated_but_all_its_files_are_named(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "seq 1 90000 > first.txt; echo x > last.txt", verify="true"))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    shown = prompt(swarm)
    assert len(shown) < DIFF_LIMIT_BYTES + 8192
    for part in ("A first.txt +90000", "A last.txt +1", "90001 lines added", "truncated"):
        assert part in shown, part


@pytest.mark.parametrize("end", ["kill -9 $$", "echo VERDICT: PASS; kill -9 $$"])
def test_a_validator_that_dies_is_repeated_twice_and_then_left_to_the_user(swarm: LandingSwarm, end: str) -> None:
    swarm.add(swarm.task("a", "echo b > b.txt", verify=end))
    swarm.worker(SWARM_CRASH_BACKOFF_S="0")
    task = swarm.wait_for("a", Status.HELD, Status.FAILED)
    assert (task["status"], task["hold_reason"]) == (Status.HELD, HoldReason.UNREADABLE)
    assert "no verdict in 3 sessions" in task["last_error"]
    assert "SIGKILL" in task["last_error"]
    assert len(swarm.attempts("a")) == 1
    assert roles(swarm) == ["builder", "validator", "validator", "validator"]


def test_a_validator_that_dies_once_is_repeated_and_nothing_is_built_again(swarm: LandingSwarm) -> None:
    mark = swarm.folder / "died"
    swarm.add(swarm.task("a", "echo b > b.txt", verify=f"test -f {mark} || {{ touch {mark}; kill -9 $$; }}"))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert roles(swarm) == ["builder", "validator", "validator"]


def test_the_verdict_names_its_commit_and_that_commit_lands(swarm: LandingSwarm) -> None:
    after = "git checkout -q -b mine && echo later > later.txt && git add -A && git commit -q -m later"
    sneaky = f"{after} && git branch -f swarm/task/a HEAD"
    swarm.add(swarm.task("a", "echo b > b.txt", verify=sneaky))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    head = swarm.attempts("a")[0]["head_sha"]
    shown = [e["message"] for e in swarm.db.events.newest(50) if e["event_type"] == "validated"]
    assert shown == [f"PASS of {head[:12]}"]
    assert swarm.landed("b.txt") == "b"
    assert "later.txt" not in swarm.git("ls-tree", "--name-only", "swarm/integration")
    recorded = [c for c in swarm.attempts("a")[0]["check_results"] if c.get("warning")]
    assert "later.txt" in recorded[-1]["output"]


def test_an_agent_cli_without_its_own_commit_still_gives_its_verdict(swarm: LandingSwarm) -> None:
    swarm.settings["SWARM_ISOLATION"] = "none"
    swarm.add(TaskSpec(id="a", name="a", run="true", verify="true"))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert [e["message"] for e in swarm.db.events.newest(50) if e["event_type"] == "validated"] == ["PASS"]
