"""`land`, `diff`, `worktrees`: landed work, where it is, and how it gets into your branch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_harness import DEADLINE_S, CliHarness
from repositories import Harness as Project

from swarm_shared.domain.models import Outcome, TaskSpec
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.recycle import recycle
from swarm_shared.git.plumbing.repository_lock import file_lock
from swarm_shared.git.snapshots.snapshot import take_snapshot
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees
from swarm_shared.processes.procfs import read_stat
from swarm_shared.store.queue.policy import AttemptResult


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "with-git")


@pytest.fixture
def landed(harness: CliHarness, project: Project) -> Integration:
    """A queue whose task `a` has passed, and an integration branch that has its work."""
    integration = Integration(repository=project.repo)
    base = integration.begin(project.base)
    trees = TaskWorktrees(project.repo, harness.folder / "tasks.db.swarm" / "worktrees")
    opened = trees.open("a", base, holder_is_dead=lambda _: True)
    (opened.cwd / "b.txt").write_text("new\n")
    made = take_snapshot(opened.checkout, safe="a", base_sha=base, message="work\n")
    merge = integration.plan_landing(made.head_sha, tip=base, task_id="a", attempt_id="1", name="A")
    assert merge.new is not None
    integration.advance(merge.new, old=base)
    harness.queue(TaskSpec(id="a", name="A"))
    with harness.open() as database:
        common = str(project.repo.common_dir)
        database.landings.adopt(repository=common, ref=integration.ref, person_ref="refs/heads/main", tip=merge.new)
    claim = harness.claim()
    with harness.open() as database:
        database.landings.safe_id(claim, take=lambda _: True)
    harness.settle(claim, AttemptResult(outcome=Outcome.PASSED, base_sha=base, head_sha=made.head_sha))
    return integration


def test_land_updates_branch_and_checkout(harness: CliHarness, project: Project, landed: Integration) -> None:
    ran = harness.run("land", "--into", "main", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["new"] == landed.tip() == project.sha("main")
    assert (project.root / "b.txt").read_text() == "new\n"
    assert harness.run("land").out.strip() == "main has all landed work already"


def test_land_refuses_a_dirty_checkout_and_changes_nothing(
    harness: CliHarness, project: Project, landed: Integration
) -> None:
    project.write({"a.txt": "mine\n"})
    ran = harness.run("land", "--into", "main")
    assert ran.code == 6
    assert "a.txt" in ran.err
    assert project.sha("main") == project.base


def test_a_conflicting_land_names_the_files_and_changes_nothing(
    harness: CliHarness, project: Project, landed: Integration
) -> None:
    mine = project.commit({"b.txt": "mine\n"})
    ran = harness.run("land", "--into", "main")
    assert ran.code == 6
    assert "b.txt" in ran.err
    assert project.sha("main") == mine


def test_diff_shows_what_a_task_has_changed(harness: CliHarness, landed: Integration) -> None:
    assert "+new" in harness.run("diff", "a").out
    assert harness.run("diff", "a", "--stat").out.startswith("A b.txt +1 -0")
    assert harness.run("diff", "a", "--json").json["files"] == [
        {"path": "b.txt", "change": "A", "added": 1, "deleted": 0}
    ]
    assert harness.run("diff", "a", "--attempt", "7").code == 5


def test_worktrees_lists_them_and_prune_removes_only_landed_ones(
    harness: CliHarness, project: Project, landed: Integration
) -> None:
    (shown,) = harness.run("worktrees", "--json").json["worktrees"]
    assert (shown["id"], shown["branch"]) == ("a", "swarm/task/a")
    waits = harness.run("worktrees", "prune", "--json").json["pruned"]
    assert waits == [{"id": "a", "name": "a", "kept_because": "in use"}], "it is waiting to land"
    with harness.open() as database:
        database.connection.change("UPDATE tasks SET status = 'completed' WHERE id = 'a'")
    assert harness.run("worktrees", "prune", "--json").json["pruned"][0]["kept_because"] is None
    assert "refs/heads/swarm/task/a" not in project.refs()


def test_spares_are_listed_and_pruned(harness: CliHarness, project: Project, landed: Integration) -> None:
    trees = TaskWorktrees(project.repo, harness.folder / "tasks.db.swarm" / "worktrees")
    assert not isinstance(recycle(trees, landed, "a", spares=1), str)
    assert harness.run("worktrees", "--json").json["spares"] == [str(path) for path in trees.spares.paths()]
    said = harness.run("worktrees").err
    assert "1 clean worktree is kept for the next tasks" in said
    assert "MiB on the disk in total" in said
    assert all(size > 0 for size in harness.run("worktrees", "--json").json["spare_bytes"].values())
    assert harness.run("worktrees", "prune").code == 0
    assert trees.spares.paths() == ()
    assert not any(trees.spares.root.iterdir())


def prune(harness: CliHarness, *words: str) -> tuple[dict[str, Any], str]:
    """What became of task `a`, and the output; run as a process, because cleanup adopts orphans."""
    process = harness.spawn("worktrees", "prune", "--json", *words)
    out, err = process.communicate(timeout=DEADLINE_S)
    (only,) = json.loads(out)["pruned"]
    return only, err


def complete(harness: CliHarness) -> None:
    with harness.open() as database:
        database.connection.change("UPDATE tasks SET status = 'completed' WHERE id = 'a'")


def test_cleanup_commands_run_before_a_worktree_is_removed(
    harness: CliHarness, project: Project, landed: Integration
) -> None:
    complete(harness)
    listing = harness.folder / "listing"
    (harness.folder / "swarm.yaml").write_text(
        f"cleanup: ['ls > {listing}; echo $AMPLIFIER_SWARM_TASK_ID >> {listing}']\n"
    )
    pruned, _ = prune(harness)
    assert pruned["kept_because"] is None
    assert listing.read_text().split() == ["a.txt", "b.txt", "a"]


def test_a_cleanup_that_fails_keeps_the_worktree_unless_it_is_discarded(
    harness: CliHarness, project: Project, landed: Integration
) -> None:
    complete(harness)
    (harness.folder / "swarm.yaml").write_text("cleanup: ['echo no such container; exit 7']\n")
    pruned, err = prune(harness)
    assert "exit 7" in pruned["kept_because"]
    assert "no such container" in err
    assert "refs/heads/swarm/task/a" in project.refs()
    pruned, _ = prune(harness, "--discard", "a")
    assert pruned["kept_because"] is None
    assert "refs/heads/swarm/task/a" not in project.refs()


def test_a_cleanup_that_does_not_end_is_killed_with_everything_that_it_started(
    harness: CliHarness, landed: Integration
) -> None:
    complete(harness)
    pids = harness.folder / "pids"
    (harness.folder / "swarm.yaml").write_text(
        f"check_timeout_s: 0.5\ncleanup: ['setsid sleep 60 & echo $! $$ > {pids}; sleep 60']\n"
    )
    pruned, _ = prune(harness)
    assert "not over within 0.5 s" in pruned["kept_because"]
    stats = [read_stat(int(pid)) for pid in pids.read_text().split()]
    assert all(stat is None or stat.ended for stat in stats)


def test_a_worktree_that_a_worker_uses_again_is_kept(
    harness: CliHarness, project: Project, landed: Integration
) -> None:
    complete(harness)
    trees = TaskWorktrees(project.repo, harness.folder / "tasks.db.swarm" / "worktrees")
    with file_lock(trees.lock_of("a"), tend=lambda: None):
        assert harness.run("worktrees", "prune", "--json").json["pruned"][0]["kept_because"] == "in use"
    assert trees.find("a") is not None


@pytest.mark.parametrize("words", [("land", "--into", "main"), ("worktrees",), ("diff", "a")])
def test_without_worktrees_the_message_says_what_is_missing(harness: CliHarness, words: tuple[str, ...]) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    ran = harness.run(*words)
    assert ran.code in (5, 6)
    assert "worktree" in ran.err


def test_a_dry_run_shows_the_commits_and_changes_nothing(
    harness: CliHarness, project: Project, landed: Integration
) -> None:
    harness.queue(TaskSpec(id="later", name="Later"))
    ran = harness.run("land", "--into", "main", "--dry-run")
    assert ran.code == 0, ran.err
    assert "how: fast-forward" in ran.out
    assert "Land a: A" in ran.out
    assert "  A b.txt +1 -0" in ran.out
    assert "not included: 1 passed, waiting to land: a" in ran.out
    assert "not included: 1 not started: later" in ran.out
    shown = harness.run("land", "--dry-run", "--json").json
    assert (shown["branch"], shown["kind"], shown["into"], shown["tip"]) == (
        "main",
        "fast_forward",
        project.base,
        landed.tip(),
    )
    assert project.sha("main") == project.base
    project.write({"a.txt": "mine\n"})
    ran = harness.run("land", "--dry-run")
    assert "it would be refused: " in ran.out
    assert "a.txt" in ran.out


def test_land_prints_how_to_undo_it(harness: CliHarness, project: Project, landed: Integration) -> None:
    ran = harness.run("land", "--into", "main")
    assert ran.out.strip().startswith(f"main is now at {str(landed.tip())[:12]}; it was at {project.base[:12]}")
    assert f"to undo it: git -C {project.root} checkout --no-overwrite-ignore -B main {project.base}" in ran.err
