"""Agents that use the single stash that all worktrees share: whole attempts, with real workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import INTEGRATION, LandingSwarm, landing_swarm

from swarm_shared.domain.models import HoldReason, Status

pytestmark = pytest.mark.integration


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        yield swarm


def at_last(mark: Path) -> str:
    return f"for i in $(seq 600); do test -e '{mark}' && break; sleep .05; done"


def checks(swarm: LandingSwarm, task_id: str) -> str:
    attempts = swarm.db.tasks.history(swarm.db.tasks.get(task_id)["seq"])
    found = [check for attempt in attempts for check in attempt["check_results"] or []]
    return "\n".join(f"{check['command']}: {check['output']}" for check in found)


def test_two_tasks_that_exchange_their_stashes_are_held(swarm: LandingSwarm) -> None:
    marks = ("a-pushed", "b-pushed", "a-popped", "b-popped")
    a_pushed, b_pushed, a_popped, b_popped = (swarm.folder / name for name in marks)
    push, pop = "git add -A; git stash -q", "git stash pop -q"
    first = f"echo a > a-new; {push}; touch '{a_pushed}'; {at_last(b_pushed)}; {pop}; touch '{a_popped}'"
    first += f"; {at_last(b_popped)}"  # the end of a task restores its stash, which would leave the other none to pop
    second = f"{at_last(a_pushed)}; echo b > b-new; {push}; touch '{b_pushed}'; {at_last(a_popped)}; {pop}"
    second += f"; touch '{b_popped}'"
    swarm.add(swarm.task("a", first), swarm.task("b", second))
    swarm.worker("worker-1")
    swarm.worker("worker-2")
    for name in ("a", "b"):
        task = swarm.wait_for(name, Status.HELD)
        assert task["hold_reason"] == HoldReason.SHARED_STASH
        assert "stash that it had not pushed" in str(task["last_error"])
    assert swarm.git("rev-parse", INTEGRATION) == swarm.git("rev-parse", "main")


def test_a_stash_that_an_agent_leaves_is_kept_and_no_later_task_pops_it(swarm: LandingSwarm) -> None:
    leave = "echo later > a.txt; git stash -q; echo now > b.txt"
    swarm.add(swarm.task("a", leave), swarm.task("b", "git stash -q; git stash pop -q; echo b > c.txt", "a"))
    swarm.worker()
    assert swarm.wait_for("b", Status.COMPLETED)["attempt_count"] == 1
    assert swarm.landed("a.txt") == "one\ntwo\nthree"
    kept = swarm.git("for-each-ref", "--format=%(refname) %(contents:subject)", "refs/swarm/kept/a")
    (ref,) = [line.split(" ")[0] for line in kept.splitlines() if "WIP on swarm/task/a" in line]
    assert ref in checks(swarm, "a")
    assert swarm.git("show", f"{ref}:a.txt") == "later"


def test_a_users_stash_that_an_agent_clears_is_restored_and_the_task_held(swarm: LandingSwarm) -> None:
    (swarm.project / "a.txt").write_text("precious\n")
    swarm.git("stash", "-q", "-m", "precious")
    swarm.add(swarm.task("a", "git stash clear; echo new > b.txt"))
    swarm.worker()
    assert swarm.wait_for("a", Status.HELD)["hold_reason"] == HoldReason.SHARED_STASH
    assert swarm.git("stash", "list", "--format=%s") == "On main: precious"


def test_a_validator_that_pops_a_users_stash_holds_the_task(swarm: LandingSwarm) -> None:
    (swarm.project / "a.txt").write_text("precious\n")
    swarm.git("stash", "-q", "-m", "precious")
    swarm.add(swarm.task("a", "echo new > b.txt", verify="git stash pop -q"))
    swarm.worker()
    assert swarm.wait_for("a", Status.HELD)["hold_reason"] == HoldReason.SHARED_STASH
    assert swarm.git("stash", "list", "--format=%s") == "On main: precious"
