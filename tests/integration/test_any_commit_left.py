"""Whatever commit an agent leaves checked out, or an empty folder: others' work is kept, and the agent learns why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import LandingSwarm, landing_swarm
from live_swarm import wait_until

from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration

FIRST = "$AMPLIFIER_SWARM_ATTEMPT_NUMBER = 1"


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        swarm.git("tag", "v1")
        swarm.commit({"lib.txt": "new\n", "a.txt": "one\ntwo\nthree\nfour\n"})
        yield swarm


def test_work_on_an_old_commit_lands_on_newer_work_and_is_checked_there(swarm: LandingSwarm) -> None:
    swarm.add(
        swarm.task("first", "echo 1 > first.txt"),
        swarm.task("a", "git checkout -q v1 && echo note > b.txt", "first", checks=("test -f first.txt",)),
    )
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert [swarm.landed(path) for path in ("first.txt", "lib.txt", "b.txt")] == ["1", "new", "note"]


def test_conflicting_work_is_sent_back_with_the_commit_that_contains_it(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "git checkout -q v1 && printf 'one\\ntwo\\nthree\\nold\\n' > a.txt", max_retries=1))
    swarm.worker()
    task = swarm.wait_for("a", Status.FAILED)
    assert "conflicts with it in a.txt" in str(task["last_error"])
    checks = swarm.attempts("a")[0]["check_results"]
    assert "git cherry-pick" in checks[0]["output"]


def test_an_emptied_worktree_is_a_crash_and_the_next_attempt_works(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", f'if [ {FIRST} ]; then rm -rf "$PWD"/* "$PWD"/.git; else echo new > b.txt; fi'))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    first, second = swarm.attempts("a")
    assert (first["failure_class"], second["outcome"]) == ("crash", "passed")
    assert "the worktree was emptied: a.txt, lib.txt" in first["error"]
    assert [swarm.landed(path) for path in ("lib.txt", "b.txt")] == ["new", "new"]


def test_accidentally_missing_files_are_restored_and_the_agent_is_asked(swarm: LandingSwarm) -> None:
    swarm.commit({f"module{number}": "1\n" for number in range(5)})
    swarm.add(swarm.task("a", f"if [ {FIRST} ]; then rm module* ; fi; echo new > b.txt", max_retries=1))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert "files were missing without a commit that deletes them" in swarm.attempts("a")[0]["error"]
    assert [swarm.landed(path) for path in ("module4", "b.txt")] == ["1", "new"]


def test_a_users_branch_that_was_created_again_pauses_the_queue_with_the_reason(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "echo 1 > b.txt"))
    worker = swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    swarm.git("checkout", "-q", "--orphan", "anew")
    swarm.git("commit", "-q", "-m", "first again")
    swarm.git("branch", "-f", "main", "anew")
    swarm.add(swarm.task("b", "echo 1 > c.txt"))
    wait_until(lambda: "paused" in swarm.db.swarm.flags(), swarm.logs)
    assert "main has no commit in common with swarm/integration" in str(swarm.db.swarm.flags()["paused"].reason)
    wait_until(lambda: swarm.status("b") is Status.NOT_STARTED, swarm.logs)
    assert worker.poll() is None
