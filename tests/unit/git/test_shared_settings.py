"""What sessions change in the settings that all worktrees share is named, and put back where it does harm."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import Desk

from swarm_shared.git.plumbing.process import run_process
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.runner import Git
from swarm_shared.git.worktrees.shared_settings import SettingsGuard, changes_between, read_shared

HARMFUL = ("core.bare=true", "core.worktree=/nonexistent", "core.hooksPath=.husky/_", "core.fsmonitor=./spy",
           "core.sshCommand=spy", "core.pager=spy")  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def guard(desk: Desk, *open_: str) -> SettingsGuard:
    file = desk.folder / "git-settings.json"
    return SettingsGuard(desk.repo, file, is_open=lambda safe: safe in open_)


def setting(desk: Desk, key: str) -> str:
    return desk.run("config", "--file", str(desk.repo.common_dir / "config"), "--get-all", key).stdout.strip()


@pytest.mark.parametrize("pair", HARMFUL)
def test_a_setting_that_does_harm_is_put_back(desk: Desk, pair: str) -> None:
    key, value = pair.split("=")
    before = setting(desk, key)
    mine = guard(desk)
    mine.enter("a")
    desk.run("config", key, value)
    (told,) = mine.put_back()
    assert (key.lower() in told, value in told) == (True, True)
    assert setting(desk, key) == before
    assert desk.git("status", "--porcelain") == ""
    assert mine.put_back() == ()


def test_a_setting_of_the_user_that_a_session_removes_is_put_back(desk: Desk) -> None:
    desk.git("config", "core.hooksPath", "their/hooks")
    mine = guard(desk)
    mine.enter("a")
    desk.git("config", "--unset", "core.hooksPath")
    assert len(mine.put_back()) == 1
    assert setting(desk, "core.hooksPath") == "their/hooks"


def test_what_a_running_attempt_has_spoiled_does_not_pass_for_right(desk: Desk) -> None:
    first, second = guard(desk, "a", "b"), guard(desk, "a", "b")
    first.enter("a")
    desk.git("config", "core.hooksPath", "bad")
    assert len(second.enter("b")) == 1
    first.leave("a")
    desk.git("config", "core.hooksPath", "bad")
    assert len(second.put_back()) == 1
    assert setting(desk, "core.hooksPath") == ""


def test_what_a_dead_attempt_has_spoiled_is_put_back_by_the_next(desk: Desk) -> None:
    guard(desk).enter("dead")
    desk.git("config", "core.bare", "true")
    assert len(guard(desk).enter("next")) == 1
    assert setting(desk, "core.bare") == "false"


def test_what_the_user_changes_while_nothing_runs_stays(desk: Desk) -> None:
    mine = guard(desk)
    mine.enter("a")
    mine.leave("a")
    desk.git("config", "core.hooksPath", "new/hooks")
    assert mine.enter("b") == ()
    assert mine.put_back() == ()
    assert setting(desk, "core.hooksPath") == "new/hooks"


def test_every_other_change_is_named_and_stays(desk: Desk) -> None:
    before = read_shared(desk.repo)
    desk.git("config", "user.email", "agent@example.org")
    desk.git("config", "filter.lfs.clean", "git-lfs clean")
    desk.git("config", "branch.main.remote", "origin")
    desk.git("config", "submodule.lib.url", "somewhere")
    git_dir = desk.repo.common_dir
    (git_dir / "info" / "exclude").write_text("everything\n")
    (git_dir / "info" / "attributes").write_text("* filter=lfs\n")
    hook = git_dir / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    assert changes_between(desk.repo.git, before, read_shared(desk.repo)) == (
        "filter.lfs.clean was set in .git/config",
        "user.email was set in .git/config",
        ".git/hooks/pre-commit was added",
        ".git/info/attributes was added",
        ".git/info/exclude was changed",
    )
    between = read_shared(desk.repo)
    hook.chmod(0o644)
    assert changes_between(desk.repo.git, between, read_shared(desk.repo)) == (".git/hooks/pre-commit was changed",)


def test_settings_of_the_users_own_checkout_are_guarded_too(desk: Desk) -> None:
    desk.git("config", "extensions.worktreeConfig", "true")
    mine = guard(desk)
    mine.enter("a")
    desk.git("config", "--worktree", "core.worktree", "/nonexistent")
    (told,) = mine.put_back()
    assert ".git/config.worktree" in told
    assert desk.git("status", "--porcelain") == ""


def test_settings_that_stay_cost_no_git_process_from_the_second_attempt_on(desk: Desk) -> None:
    asked: list[object] = []

    def counted(command, **how):  # type: ignore[no-untyped-def]  # as run_process
        asked.append(command)
        return run_process(command, **how)

    repo = Repository.find(desk.root, git=Git(cwd=desk.root, environ=desk.env, run=counted))
    assert repo is not None
    for turn in range(2):
        asked.clear()
        mine = SettingsGuard(repo, desk.folder / "noted.json", is_open=lambda _: False)
        mine.enter("a")
        before = read_shared(repo)
        assert (changes_between(repo.git, before, read_shared(repo)), mine.put_back()) == ((), ())
        mine.leave("a")
        assert len(asked) <= (1 - turn)
