"""A worker killed with KILL at each step of making, committing and landing: nothing is lost, nothing lands twice."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import INTEGRATION, LandingSwarm, landing_swarm
from live_swarm import wait_until
from repositories import everything

from swarm_shared.domain.models import Status
from swarm_shared.store.swarm.swarm import PAUSED

pytestmark = pytest.mark.integration

WIP = "update-ref -m swarm: work in progress"
TAKE = "update-ref -m swarm: start of a task"
STORED = "update-ref -m swarm: name of a task"
LAND = "update-ref -m swarm: land"
RELEASE_S = 60.0


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        swarm.settings["SWARM_CRASH_BACKOFF_S"] = "0"
        yield swarm


def continues_after(swarm: LandingSwarm, done: Path, *, product: str = "") -> None:
    """Two tasks; the first worker is killed, and another one and a reaper find what it left.

    Args:
        product: An ignored file that the first task leaves in its worktree.
    """
    before = everything(swarm.project)
    swarm.add(
        swarm.task("a", "test -e b.txt || echo b > b.txt" + (product and f"; touch {product}")),
        swarm.task("c", "grep -q b b.txt && echo c > c.txt", "a"),
    )
    first = swarm.worker()
    both_land_although(first, swarm, done)
    assert everything(swarm.project) == before


def both_land_although(first: subprocess.Popen[bytes], swarm: LandingSwarm, done: Path) -> None:
    """The first worker is killed, and another one and a reaper find what it left."""
    wait_until(lambda: first.poll() is not None, swarm.logs)
    assert done.exists()
    swarm.reaper()
    swarm.worker("worker-2")
    for task_id in ("a", "c"):
        swarm.wait_for(task_id, Status.COMPLETED, s=RELEASE_S)
    assert swarm.trailers() == ["a", "c"], "each exactly once"
    assert swarm.landed("b.txt") == "b"
    assert swarm.landed("c.txt") == "c"
    row = swarm.db.landings.integration()
    assert row is not None
    assert row.tip == swarm.git("rev-parse", INTEGRATION)
    assert "paused" not in swarm.db.swarm.flags()
    swarm.git("fsck", "--no-dangling")
    ours = {"swarm.lock", "swarm-integration.lock"}
    # The last name's mark is just being deleted; files left by a killed git would stay.
    wait_until(lambda: {path.name for path in (swarm.project / ".git").rglob("*.lock")} <= ours, swarm.logs)


@pytest.mark.parametrize("moment", ["before", "during", "after"])
@pytest.mark.parametrize(
    "step",
    [
        "worktree add",
        "reset --hard",
        "commit-tree",
        WIP,
        LAND,
        "status --porcelain -z --ignored",
    ],
)
def test_a_worker_killed_around_a_git_command_loses_nothing(swarm: LandingSwarm, step: str, moment: str) -> None:
    continues_after(swarm, swarm.kill_at(step, moment))


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_worker_killed_while_build_products_are_deleted_loses_nothing(swarm: LandingSwarm, moment: str) -> None:
    swarm.commit({".gitignore": "*.o\n"})
    continues_after(swarm, swarm.kill_at("clean -d -f -f -x", moment), product="a.o")


@pytest.mark.parametrize("moment", ["before", "during", "after"])
@pytest.mark.parametrize("step", ["merge-tree", "ls-tree"])
def test_a_worker_killed_while_it_merges_the_users_commits_loses_nothing(
    swarm: LandingSwarm, step: str, moment: str
) -> None:
    done = swarm.kill_at(step, moment)
    swarm.add(swarm.task("a", "echo b > b.txt"))
    first = swarm.worker()
    swarm.wait_for("a", Status.COMPLETED, s=RELEASE_S)
    swarm.commit({"user.txt": "by the user\n"})
    swarm.add(swarm.task("c", "grep -q b b.txt && grep -q user user.txt && echo c > c.txt"))
    both_land_although(first, swarm, done)


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_worker_killed_while_it_recycles_a_landed_worktree_loses_nothing(swarm: LandingSwarm, moment: str) -> None:
    done = swarm.kill_at("read-tree -m -u", moment)
    committed = swarm.folder / "committed"
    swarm.add(
        swarm.task("a", f"until [ -e {committed} ]; do sleep 0.05; done; echo b > b.txt"),
        swarm.task("c", "grep -q b b.txt && grep -q user user.txt && echo c > c.txt", "a"),
    )
    first = swarm.worker()
    swarm.wait_for("a", Status.IN_PROGRESS)
    swarm.commit({"user.txt": "by the user\n"})
    committed.touch()
    both_land_although(first, swarm, done)


@pytest.mark.parametrize("step", [TAKE, STORED])
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_worker_killed_while_it_creates_a_branch_leaves_no_other_branch_behind(
    swarm: LandingSwarm, step: str, moment: str
) -> None:
    continues_after(swarm, swarm.kill_at(step, moment))
    names = ("for-each-ref", "--format=%(refname)", "refs/heads/swarm/task", "refs/swarm/taken")
    left = ["refs/heads/swarm/task/a", "refs/heads/swarm/task/c"]
    wait_until(lambda: swarm.git(*names).split() == left, swarm.logs)


def test_a_branch_left_by_a_dead_worker_is_removed_at_the_next_start_even_without_its_task(
    swarm: LandingSwarm,
) -> None:
    done = swarm.kill_at(TAKE, "after")
    swarm.add(swarm.task("a", "true"))
    first = swarm.worker()
    wait_until(lambda: first.poll() is not None, swarm.logs)
    assert done.exists()
    branches = ("for-each-ref", "--format=%(refname)", "refs/heads/swarm/task")
    assert swarm.git(*branches) == "refs/heads/swarm/task/a"
    swarm.db.swarm.set_flag(PAUSED, actor="test")
    swarm.worker("worker-2")
    wait_until(lambda: swarm.git(*branches) == "", swarm.logs)


def test_the_task_of_a_worker_killed_by_its_gate_still_lands(swarm: LandingSwarm) -> None:
    done = swarm.folder / "done"
    kill = f"mkdir '{done}' 2> /dev/null || exit 0; kill -9 $PPID; sleep 60"
    (swarm.folder / "swarm.yaml").write_text(f"gate:\n  - |\n    {kill}\n")
    continues_after(swarm, done)
    wait_until(lambda: not swarm.leftovers())


def test_a_lander_killed_past_its_point_of_no_return_is_not_landed_twice(swarm: LandingSwarm) -> None:
    done = swarm.kill_at(LAND, "after")
    swarm.add(swarm.task("a", "echo b > b.txt"))
    first = swarm.worker()
    wait_until(lambda: first.poll() is not None, swarm.logs)
    assert done.exists()
    tip = swarm.git("rev-parse", INTEGRATION)
    swarm.reaper()
    swarm.wait_for("a", Status.APPROVED)
    swarm.worker("worker-2")
    swarm.wait_for("a", Status.COMPLETED)
    assert swarm.git("rev-parse", INTEGRATION) == tip
    assert swarm.db.tasks.get("a")["attempt_count"] == 1
