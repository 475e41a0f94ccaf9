"""Tasks in a project with a submodule: whole attempts, with real workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import LandingSwarm, landing_swarm

from swarm_shared.domain.models import Status
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.prune import prune
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees

pytestmark = pytest.mark.integration
ALLOW = ("-c", "protocol.file.allow=always")
FILL = f"git {ALLOW[0]} {ALLOW[1]} submodule update -q --init"


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        lib = tmp_path / "lib"
        swarm.git("init", "-q", "-b", "main", str(lib))
        swarm.commit({"lib.txt": "1\n"}, cwd=lib)
        swarm.git(*ALLOW, "submodule", "--quiet", "add", str(lib), "vendor/lib")
        swarm.git("commit", "-q", "-m", "lib")
        yield swarm


def warnings(swarm: LandingSwarm, task_id: str) -> str:
    attempts = swarm.db.tasks.history(swarm.db.tasks.get(task_id)["seq"])
    found = [check for attempt in attempts for check in attempt["check_results"] or [] if check.get("warning")]
    return "\n".join(str(check["output"]) for check in found)


def test_an_uncommitted_change_in_a_submodule_lands_and_a_later_task_has_it(swarm: LandingSwarm) -> None:
    change = f"{FILL}; echo 2 > vendor/lib/lib.txt"
    swarm.add(
        swarm.task("a", change),
        swarm.task("b", f"{FILL} && cat vendor/lib/lib.txt > b.txt", "a"),
    )
    swarm.worker()
    assert swarm.wait_for("a", Status.COMPLETED)["attempt_count"] == 1
    assert "push origin" in warnings(swarm, "a")
    assert swarm.wait_for("b", Status.COMPLETED)["attempt_count"] == 1
    assert swarm.landed("b.txt") == "2"


def test_files_that_checks_build_in_a_submodule_do_not_keep_its_worktree(swarm: LandingSwarm) -> None:
    swarm.settings["SWARM_KEEP_WORKTREES"] = "all"
    swarm.add(swarm.task("a", f"{FILL}; echo 2 > vendor/lib/lib.txt", checks=("echo o > vendor/lib/built.o",)))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    repository = Repository.find(swarm.project)
    assert repository is not None
    (path,) = (found for found in swarm.folder.glob("**/worktrees/a") if ".git" not in found.parts)
    trees = TaskWorktrees(repository, path.parent)
    (pruned,) = prune(trees, Integration(repository=repository), busy=())
    assert pruned.kept_because is None
    assert not path.exists()
