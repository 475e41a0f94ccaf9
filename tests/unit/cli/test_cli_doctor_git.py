"""`doctor` on git: repository, integration branch, leftover worktrees, hooks that the swarm does not run."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_harness import CliHarness
from repositories import PERSON
from repositories import Harness as Project

from swarm_shared.domain.models import TaskSpec
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path / "with-git")
    monkeypatch.setenv("SWARM_AGENT_CLI", "command")
    monkeypatch.setenv("SWARM_PROJECT_ROOT", str(project.root))
    for name, value in project.env.items():
        monkeypatch.setenv(name, value)
    return project


@pytest.fixture
def integration(harness: CliHarness, project: Project) -> Integration:
    """A swarm that has run, with a task in its worktree."""
    integration = Integration(repository=project.repo)
    tip = integration.begin(project.base)
    harness.queue(TaskSpec(id="a", name="A"))
    claim = harness.claim()
    with harness.open() as database:
        common = str(project.repo.common_dir)
        database.landings.adopt(repository=common, ref=integration.ref, person_ref="refs/heads/main", tip=tip)
        database.landings.safe_id(claim, take=lambda _: True)
    trees = TaskWorktrees(project.repo, harness.folder / "tasks.db.swarm" / "worktrees")
    trees.open("a", tip, holder_is_dead=lambda _: True)
    return integration


def found(harness: CliHarness, name: str) -> tuple[str, str, str]:
    """Level, text and advice of the only finding with that name."""
    (only,) = [check for check in harness.run("doctor", "--json").json["checks"] if check["name"] == name]
    return only["level"], only["text"], only["advice"] or ""


def land_one(project: Project, integration: Integration) -> str:
    tip = integration.tip() or ""
    commit = project.git("commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "landed")
    integration.advance(commit, old=tip)
    return commit


def test_git_repository_and_a_healthy_branch_are_reported(harness: CliHarness, integration: Integration) -> None:
    assert found(harness, "git")[0] == "ok"
    assert "is on main; each task gets a worktree" in found(harness, "repository")[1]
    assert found(harness, "branch")[0] == "ok"
    assert found(harness, "worktrees")[1].startswith("1, 0 of them")


def test_landed_work_to_bring_over_and_removable_worktrees_are_reported_with_the_command(
    harness: CliHarness, project: Project, integration: Integration
) -> None:
    land_one(project, integration)
    with harness.open() as database:
        database.connection.change("UPDATE tasks SET status = 'completed' WHERE id = 'a'")
    level, text, advice = found(harness, "branch")
    assert (level, "1 landing ahead of main" in text) == ("ok", True), "by another swarm, which is fine"
    assert "land --into main" in advice
    assert "prune" in found(harness, "worktrees")[2]


def test_a_branch_that_was_moved_or_checked_out_by_others_is_reported(
    harness: CliHarness, project: Project, integration: Integration
) -> None:
    project.git("update-ref", integration.ref, project.commit({"b": "1"}))
    level, text, advice = found(harness, "branch")
    assert (level, "outside the swarm" in text, "resume" in advice) == ("warn", True, True)
    project.git("switch", "-q", integration.branch)
    assert found(harness, "branch")[0] == "bad"
    assert found(harness, "repository")[0] == "bad"
    assert harness.run("doctor").code == 3


def test_hooks_and_signatures_that_the_swarm_skips_are_named(harness: CliHarness, project: Project) -> None:
    assert found(harness, "hooks")[2] == ""
    hook = project.root / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    project.settings.write_text(PERSON + "[commit]\n\tgpgsign = yes\n")
    _, text, advice = found(harness, "hooks")
    assert "yours have pre-commit, signatures" in text
    assert "gate" in advice
    mine = project.folder / "my-hooks"
    mine.mkdir()
    hook.rename(mine / "commit-msg")
    project.git("config", "core.hooksPath", str(mine))
    assert "yours have commit-msg" in found(harness, "hooks")[1]


def test_uncommitted_changes_and_a_folder_without_git_are_reported(
    harness: CliHarness, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write({"a.txt": "changed\n"})
    shown = [check for check in harness.run("doctor", "--json").json["checks"] if check["name"] == "repository"]
    assert [check["level"] for check in shown] == ["warn", "ok"]
    monkeypatch.setenv("SWARM_PROJECT_ROOT", str(project.folder))
    assert "no worktrees" in found(harness, "repository")[1]
    monkeypatch.setenv("PATH", str(project.folder))
    assert found(harness, "git")[0] == "warn"
