"""Rounds in a git repository: each task in its own worktree, landed while workers die at every step of it.

In rounds of refills most workers are idle and die while they make spares.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from pathlib import Path

from repositories import PERSON

from chaos.arena import Arena
from chaos.crew_round import CrewRound, run_crew
from chaos.points import LANDING_POINTS, REFILL_POINTS
from chaos.rounds import Progress, judge
from chaos.tasks import writing_batch
from chaos.verdict import Verdict
from swarm_shared.domain.branch_names import INTEGRATION_BRANCH
from swarm_shared.domain.models import Status

MEAN_PAUSE_S = 0.6  # a task takes many steps here, and the points are in the last of them
GIT_WITHIN_S = 120
CHAIN_TASKS = 4  # each waits for the last; the next chain comes when one task is left that can run
# The worktrees of tasks with an even number stay for the failure of this, so that idle workers have spares to make.
FAILS_FOR_EVERY_OTHER_TASK = "cleanup: ['case $PWD in *[02468]) false;; esac']\n"


def settings(folder: Path) -> dict[str, str]:
    """What an arena in this folder needs for the round."""
    return {"SWARM_ISOLATION": "worktree", "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}


def run_worktree_round(
    arena: Arena, kills: int, progress: Progress, name: str = "worktrees", *, refills: bool = False
) -> Verdict:
    """Kill so many times, then let everything land, stop, and judge: the database, the ledger and git must agree."""
    began = time.monotonic()
    (arena.folder / "gitconfig").write_text(PERSON)
    if refills:
        arena.batch_tasks = CHAIN_TASKS
        (arena.folder / "swarm.yaml").write_text(FAILS_FOR_EVERY_OTHER_TASK)
    _git(arena, "init", "-q", "-b", "main")
    (arena.project / "read.me").write_text("A project.\n")
    _git(arena, "add", "-A")
    _git(arena, "commit", "-q", "-m", "the beginning")
    crew = CrewRound(
        arena,
        table=REFILL_POINTS if refills else LANDING_POINTS,
        mean_pause_s=MEAN_PAUSE_S,
        make_batch=lambda folder, prefix, count: writing_batch(folder, prefix, count, arena.rng, chained=refills),
    )
    try:
        run_crew(crew, kills, progress)
        verdict = judge(arena, name, began)
        verdict.lost += not_landed_once(arena)
        verdict.damaged += _fsck(arena)
        return verdict
    finally:
        arena.clear_up()
        crew.close()


def not_landed_once(arena: Arena) -> list[str]:
    """Completed tasks whose work is not on the integration branch exactly once, and work of no such task there."""
    rows = _git(
        arena, "log", "--first-parent", "--format=%(trailers:key=Swarm-Task,valueonly,separator=)", INTEGRATION_BRANCH
    )
    landed = Counter(row for row in rows.splitlines() if row)
    completed = [task for task, expected in arena.expected.items() if expected.status is Status.COMPLETED]
    found = [f"{task} has landed {landed[task]} times" for task in completed if landed[task] != 1]
    found += [f"{task} has landed and is no task that was to" for task in landed.keys() - set(completed)]
    files = set(_git(arena, "ls-tree", "--name-only", INTEGRATION_BRANCH).splitlines())
    for task in completed:
        name = f"work-{task}.txt"
        if name not in files:
            found.append(f"{name} is not on the integration branch")
        elif _git(arena, "show", f"{INTEGRATION_BRANCH}:{name}") != f"{task}\n":
            found.append(f"{name} is not what its agent wrote")
    return found


def _fsck(arena: Arena) -> list[str]:
    try:
        _git(arena, "fsck", "--no-dangling", "--strict")
    except RuntimeError as error:
        return [str(error)]
    return []


def _git(arena: Arena, *words: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {"GIT_CONFIG_GLOBAL": str(arena.folder / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
    ended = subprocess.run(
        ["git", *words],
        cwd=arena.project,
        env=environ,
        capture_output=True,
        text=True,
        timeout=GIT_WITHIN_S,
        check=False,
    )
    if ended.returncode != 0:
        raise RuntimeError(f"git {words[0]}: {ended.stderr.strip() or ended.stdout.strip()}")
    return ended.stdout
