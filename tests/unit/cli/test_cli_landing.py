"""`land`, `diff`, `worktrees`: what has landed, where it is, and how it comes over."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_desk import CliDesk
from repositories import Desk as Project

from swarm_shared.git.integration import Integration
from swarm_shared.git.snapshot import take_snapshot
from swarm_shared.git.task_worktrees import TaskWorktrees
from swarm_shared.models import Outcome, TaskSpec
from swarm_shared.store.policy import AttemptResult


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "with-git")


@pytest.fixture
def landed(desk: CliDesk, project: Project) -> Integration:
    """A queue whose task `a` has passed, and an integration branch that has its work."""
    integration = Integration(repository=project.repo)
    base = integration.begin(project.base)
    trees = TaskWorktrees(project.repo, desk.folder / "tasks.db.swarm" / "worktrees")
    opened = trees.open("a", base, holder_is_dead=lambda _: True)
    (opened.cwd / "b.txt").write_text("new\n")
    made = take_snapshot(opened.checkout, safe="a", base_sha=base, message="work\n")
    merge = integration.plan_landing(made.head_sha, tip=base, task_id="a", attempt_id="1", name="A")
    assert merge.new is not None
    integration.advance(merge.new, old=base)
    desk.queue(TaskSpec(id="a", name="A"))
    with desk.open() as database:
        common = str(project.repo.common_dir)
        database.landings.adopt(repository=common, ref=integration.ref, person_ref="refs/heads/main", tip=merge.new)
    claim = desk.claim()
    with desk.open() as database:
        database.landings.safe_id(claim, is_taken=lambda _: False)
    desk.settle(claim, AttemptResult(outcome=Outcome.PASSED, base_sha=base, head_sha=made.head_sha))
    return integration


def test_land_updates_branch_and_checkout(desk: CliDesk, project: Project, landed: Integration) -> None:
    ran = desk.run("land", "--into", "main", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["new"] == landed.tip() == project.sha("main")
    assert (project.root / "b.txt").read_text() == "new\n"
    assert desk.run("land").out.strip() == "main has it all already"


def test_land_refuses_a_dirty_checkout_and_changes_nothing(
    desk: CliDesk, project: Project, landed: Integration
) -> None:
    project.write({"a.txt": "mine\n"})
    ran = desk.run("land", "--into", "main")
    assert ran.code == 6
    assert "a.txt" in ran.err
    assert project.sha("main") == project.base


def test_land_in_conflict_says_where_and_changes_nothing(desk: CliDesk, project: Project, landed: Integration) -> None:
    mine = project.commit({"b.txt": "mine\n"})
    ran = desk.run("land", "--into", "main")
    assert ran.code == 6
    assert "b.txt" in ran.err
    assert project.sha("main") == mine


def test_diff_shows_what_a_task_has_changed(desk: CliDesk, landed: Integration) -> None:
    assert "+new" in desk.run("diff", "a").out
    assert desk.run("diff", "a", "--stat").out.startswith("A b.txt +1 -0")
    assert desk.run("diff", "a", "--json").json["files"] == [{"path": "b.txt", "change": "A", "added": 1, "deleted": 0}]
    assert desk.run("diff", "a", "--attempt", "7").code == 5


def test_worktrees_lists_them_and_prune_removes_what_has_landed_alone(
    desk: CliDesk, project: Project, landed: Integration
) -> None:
    (shown,) = desk.run("worktrees", "--json").json["worktrees"]
    assert (shown["id"], shown["branch"]) == ("a", "swarm/task/a")
    waits = desk.run("worktrees", "prune", "--json").json["pruned"]
    assert waits == [{"id": "a", "name": "a", "kept_because": "in use"}], "it waits to land"
    with desk.open() as database:
        database.connection.change("UPDATE tasks SET status = 'completed' WHERE id = 'a'")
    assert desk.run("worktrees", "prune", "--json").json["pruned"][0]["kept_because"] is None
    assert "refs/heads/swarm/task/a" not in project.refs()


@pytest.mark.parametrize("words", [("land", "--into", "main"), ("worktrees",), ("diff", "a")])
def test_without_worktrees_it_is_said_what_is_missing(desk: CliDesk, words: tuple[str, ...]) -> None:
    desk.queue(TaskSpec(id="a", name="A"))
    ran = desk.run(*words)
    assert ran.code in (5, 6)
    assert "worktree" in ran.err
