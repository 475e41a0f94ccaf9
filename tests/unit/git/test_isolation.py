"""Worktrees are not silently dropped because git cannot read the repository; the refusal names the repair."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import Harness, Sandbox

from swarm_shared.domain.errors import ConfigError
from swarm_shared.git.worktrees.isolation import decide
from swarm_shared.settings.settings import Settings, resolve

Damage = Callable[[Harness], Path]


def settings_for(root: Path, isolation: str = "auto") -> Settings:
    return resolve({"db": root.parent / "tasks.db", "project_root": root, "isolation": isolation}, {})


def bare_by_setting(harness: Harness) -> Path:
    harness.git("config", "core.bare", "true")
    return harness.root


def files_elsewhere(harness: Harness) -> Path:
    harness.git("config", "core.worktree", "/nonexistent")
    return harness.root


def files_above(harness: Harness) -> Path:
    harness.git("config", "core.worktree", str(harness.folder))
    return harness.root


def empty_mark(harness: Harness) -> Path:
    folder = harness.folder / "empty"
    (folder / ".git").mkdir(parents=True)
    return folder


def head_lost(harness: Harness) -> Path:
    (harness.root / ".git" / "HEAD").unlink()
    return harness.root


REPAIRED_BY_THE_HINT = [bare_by_setting, files_elsewhere, files_above, head_lost]


def config_broken(harness: Harness) -> Path:
    (harness.root / ".git" / "config").write_text("[core\n")
    return harness.root


def main_moved(harness: Harness) -> Path:
    linked = harness.folder / "linked"
    harness.git("worktree", "add", "-q", str(linked))
    harness.root.rename(harness.folder / "moved")
    return linked


def bare_behind_a_file(harness: Harness) -> Path:
    container = harness.folder / "container"
    harness.git("clone", "-q", "--bare", str(harness.root), str(container / ".bare"))
    (container / ".git").write_text("gitdir: ./.bare\n")
    return container


def bare_beside_its_worktrees(harness: Harness) -> Path:
    container = harness.folder / "container"
    harness.git("clone", "-q", "--bare", str(harness.root), str(container / "repo.git"))
    harness.git("worktree", "add", "-q", str(container / "main"), cwd=container / "repo.git")
    return container


ALL = [*REPAIRED_BY_THE_HINT, empty_mark, config_broken, main_moved, bare_behind_a_file, bare_beside_its_worktrees]


@pytest.mark.parametrize("damage", ALL)
@pytest.mark.parametrize("before", [False, True], ids=["first", "later"])
def test_a_repository_that_git_cannot_read_is_refused(tmp_path: Path, damage: Damage, before: bool) -> None:
    harness = Harness(tmp_path)
    settings = settings_for(damage(harness))
    with pytest.raises(ConfigError) as caught:
        decide(settings, landed_in=str(harness.root / ".git") if before else None)
    assert caught.value.exit_code == 3
    assert "--isolation none" in (caught.value.hint or "")
    assert decide(replace(settings, isolation="none")).repository is None


@pytest.mark.parametrize("damage", REPAIRED_BY_THE_HINT)
def test_the_command_in_the_refusal_repairs_it(tmp_path: Path, damage: Damage) -> None:
    settings = settings_for(damage(Harness(tmp_path)))
    with pytest.raises(ConfigError) as caught:
        decide(settings)
    command = (caught.value.hint or "").rsplit("; or", 1)[0]
    words = command.split(": ", 1)[1] if command.startswith("name the branch") else command
    subprocess.run(words, shell=True, check=True)
    assert decide(settings).repository is not None


def test_another_users_repository_is_refused_with_the_command_that_trusts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = Harness(tmp_path)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(ConfigError) as caught:
        decide(settings_for(harness.root))
    assert "dubious ownership" in caught.value.message
    assert f"--add safe.directory {shlex.quote(str(harness.root))}" in (caught.value.hint or "")


def test_without_a_visible_repository_auto_means_none(tmp_path: Path) -> None:
    decided = decide(settings_for(tmp_path))
    assert (decided.repository, decided.because) == (None, None)


def test_an_empty_git_folder_above_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "project").mkdir()
    assert decide(settings_for(tmp_path / "project")).because is None
    (tmp_path / ".git" / "config").write_text("")
    with pytest.raises(ConfigError, match="lost its HEAD"):
        decide(settings_for(tmp_path / "project"))


def test_tasks_that_had_worktrees_keep_them_or_the_start_is_refused(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone" / ".git")
    with pytest.raises(ConfigError, match="which does not exist"):
        decide(settings_for(tmp_path), landed_in=gone)
    unborn = Sandbox(tmp_path / "unborn")
    assert decide(settings_for(unborn.root)).repository is None
    with pytest.raises(ConfigError, match="no commit yet"):
        decide(settings_for(unborn.root), landed_in=str(unborn.root / ".git"))
