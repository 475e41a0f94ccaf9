"""How many git processes a task costs, from its claim to the spare that its worktree becomes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from landing_harness import landing_swarm
from live_swarm import wait_until

from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration

PER_TASK = 13  # one less if a task begins right after another one
TASKS = 4


def test_a_task_and_its_landing_take_few_git_processes(tmp_path: Path) -> None:
    with landing_swarm(tmp_path) as swarm:
        log = swarm.logged_git()
        spares = tmp_path / "tasks.db.swarm" / "spares"

        def run_all(first: int, count: int) -> Counter[str]:
            before = len(log.read_text().splitlines())
            names = [f"t{n}" for n in range(first, first + count)]
            swarm.add(*(swarm.task(name, f"echo {name} > {name}.txt") for name in names))
            for name in names:
                swarm.wait_for(name, Status.COMPLETED)
            wait_until(lambda: spares.is_dir() and len([*spares.iterdir()]) == 1, swarm.logs)
            wait_until(lambda: swarm.git("for-each-ref", "refs/swarm/taken") == "", swarm.logs)
            return Counter(log.read_text().splitlines()[before:])

        log.touch()
        swarm.worker()
        run_all(0, 1)  # the first worktree is created, and settings are read
        used = run_all(1, TASKS)
        once_idle = 1  # the last name's mark is deleted when there is nothing else to do
        assert used["commit-tree"] == 2 * TASKS, "all must have been counted"
        assert used.total() <= PER_TASK * TASKS + once_idle, used
