"""Landing on a branch other than the default, and two swarms that land on the same one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from landing_harness import INTEGRATION, LandingSwarm, landing_swarm
from live_swarm import wait_until
from repositories import Harness as Project
from start_harness import harness, task

from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        yield swarm


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[LandingSwarm, LandingSwarm]]:
    """Two swarms, each with its own database, in one repository."""
    with ExitStack() as stack:
        one = stack.enter_context(landing_swarm(tmp_path))
        (tmp_path / "other").mkdir()
        other = stack.enter_context(landing_swarm(tmp_path / "other", project=one.project))
        yield one, other


def test_work_lands_on_the_configured_branch_and_can_be_merged_from_there(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "echo four >> a.txt"), swarm.task("b", "grep -q four a.txt && cp a.txt b.txt", "a"))
    swarm.worker("worker-1", "--land-into", "nightly")
    swarm.wait_for("b", Status.COMPLETED)
    assert swarm.git("show", "nightly:b.txt") == "one\ntwo\nthree\nfour"
    assert INTEGRATION not in swarm.git("branch", "--format=%(refname:short)").splitlines()


def test_a_run_reports_its_configured_branch_and_the_printed_command_merges_it(tmp_path: Path) -> None:
    project = Project(tmp_path)
    person = {name: project.env[name] for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM")}
    with harness() as at:
        at.add(task("a", "echo new > b.txt"))
        options = ("--project-root", str(project.root), "--no-dashboard")
        assert at.run(*options, "--land-into", "main", **person) == 3
        assert "main is checked out" in at.notices
        assert at.alive() == {}
        assert at.run(*options, "--land-into", "nightly", **person) == 0, at.everything()
        assert "landed on nightly:" in at.output
        command = next(line for line in at.output.splitlines() if "land --into main" in line).split("(")[0].split()
        words = [sys.executable, "-m", "amplifier_swarm", *command[1:]]
        subprocess.run(words, cwd=at.folder, env=at.environment(**person), check=True, timeout=60)
        assert (project.root / "b.txt").read_text() == "new\n"
        at.add(task("c", "echo more > d.txt"))
        at.wait_nothing_left()
        project.git("switch", "-q", "--detach", project.base)
        assert at.run(*options, "--land-into", "weekly", **person) == 3
        assert "weekly lacks work that has landed on nightly" in at.notices


def test_a_worker_refuses_a_branch_that_is_checked_out(swarm: LandingSwarm) -> None:
    worker = swarm.worker("worker-1", "--land-into", "main")
    assert worker.wait(20) == 3
    assert "main is checked out" in swarm.logs()


def test_two_swarms_on_one_branch_do_not_stop_each_other(both: tuple[LandingSwarm, LandingSwarm]) -> None:
    one, other = both
    for number in range(4):
        # The same ids in both, as two task files often have.
        one.add(one.task(str(number), f"echo {number} > one-{number}"))
        other.add(other.task(str(number), f"echo {number} > other-{number}"))
    for swarm in both:
        swarm.worker("worker-1")
        swarm.worker("worker-2")
    for swarm in both:
        for number in range(4):
            wait_until(
                lambda: swarm.status(str(number)) is Status.COMPLETED,  # noqa: B023 (it is called at once)
                lambda: (swarm.db.swarm.flags(), swarm.logs()[-3000:]),  # noqa: B023
            )
    assert sorted(one.trailers()) == ["0", "0", "1", "1", "2", "2", "3", "3"]
    names = one.git("ls-tree", "--name-only", INTEGRATION).split()
    assert {f"{who}-{number}" for who in ("one", "other") for number in range(4)} <= set(names)
    assert "paused" not in one.db.swarm.flags() | other.db.swarm.flags()


def test_a_later_swarm_continues_from_the_landed_work_of_the_other(
    both: tuple[LandingSwarm, LandingSwarm],
) -> None:
    one, other = both
    for swarm, name in ((one, "first"), (other, "second"), (one, "third")):
        swarm.add(swarm.task(name, f"ls > {name}.txt"))
        swarm.worker()
        swarm.wait_for(name, Status.COMPLETED)
    assert one.landed("third.txt").split() == ["a.txt", "first.txt", "second.txt", "third.txt"]
    other.git("update-ref", f"refs/heads/{INTEGRATION}", f"{INTEGRATION}~2")
    other.add(other.task("fourth", "touch x"))
    wait_until(lambda: "paused" in other.db.swarm.flags(), other.logs)
    assert "outside the swarm" in other.db.swarm.flags()["paused"].reason
