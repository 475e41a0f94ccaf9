"""Changes by sessions to the settings that all worktrees share are reported, and harmful ones are undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import Harness

from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.process import run_process
from swarm_shared.git.running.runner import Git
from swarm_shared.git.worktrees.shared_settings import SettingsGuard, changes_between, read_shared

HARMFUL = ("core.bare=true", "core.worktree=/nonexistent", "core.hooksPath=.husky/_", "core.fsmonitor=./spy",
           "core.sshCommand=spy", "core.pager=spy")  # fmt: skip


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def guard(harness: Harness, *open_: str) -> SettingsGuard:
    file = harness.folder / "git-settings.json"
    return SettingsGuard(harness.repo, file, is_open=lambda safe: safe in open_)


def setting(harness: Harness, key: str) -> str:
    return harness.run("config", "--file", str(harness.repo.common_dir / "config"), "--get-all", key).stdout.strip()


@pytest.mark.parametrize("pair", HARMFUL)
def test_a_harmful_setting_is_restored(harness: Harness, pair: str) -> None:
    key, value = pair.split("=")
    before = setting(harness, key)
    mine = guard(harness)
    mine.enter("a")
    harness.run("config", key, value)
    (warning,) = mine.put_back()
    assert (key.lower() in warning, value in warning) == (True, True)
    assert setting(harness, key) == before
    assert harness.git("status", "--porcelain") == ""
    assert mine.put_back() == ()


def test_a_users_setting_that_a_session_removes_is_restored(harness: Harness) -> None:
    harness.git("config", "core.hooksPath", "their/hooks")
    mine = guard(harness)
    mine.enter("a")
    harness.git("config", "--unset", "core.hooksPath")
    assert len(mine.put_back()) == 1
    assert setting(harness, "core.hooksPath") == "their/hooks"


def test_damage_by_a_running_attempt_does_not_become_the_baseline(harness: Harness) -> None:
    first, second = guard(harness, "a", "b"), guard(harness, "a", "b")
    first.enter("a")
    harness.git("config", "core.hooksPath", "bad")
    assert len(second.enter("b")) == 1
    first.leave("a")
    harness.git("config", "core.hooksPath", "bad")
    assert len(second.put_back()) == 1
    assert setting(harness, "core.hooksPath") == ""


def test_damage_by_a_dead_attempt_is_repaired_by_the_next(harness: Harness) -> None:
    guard(harness).enter("dead")
    harness.git("config", "core.bare", "true")
    assert len(guard(harness).enter("next")) == 1
    assert setting(harness, "core.bare") == "false"


def test_changes_by_the_user_while_nothing_runs_are_kept(harness: Harness) -> None:
    mine = guard(harness)
    mine.enter("a")
    mine.leave("a")
    harness.git("config", "core.hooksPath", "new/hooks")
    assert mine.enter("b") == ()
    assert mine.put_back() == ()
    assert setting(harness, "core.hooksPath") == "new/hooks"


def test_every_other_change_is_reported_and_kept(harness: Harness) -> None:
    before = read_shared(harness.repo)
    harness.git("config", "user.email", "agent@example.org")
    harness.git("config", "filter.lfs.clean", "git-lfs clean")
    harness.git("config", "branch.main.remote", "origin")
    harness.git("config", "submodule.lib.url", "somewhere")
    git_dir = harness.repo.common_dir
    (git_dir / "info" / "exclude").write_text("everything\n")
    (git_dir / "info" / "attributes").write_text("* filter=lfs\n")
    hook = git_dir / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    assert changes_between(harness.repo.git, before, read_shared(harness.repo)) == (
        "filter.lfs.clean was set in .git/config",
        "user.email was set in .git/config",
        ".git/hooks/pre-commit was added",
        ".git/info/attributes was added",
        ".git/info/exclude was changed",
    )
    between = read_shared(harness.repo)
    hook.chmod(0o644)
    assert changes_between(harness.repo.git, between, read_shared(harness.repo)) == (
        ".git/hooks/pre-commit was changed",
    )


def test_settings_of_the_users_own_checkout_are_guarded_too(harness: Harness) -> None:
    harness.git("config", "extensions.worktreeConfig", "true")
    mine = guard(harness)
    mine.enter("a")
    harness.git("config", "--worktree", "core.worktree", "/nonexistent")
    (warning,) = mine.put_back()
    assert ".git/config.worktree" in warning
    assert harness.git("status", "--porcelain") == ""


def test_unchanged_settings_cost_no_git_process_from_the_second_attempt_on(harness: Harness) -> None:
    asked: list[object] = []

    def counted(command, **how):  # type: ignore[no-untyped-def]  # as run_process
        asked.append(command)
        return run_process(command, **how)

    repo = Repository.find(harness.root, git=Git(cwd=harness.root, environ=harness.env, run=counted))
    assert repo is not None
    for turn in range(2):
        asked.clear()
        mine = SettingsGuard(repo, harness.folder / "noted.json", is_open=lambda _: False)
        mine.enter("a")
        before = read_shared(repo)
        assert (changes_between(repo.git, before, read_shared(repo)), mine.put_back()) == ((), ())
        mine.leave("a")
        assert len(asked) <= (1 - turn)
