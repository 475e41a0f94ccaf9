"""What agents, tasks and repositories do to a swarm that lands: each of these has lost work somewhere before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import INTEGRATION, LandingSwarm, landing_swarm
from live_swarm import wait_until
from repositories import PERSON, everything

from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        yield swarm


def lands(swarm: LandingSwarm, run: str, **more: object) -> dict[str, object]:
    """A task that does this and lands its `b.txt`; returns the task."""
    swarm.add(swarm.task("a", run, **more))
    swarm.worker()
    task = swarm.wait_for("a", Status.COMPLETED)
    assert swarm.landed("b.txt") == "new"
    assert "paused" not in swarm.db.swarm.flags()
    return task


WRITE = "echo new > b.txt"
COMMIT = f"{WRITE} && git add -A && git commit -q -m mine"
AGENTS = {
    "on its own branch": f"git switch -q -c mine && {COMMIT}",
    "on a detached HEAD": f"git switch -q --detach && {COMMIT}",
    "on a branch without history": f"git switch -q --orphan mine && git checkout -q swarm/task/a -- . && {COMMIT}",
    "in the middle of a rebase": f"{COMMIT}; git rebase -q --exec false HEAD~1 > /dev/null 2>&1 || true",
    "with its branch deleted": f"{COMMIT} && git update-ref -d refs/heads/swarm/task/a",
    "without its link to the repository": f"rm .git && {WRITE}",
    "in its own repository": f"rm .git && git init -q . && {COMMIT}",
    "under the index lock of a killed git": f'{WRITE}; touch "$(git rev-parse --git-path index.lock)"',
    "under the HEAD lock of a killed git": f'{WRITE}; touch "$(git rev-parse --git-path HEAD.lock)"',
}


@pytest.mark.parametrize("where", AGENTS)
def test_work_lands_in_whatever_state_an_agent_leaves_its_worktree(swarm: LandingSwarm, where: str) -> None:
    before = everything(swarm.project)
    task = lands(swarm, AGENTS[where])
    assert task["attempt_count"] == 1
    assert swarm.landed("a.txt") == "one\ntwo\nthree"
    after = everything(swarm.project)
    after.pop(str(swarm.project / ".git/refs/heads/mine"), None)  # files that an agent created are not removed
    assert after == before


@pytest.mark.parametrize(
    ("ref", "age"),
    [
        ("heads/swarm/task/a", "1 minute"),
        (f"swarm/kept/a/{'0' * 40}", "1 minute"),
        ("heads/swarm/integration", "1 minute"),
        ("heads/swarm/integration", "3 seconds"),  # by a lander that another worker has just followed
    ],
)
def test_a_lock_left_on_one_of_our_refs_by_a_killed_git_delays_nothing(swarm: LandingSwarm, ref: str, age: str) -> None:
    lock = swarm.project / ".git" / "refs" / f"{ref}.lock"
    task = lands(swarm, f"{WRITE}; mkdir -p '{lock.parent}'; touch -d '{age} ago' '{lock}'")
    assert task["attempt_count"] == 1
    assert not lock.exists()


def test_a_lock_left_while_the_integration_branch_was_created_delays_nothing(swarm: LandingSwarm) -> None:
    lock = swarm.project / ".git" / "refs" / "heads" / "swarm" / "integration.lock"
    lock.parent.mkdir()
    lock.touch()
    os.utime(lock, (0, 0))
    lands(swarm, WRITE)
    assert not lock.exists()


def test_a_failing_hook_and_a_missing_signing_key_of_the_user_do_not_prevent_landing(swarm: LandingSwarm) -> None:
    hooks, ran = swarm.project / ".git" / "hooks", swarm.folder / "ran"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "commit-msg", "post-checkout", "pre-merge-commit", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >> '{ran}'\nexit 1\n")
        (hooks / name).chmod(0o755)
    settings = Path(swarm.settings["GIT_CONFIG_GLOBAL"])
    settings.write_text(PERSON + "[commit]\n\tgpgsign = true\n[gpg]\n\tprogram = /bin/false\n")
    lands(swarm, WRITE)
    assert not ran.exists()


def test_files_written_after_the_verdict_do_not_land_and_their_writer_is_ended(swarm: LandingSwarm) -> None:
    late = "(setsid sh -c 'sleep 0.5; while :; do echo late > b.txt; echo late > late.txt; sleep 0.05; done' &)"
    lands(swarm, f"{WRITE}; {late}", verify=late, checks=(late,))
    assert "late.txt" not in swarm.git("ls-tree", "--name-only", INTEGRATION)
    wait_until(lambda: not swarm.leftovers())


IDS = ("integration", "a..b", "x.lock", ".x", "x.", "HEAD", "-n", "../up", "ü/ä b", "@{-1}", "Case", "case", "x" * 190)


def test_tasks_whose_ids_are_invalid_in_git_land_with_their_names_unchanged(swarm: LandingSwarm) -> None:
    swarm.settings["SWARM_KEEP_WORKTREES"] = "all"
    swarm.add(*(swarm.task(task_id, f"echo {number} > {number}.txt") for number, task_id in enumerate(IDS)))
    for number in range(2):
        swarm.worker(f"worker-{number}")
    for task_id in IDS:
        swarm.wait_for(task_id, Status.COMPLETED)
    assert sorted(swarm.trailers()) == sorted(IDS)
    names = swarm.git("ls-tree", "--name-only", INTEGRATION).split()
    assert {f"{number}.txt" for number in range(len(IDS))} <= set(names)
    root = swarm.folder / "tasks.db.swarm" / "worktrees"
    assert len({path.name.casefold() for path in root.iterdir()}) == len(IDS)


def test_a_users_worktree_on_a_disk_that_is_not_mounted_survives_a_run_and_a_prune(swarm: LandingSwarm) -> None:
    disk, unmounted = swarm.folder / "disk", swarm.folder / "unmounted"
    theirs = disk / "theirs"
    swarm.git("worktree", "add", "-q", "--detach", str(theirs))
    kept = swarm.commit({"kept.txt": "a commit on no branch\n"}, cwd=theirs)
    (theirs / "staged.txt").write_text("staged\n")
    swarm.git("add", "staged.txt", cwd=theirs)
    disk.rename(unmounted)
    lands(swarm, WRITE)
    command = [sys.executable, "-m", "amplifier_swarm", "worktrees", "prune", "--db", str(swarm.path)]
    pruned = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **swarm.settings})
    assert "1 removed" in pruned.stderr, pruned.stderr
    unmounted.rename(disk)
    assert swarm.git("rev-parse", "HEAD", cwd=theirs) == kept
    assert swarm.git("status", "--porcelain", cwd=theirs) == "A  staged.txt"


def test_a_project_below_the_top_with_odd_names_a_remote_and_a_dirty_checkout_stays_byte_for_byte(
    tmp_path: Path,
) -> None:
    home = tmp_path / "wörk dir"
    home.mkdir()
    with landing_swarm(home) as swarm:
        top, below = swarm.project, Path("sub folder", "prüf")
        swarm.commit({str(below / "in.txt"): "in\n", "tänker.txt": "x\n"})
        remote = tmp_path / "remote.git"
        swarm.git("init", "-q", "--bare", str(remote))
        swarm.git("remote", "add", "origin", str(remote))
        swarm.git("push", "-q", "-u", "origin", "main")
        pushed = swarm.git("ls-remote", str(remote))
        (top / "a.txt").write_text("being edited\n")
        (top / "staged.txt").write_text("staged\n")
        swarm.git("add", "staged.txt")
        (top / below / "untracked file").write_text("untracked\n")
        before = everything(top)
        swarm.project = top / below
        swarm.add(swarm.task("a", "pwd > here.txt; cp in.txt 'aus gang.txt'; cp ../../a.txt seen.txt"))
        swarm.worker()
        swarm.wait_for("a", Status.COMPLETED)
        assert swarm.git("show", f"{INTEGRATION}:{below}/here.txt").endswith("/sub folder/prüf")
        assert swarm.git("show", f"{INTEGRATION}:{below}/aus gang.txt") == "in"
        assert swarm.git("show", f"{INTEGRATION}:{below}/seen.txt") == "one\ntwo\nthree", "the committed files"
        assert everything(top) == before
        assert swarm.git("ls-remote", str(remote)) == pushed


def test_submodules_and_large_file_pointers_land_as_they_were(swarm: LandingSwarm) -> None:
    other = swarm.folder / "other"
    swarm.git("init", "-q", "-b", "main", str(other), cwd=swarm.folder)
    swarm.commit({"o.txt": "o\n"}, cwd=other)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345"
    # Before the rule about filters, so that no filter program is needed here.
    swarm.commit({"big.bin": pointer + "\n"})
    swarm.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub")
    swarm.commit({".gitattributes": "*.bin filter=lfs -text\n"})
    link = swarm.git("rev-parse", "main:sub")
    lands(swarm, WRITE)
    assert swarm.landed("big.bin") == pointer
    assert swarm.git("rev-parse", f"{INTEGRATION}:sub") == link
    assert swarm.git("diff", "--name-only", "main", INTEGRATION) == "b.txt"
