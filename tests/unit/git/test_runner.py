"""Git runs the way we need, whatever the user's settings and environment are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import Harness, Sandbox
from trees import fresh_token, wait_gone, wait_until

from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.land_into import land_into
from swarm_shared.git.plumbing.diffs import diff
from swarm_shared.git.running.git_errors import GitFailed, GitTimeout, GitUnusable, RepositoryBusy
from swarm_shared.git.running.process import Completed, run_process
from swarm_shared.git.running.runner import Git
from swarm_shared.git.snapshots.snapshot import take_snapshot

HOSTILE = """
[user]
    name = Ada Person
    email = ada@example.org
[commit]
    gpgsign = true
[tag]
    gpgsign = true
[gpg]
    program = /nonexistent/gpg
[core]
    hooksPath = {hooks}
    safecrlf = true
    autocrlf = input
    quotePath = true
    fsmonitor = {hooks}/fsmonitor
[status]
    showUntrackedFiles = no
[merge]
    ff = only
    autoStash = true
    verifySignatures = true
[diff]
    noprefix = true
    external = /bin/false
    mnemonicPrefix = true
[color]
    ui = always
[branch]
    autoSetupMerge = always
[core]
    splitIndex = true
[submodule]
    recurse = true
"""


def hostile_settings(folder: Path) -> str:
    """Every hook fails and leaves a note, signing cannot work, and output is not what programs expect."""
    hooks = folder / "hooks"
    hooks.mkdir(parents=True)
    names = ("pre-commit", "post-checkout", "post-merge", "post-commit", "reference-transaction", "fsmonitor")
    for name in (*names, "pre-merge-commit", "prepare-commit-msg", "commit-msg", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >> '{folder}/called'\nexit 1\n")
        (hooks / name).chmod(0o755)
    return HOSTILE.format(hooks=hooks)


def git_at(folder: Path, **environ: str) -> Git:
    return Git(cwd=folder, environ={**os.environ, **environ})


def test_a_failure_reports_the_command_the_folder_and_gits_message(tmp_path: Path) -> None:
    with pytest.raises(GitFailed, match=r"git rev-parse failed in .*not a git repository") as caught:
        git_at(tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent)).ask("rev-parse", "HEAD")
    assert caught.value.hint
    assert caught.value.exit_code == 6


def test_a_command_that_does_not_end_is_killed_with_everything_that_it_started(tmp_path: Path) -> None:
    token = fresh_token()  # also the seconds that it would take
    with pytest.raises(GitTimeout):
        git_at(tmp_path).ask("-c", f"alias.wait=!sleep {token} & wait", "wait", timeout_s=0.5)
    wait_gone(token)


def test_output_beyond_a_limit_is_truncated_and_the_command_ended(tmp_path: Path) -> None:
    answer = git_at(tmp_path).ask("-c", "alias.yes=!yes", "yes", limit_bytes=100_001)
    assert answer.truncated
    assert len(answer.out) == 100_001


def test_output_below_a_limit_is_complete_and_its_exit_code_counts(tmp_path: Path) -> None:
    answer = git_at(tmp_path).ask("version", limit_bytes=1000)
    assert (answer.truncated, answer.out[:11]) == (False, b"git version")
    with pytest.raises(GitFailed):
        git_at(tmp_path).ask("rev-parse", "--nonsense", limit_bytes=1000)


def test_a_silent_command_with_a_limit_is_killed_in_time_too(tmp_path: Path) -> None:
    with pytest.raises(GitTimeout):
        git_at(tmp_path).ask("-c", "alias.wait=!sleep 1000", "wait", limit_bytes=10, timeout_s=0.3)


@pytest.mark.parametrize("limit_bytes", [None, 10_000_000])
def test_the_caller_is_called_back_while_a_long_command_runs(tmp_path: Path, limit_bytes: int | None) -> None:
    calls: list[None] = []

    def run(command: list[str], **how: object) -> Completed:
        return run_process(command, tend=lambda: calls.append(None), **how)  # type: ignore[arg-type]

    git = Git(cwd=tmp_path, run=run)  # type: ignore[arg-type]
    text = os.urandom(1_000_000)
    # More than a pipe holds, in both directions, and it is not read for a while.
    stdin = text if limit_bytes is None else None
    (tmp_path / "text").write_bytes(text)
    source = "cat" if stdin else "cat text"
    answer = git.ask("-c", f"alias.slow=!sleep 0.6; {source}", "slow", stdin=stdin, limit_bytes=limit_bytes)
    assert answer.out == text
    assert calls


def test_other_work_is_done_while_a_command_runs(tmp_path: Path) -> None:
    started = tmp_path / "started"

    def meanwhile() -> None:
        wait_until(started.exists, "the command to start")
        (tmp_path / "go").touch()

    command = "touch started; until [ -e go ]; do sleep 0.01; done; echo done"
    answer = git_at(tmp_path).ask("-c", f"alias.waits=!{command}", "waits", meanwhile=meanwhile, timeout_s=30)
    assert answer.out == b"done\n"


def test_a_missing_git_and_a_missing_folder_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(GitUnusable, match="does not exist"):
        git_at(tmp_path / "gone").ask("version")

    def no_git(command: list[str], **how: object) -> object:
        return run_process(["git-that-nobody-has", *command[1:]], **how)  # type: ignore[arg-type]

    with pytest.raises(GitUnusable, match="cannot be started"):
        Git(cwd=tmp_path, run=no_git).ask("version")  # type: ignore[arg-type]


def test_variables_of_a_calling_git_have_no_effect(tmp_path: Path) -> None:
    """A worker may have been started by a hook of another repository."""
    ours, other = Harness(tmp_path / "ours"), Harness(tmp_path / "other")
    foreign = {
        "GIT_DIR": str(other.root / ".git"),
        "GIT_WORK_TREE": str(other.root),
        "GIT_INDEX_FILE": str(other.root / ".git" / "index"),
        "GIT_OBJECT_DIRECTORY": str(other.root / ".git" / "objects"),
        "GIT_CONFIG_PARAMETERS": "'core.bare=true'",
        "GIT_PREFIX": "deep/",
    }
    git = Git(cwd=ours.root, environ={**ours.env, **foreign})
    assert git.line("rev-parse", "--show-toplevel") == str(ours.root)
    assert git.line("rev-parse", "HEAD") == ours.base


def test_nothing_can_prompt(tmp_path: Path) -> None:
    """As in every new session, there is no terminal to prompt on, and nothing to read."""
    look = "import os, sys; print(os.getsid(0) == os.getpid(), sys.stdin.read())"
    answer = run_process([sys.executable, "-c", look], cwd=tmp_path, env=os.environ, timeout_s=20)
    assert answer.out == b"True \n"


def test_messages_come_in_one_language(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "box")
    git = Git(cwd=sandbox.root, environ={**sandbox.env, "LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de"})
    with pytest.raises(GitFailed, match="Needed a single revision"):
        git.ask("rev-parse", "--verify", "nothing")


def test_no_hook_signature_or_setting_of_the_user_interferes(tmp_path: Path) -> None:
    settings = hostile_settings(tmp_path)
    harness = Harness(tmp_path / "harness")
    harness.settings.write_text(settings)
    harness.repo = harness.repository()
    harness.trees.repository = harness.repo
    integration = Integration(repository=harness.repo)
    tip = integration.begin(harness.base)
    tree = harness.open("t1")
    harness.write({"new file.txt": "mine\r\n", "a.txt": "ONE\ntwo\nthree\n"}, at=tree.cwd)
    work = take_snapshot(tree.checkout, safe="t1", base_sha=tree.base_sha, message="work")
    changes = diff(harness.repo.git, tree.base_sha, work.head_sha)
    assert "diff --git a/a.txt b/a.txt" in changes.text
    assert "\x1b" not in changes.text
    assert {file.path for file in changes.files} == {"a.txt", "new file.txt"}
    merge = integration.plan_landing(work.head_sha, tip=tip, task_id="t1", attempt_id="u1", name="first")
    assert merge.new is not None
    integration.advance(merge.new, old=tip)
    assert land_into(integration, "main").merge.new == merge.new
    assert "gpgsig" not in harness.git("cat-file", "commit", merge.new)
    assert not (tmp_path / "called").exists()
    assert not harness.git("config", "--file", str(harness.root / ".git" / "config"), "--list").count("branch.swarm")


LOCK_AND_WAIT = """
import sys
from pathlib import Path
from swarm_shared.git.plumbing.stale_locks import repository_lock
from swarm_shared.git.plumbing.repository import Repository
repository = Repository.find(Path(sys.argv[1]))
with repository_lock(repository) as git:
    git.ask("-c", f"alias.wait=!echo begun; cat '{sys.argv[2]}'", "wait", timeout_s=60)
"""


def test_the_lock_outlives_a_killed_owner_as_long_as_its_command_runs(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)
    owner = subprocess.Popen(
        [sys.executable, "-c", LOCK_AND_WAIT, str(harness.root), str(go_on)], env=dict(harness.env)
    )
    # Opening a fifo waits for its reader, which is the command.
    with open(go_on, "w"):
        owner.kill()
        owner.wait()
        with pytest.raises(RepositoryBusy):
            harness.lock_is_free()

    def is_free() -> bool:
        try:
            return harness.lock_is_free()
        except RepositoryBusy:
            return False

    wait_until(is_free, "the command to end and the lock with it")
