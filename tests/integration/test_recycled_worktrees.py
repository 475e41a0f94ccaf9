"""Landed worktrees are reused by later tasks, and the disk holds no more of them than are in use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import LandingSwarm, landing_swarm
from live_swarm import wait_until

from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration

TASKS = 8
# Fails if anything of another task is visible; leaves as much as it can for the next one.
_NOSY = (
    "test ! -e seen.log && test ! -e kept.log && test ! -d empty && test -w a.txt && "
    "test -z \"$(git status --porcelain --ignored | grep -v '^?? own-')\" && "
    "mkdir -p kept.log/inner empty && touch kept.log/inner/x && chmod 555 kept.log/inner kept.log && "
    "echo x > seen.log && chmod 444 a.txt && echo {n} > own-{n}.txt"
)


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        swarm.settings["SWARM_MAX_RETRIES"] = "0"
        yield swarm


def folders(swarm: LandingSwarm, kind: str) -> list[Path]:
    root = swarm.folder / "tasks.db.swarm" / kind
    return sorted(root.iterdir()) if root.is_dir() else []


def all_complete(swarm: LandingSwarm, tasks: int = TASKS) -> None:
    for n in range(tasks):
        swarm.wait_for(f"t{n}", Status.COMPLETED, s=90.0)
    assert {swarm.db.tasks.get(f"t{n}")["attempt_count"] for n in range(tasks)} == {1}


def test_no_task_sees_files_of_another_and_only_spares_remain(swarm: LandingSwarm) -> None:
    swarm.add(*(swarm.task(f"t{n}", _NOSY.format(n=n)) for n in range(TASKS)))
    for number in (1, 2):
        swarm.worker(f"worker-{number}")
    all_complete(swarm)
    wait_until(lambda: not folders(swarm, "worktrees"), swarm.logs)
    wait_until(lambda: len(folders(swarm, "spares")) <= 2, swarm.logs)
    assert folders(swarm, "spares"), "for the coming tasks"
    # A folder goes a moment before git forgets it.
    wait_until(lambda: len(swarm.git("worktree", "list").splitlines()) == 1 + len(folders(swarm, "spares")), swarm.logs)
    branches = swarm.git("for-each-ref", "--format=%(refname:short)", "refs/heads/swarm/task").split()
    assert branches == [f"swarm/task/t{n}" for n in range(TASKS)]
    swarm.git("fsck", "--no-dangling")


def test_a_worktree_is_reused_and_not_created_again(swarm: LandingSwarm) -> None:
    swarm.settings["SWARM_WORKTREE_POOL"] = "1"
    inodes = swarm.folder / "inodes"
    tasks = (f"stat -c %i .gitignore >> {inodes}; echo {n} > {n}.txt" for n in range(4))
    swarm.add(*(swarm.task(f"t{n}", run) for n, run in enumerate(tasks)))
    swarm.worker()
    all_complete(swarm, 4)
    assert len(set(inodes.read_text().split())) == 1


@pytest.mark.parametrize(
    ("name", "value", "kept", "spares"),
    [("SWARM_KEEP_WORKTREES", "all", 2, 0), ("SWARM_WORKTREE_POOL", "0", 0, 0)],
    ids=["all are kept", "no spares"],
)
def test_the_settings_decide_what_is_kept(swarm: LandingSwarm, name: str, value: str, kept: int, spares: int) -> None:
    swarm.settings[name] = value
    swarm.add(swarm.task("t0", "echo 0 > 0.txt"), swarm.task("t1", "echo 1 > 1.txt", "t0"))
    swarm.worker()
    all_complete(swarm, 2)
    wait_until(lambda: len(folders(swarm, "worktrees")) == kept, swarm.logs)
    assert len(folders(swarm, "spares")) == spares


def test_failed_work_keeps_its_worktree(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("bad", "echo half > half.txt; false"), swarm.task("t0", "echo 0 > 0.txt"))
    swarm.worker()
    all_complete(swarm, 1)
    swarm.wait_for("bad", Status.FAILED, s=60.0)
    wait_until(lambda: [path.name for path in folders(swarm, "worktrees")] == ["bad"], swarm.logs)
    assert (folders(swarm, "worktrees")[0] / "half.txt").read_text() == "half\n"


def test_a_prune_by_the_user_during_the_run_disturbs_no_task(swarm: LandingSwarm) -> None:
    swarm.add(*(swarm.task(f"t{n}", _NOSY.format(n=n)) for n in range(TASKS)))
    for number in (1, 2):
        swarm.worker(f"worker-{number}")
    command = [sys.executable, "-m", "amplifier_swarm", "worktrees", "prune", "--db", str(swarm.path)]
    counter = "SELECT count(*) FROM tasks WHERE status = 'completed'"
    while int(swarm.db.connection.value(counter)) < TASKS:
        swarm.git("worktree", "prune", "--expire", "now")
        subprocess.run(command, check=False, capture_output=True, timeout=60)
    all_complete(swarm)


def test_two_swarms_of_one_repository_recycle_only_their_own_worktrees(swarm: LandingSwarm, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with landing_swarm(tmp_path / "other", swarm.project) as other:
        for each, prefix in ((swarm, "a"), (other, "b")):
            each.add(*(each.task(f"{prefix}{n}", f"echo {n} > {prefix}{n}.txt") for n in range(4)))
            each.worker(f"worker-{prefix}")
        for each, prefix in ((swarm, "a"), (other, "b")):
            for n in range(4):
                each.wait_for(f"{prefix}{n}", Status.COMPLETED, s=90.0)
            wait_until(lambda each=each: not folders(each, "worktrees"), each.logs)
            assert len(folders(each, "spares")) == 1
        assert len(swarm.git("worktree", "list").splitlines()) == 3


def set_up_with(swarm: LandingSwarm, setup: str, tasks: int, run: str) -> list[str]:
    """What the setup command recorded, a line for each time that it ran."""
    (swarm.project / ".gitignore").write_text("*.log\ndeps/\n")
    swarm.commit({"lock.json": "1\n"})
    ran = swarm.folder / "ran"
    ran.touch()
    (swarm.folder / "swarm.yaml").write_text(setup.replace("RAN", str(ran)))
    swarm.add(*(swarm.task(f"t{n}", run.format(n=n)) for n in range(tasks)))
    swarm.worker()
    all_complete(swarm, tasks)
    return ran.read_text().split()


_DEPS = "setup: {run: 'mkdir -p deps && cp lock.json deps/ && echo ran >> RAN', inputs: [lock.json], keep: [deps]}\n"


def test_setup_runs_once_while_its_inputs_stay_the_same(swarm: LandingSwarm) -> None:
    run = "test -e deps/lock.json && test ! -e other.log && touch other.log && echo {n} > {n}.txt"
    assert set_up_with(swarm, _DEPS, 5, run) == ["ran"]


def test_setup_runs_again_when_its_inputs_have_changed(swarm: LandingSwarm) -> None:
    run = "cmp lock.json deps/lock.json && echo {n} > lock.json"
    assert len(set_up_with(swarm, _DEPS, 3, run)) == 3


def test_setup_runs_again_if_its_outputs_are_missing(swarm: LandingSwarm) -> None:
    run = "test -e deps/lock.json && rm -r deps && echo {n} > {n}.txt"
    assert len(set_up_with(swarm, _DEPS, 3, run)) == 3


def test_a_setup_command_without_inputs_runs_for_every_task(swarm: LandingSwarm) -> None:
    assert len(set_up_with(swarm, "setup: ['echo ran >> RAN']\n", 3, "echo {n} > {n}.txt")) == 3


def cleaned_up_with(swarm: LandingSwarm, cleanup: str) -> Path:
    """A file that the cleanup commands write; all tasks have landed."""
    said = swarm.folder / "said"
    said.touch()
    (swarm.folder / "swarm.yaml").write_text(f"cleanup: [{cleanup!r}]\n".replace("SAID", str(said)))
    swarm.add(*(swarm.task(f"t{n}", f"echo {n} > {n}.txt; echo {n} > product.log") for n in range(3)))
    swarm.worker()
    all_complete(swarm, 3)
    return said


def test_cleanup_commands_run_before_a_worktree_is_reused(swarm: LandingSwarm) -> None:
    said = cleaned_up_with(swarm, "cat product.log >> SAID; echo $AMPLIFIER_SWARM_TASK_ID >> SAID")
    wait_until(lambda: not folders(swarm, "worktrees"), swarm.logs)
    assert said.read_text().split() == ["0", "t0", "1", "t1", "2", "t2"]
    assert len(folders(swarm, "spares")) == 1


def test_a_failed_cleanup_keeps_the_worktree(swarm: LandingSwarm) -> None:
    cleaned_up_with(swarm, "echo it is still in use; false")
    wait_until(lambda: swarm.logs().count("worktree_kept") == 3, swarm.logs)
    assert "it is still in use" in swarm.logs()
    assert [path.name for path in folders(swarm, "worktrees")] == ["t0", "t1", "t2"]
    assert folders(swarm, "spares") == []


def test_processes_left_by_cleanup_commands_are_ended(swarm: LandingSwarm) -> None:
    said = cleaned_up_with(swarm, "sh -c 'while sleep 0.1; do echo here >> SAID.alive; done' & echo $! >> SAID")
    wait_until(lambda: not folders(swarm, "worktrees"), swarm.logs)
    pids = said.read_text().split()
    assert len(pids) == 3
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_the_worktree_of_a_worker_that_died_after_landing_is_recycled_by_another(swarm: LandingSwarm) -> None:
    done = swarm.kill_at("status --porcelain -z --ignored", "before")
    swarm.add(swarm.task("t0", "echo 0 > 0.txt"))
    first = swarm.worker()
    wait_until(lambda: first.poll() is not None, swarm.logs)
    assert done.exists()
    assert len(folders(swarm, "worktrees")) == 1
    swarm.worker("worker-2")
    wait_until(lambda: not folders(swarm, "worktrees"), swarm.logs)
    assert len(folders(swarm, "spares")) == 1
