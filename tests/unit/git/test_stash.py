"""The stash that all worktrees share: whatever sessions do with it, nothing is lost or silently exchanged."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from repositories import Harness

from swarm_shared.domain.branch_names import kept_ref
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.process import run_process
from swarm_shared.git.running.runner import Git
from swarm_shared.git.snapshots.snapshot import take_snapshot
from swarm_shared.git.snapshots.stash_review import Reviewed, StashWatch
from swarm_shared.git.worktrees.task_worktrees import TaskWorktree


class Sessions:
    """Attempts of tasks that stash, each from its start to the review at its end."""

    def __init__(self, folder: Path) -> None:
        self.harness = Harness(folder, files={"a.txt": "a\n", "b.txt": "b\n", "shared.txt": "1\n2\n3\n4\n5\n6\n7\n8\n"})
        self.trees: dict[str, TaskWorktree] = {}
        self.watches: dict[str, StashWatch] = {}

    def open(self, *names: str) -> None:
        for name in names:
            self.trees[name] = self.harness.open(name)
            self.watches[name] = StashWatch(self.harness.repo, name, self.trees[name].checkout)

    def git(self, name: str, *words: str) -> None:
        self.harness.run(*words, cwd=self.trees[name].checkout.path)

    def write(self, name: str, files: dict[str, str]) -> None:
        self.harness.write(files, at=self.trees[name].checkout.path)

    def end(self, name: str, *, user_changed: bool = False, open_: Collection[str] = ()) -> Reviewed:
        tree = self.trees[name]
        made = take_snapshot(tree.checkout, safe=name, base_sha=tree.base_sha, message="m\n")
        return self.watches[name].review(
            tree.base_sha,
            made.head_sha,
            user_changed=lambda _paths: user_changed,
            is_open=lambda safe: safe in open_,
            alone=not open_,
        )

    def stack(self) -> list[str]:
        return self.harness.git("stash", "list", "--format=%s").splitlines()

    def kept(self, name: str, sha: str) -> bool:
        return kept_ref(name, sha) in self.harness.refs()


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(tmp_path)


def subjects(entries: Collection[object]) -> list[str]:
    return [str(entry.subject) for entry in entries]  # type: ignore[attr-defined]  # stashes


def test_a_session_that_pops_its_own_stash_is_not_reported(sessions: Sessions) -> None:
    sessions.open("a", "b")
    sessions.write("a", {"a.txt": "work\n", "new.txt": "n\n"})
    sessions.git("a", "stash", "-q", "-u")
    sessions.git("a", "stash", "pop", "-q")
    assert sessions.end("a", open_=["b"]) == Reviewed()
    assert sessions.end("b", open_=["a"]) == Reviewed()


@pytest.mark.parametrize("how", [(), ("-u",), ("-m", "mine: for later"), ("--keep-index",), ("--", "a.txt")])
def test_a_stash_that_a_session_leaves_is_kept_for_its_task_and_not_popped_by_others(
    sessions: Sessions, how: tuple[str, ...]
) -> None:
    sessions.open("a")
    sessions.write("a", {"a.txt": "for later\n"})
    sessions.git("a", "stash", "push", "-q", *how)
    sessions.write("a", {"b.txt": "done\n"})
    (entry,) = sessions.end("a").left
    assert sessions.stack() == []
    assert sessions.kept("a", entry.sha)
    assert sessions.harness.show(f"{entry.sha}:a.txt") == "for later\n"
    assert sessions.end("a") == Reviewed()


def test_two_sessions_that_exchange_their_stashes_are_both_detected(sessions: Sessions) -> None:
    sessions.open("a", "b")
    for name in ("a", "b"):
        sessions.write(name, {f"{name}-new.txt": f"work of {name}\n"})
        sessions.git(name, "add", "-A")
        sessions.git(name, "stash", "-q")
    sessions.git("a", "stash", "pop", "-q")
    sessions.git("b", "stash", "pop", "-q")
    first, second = sessions.end("a", open_=["b"]), sessions.end("b")
    assert subjects(first.taken)[0].startswith("WIP on swarm/task/b")
    assert subjects(second.taken)[0].startswith("WIP on swarm/task/a")
    assert (sessions.kept("a", second.taken[0].sha), sessions.kept("b", first.taken[0].sha)) == (True, True)
    assert sessions.stack() == []


def test_an_exchange_of_changes_to_one_file_is_detected_too(sessions: Sessions) -> None:
    sessions.open("a", "b")
    sessions.write("a", {"shared.txt": "a\n2\n3\n4\n5\n6\n7\n8\n"})
    sessions.git("a", "stash", "-q")
    sessions.write("b", {"shared.txt": "1\n2\n3\n4\n5\n6\n7\nb\n"})
    sessions.git("b", "stash", "-q")
    sessions.git("a", "stash", "pop", "-q")
    sessions.git("b", "stash", "pop", "-q")
    assert len(sessions.end("a", open_=["b"]).taken) == len(sessions.end("b").taken) == 1


def test_an_empty_stash_and_a_pop_that_takes_the_work_of_another_session(sessions: Sessions) -> None:
    sessions.open("a", "b")
    sessions.write("a", {"a.txt": "work of a\n"})
    sessions.git("a", "stash", "-q")
    sessions.git("b", "stash", "-q")
    sessions.git("b", "stash", "pop", "-q")
    (entry,) = sessions.end("b", open_=["a"]).taken
    assert sessions.stack() == [entry.subject]  # its owner, which is still running, finds it there
    sessions.git("a", "stash", "pop", "-q")
    assert sessions.end("a") == Reviewed()


@pytest.mark.parametrize("command", [("pop", "-q"), ("apply", "-q"), ("branch", "mine", "stash@{0}")])
def test_a_users_stash_that_a_session_takes_is_restored(sessions: Sessions, command: tuple[str, ...]) -> None:
    sessions.harness.write({"a.txt": "of the user\n"})
    sessions.harness.git("stash", "-q", "-m", "precious")
    sessions.open("a")
    sessions.git("a", "stash", *command)
    taken = sessions.end("a").taken
    assert subjects(taken) == ["On main: precious"]
    assert sessions.stack() == ["On main: precious"]
    assert sessions.kept("a", taken[0].sha)


def test_a_users_stashes_that_a_session_cleared_are_restored_in_order(sessions: Sessions) -> None:
    for number in range(3):
        sessions.harness.write({"a.txt": f"{number}\n"})
        sessions.harness.git("stash", "-q", "-m", f"number {number}")
    before = sessions.harness.git("stash", "list", "--format=%H")
    sessions.open("a", "b")
    sessions.git("a", "stash", "clear")
    assert len(sessions.end("b", open_=["a"]).gone) == 3  # which of the two it was is not known
    sessions.git("a", "stash", "clear")
    assert len(sessions.end("a").taken) == 3
    assert sessions.harness.git("stash", "list", "--format=%H") == before


def test_stashes_of_the_user_made_meanwhile_are_left_alone(sessions: Sessions) -> None:
    sessions.harness.write({"a.txt": "earlier\n"})
    sessions.harness.git("stash", "-q", "-m", "earlier")
    sessions.open("a")
    sessions.write("a", {"b.txt": "work\n"})
    sessions.harness.git("stash", "pop", "-q")
    sessions.harness.git("stash", "-q", "-m", "new")
    sessions.harness.write({"b.txt": "another\n"})
    sessions.harness.git("stash", "-q", "-m", "newest")
    assert sessions.end("a", user_changed=True) == Reviewed()
    assert sessions.stack() == ["On main: newest", "On main: new"]


@pytest.mark.parametrize(
    "how", ["switch -q --detach", "checkout -q main~0", "rebase -q -x false --root", "rebase -q -x false HEAD"]
)
def test_a_stash_on_no_branch_belongs_to_the_session_that_made_it(sessions: Sessions, how: str) -> None:
    sessions.open("a", "b")
    sessions.git("a", *how.split(" "))
    sessions.write("a", {"a.txt": "work\n"})
    sessions.git("a", "stash", "-q")
    (entry,) = sessions.end("a", open_=["b"]).left
    assert sessions.kept("a", entry.sha)
    assert sessions.end("b") == Reviewed()


@pytest.mark.parametrize("of_the_user", [0, 1])
def test_the_stash_is_repaired_even_if_a_session_has_set_core_bare(sessions: Sessions, of_the_user: int) -> None:
    for number in range(of_the_user):
        sessions.harness.write({"b.txt": f"{number}\n"})
        sessions.harness.git("stash", "-q", "-m", "precious")
    before = sessions.stack()
    sessions.open("a")
    sessions.write("a", {"a.txt": "work\n"})
    sessions.git("a", "stash", "-q")
    sessions.git("a", "stash", "drop", "-q", "stash@{1}")
    sessions.git("a", "config", "core.bare", "true")
    sessions.end("a")
    sessions.git("a", "config", "core.bare", "false")
    assert sessions.stack() == before


def test_a_stash_that_a_session_dropped_or_lost_stays_a_commit(sessions: Sessions) -> None:
    sessions.open("a")
    sessions.write("a", {"a.txt": "an attempt\n"})
    sessions.git("a", "stash", "-q")
    sessions.git("a", "stash", "drop", "-q")
    (entry,) = sessions.end("a").lost
    assert sessions.kept("a", entry.sha)


def test_the_same_file_made_by_two_sessions_is_not_an_exchange(sessions: Sessions) -> None:
    sessions.open("a", "b")
    for name in ("a", "b"):
        sessions.write(name, {"pkg/__init__.py": ""})
    sessions.git("a", "stash", "-q", "-u")
    sessions.git("a", "stash", "pop", "-q")
    assert sessions.end("b", open_=["a"]) == Reviewed()
    assert sessions.end("a") == Reviewed()


@pytest.mark.parametrize("stashes", [0, 2])
def test_a_session_that_does_not_stash_costs_at_most_one_git_process(tmp_path: Path, stashes: int) -> None:
    sessions = Sessions(tmp_path)
    for number in range(stashes):
        sessions.harness.write({"a.txt": f"{number}\n"})
        sessions.harness.git("stash", "-q")
    sessions.open("a", "b")
    sessions.end("a", open_=["b"])
    sessions.open("b")
    asked: list[str] = []

    def counted(command, **how):  # type: ignore[no-untyped-def]  # as run_process
        asked.append(command)
        return run_process(command, **how)

    tree = sessions.trees["b"]
    repo = Repository.find(sessions.harness.root, git=Git(cwd=tmp_path, environ=sessions.harness.env, run=counted))
    assert repo is not None
    watch = StashWatch(repo, "b", tree.checkout)
    how = {"user_changed": lambda _: False, "is_open": lambda _: False, "alone": True}
    asked.clear()
    assert watch.review(tree.base_sha, tree.base_sha, **how) == Reviewed()  # type: ignore[arg-type]
    assert len(asked) == min(stashes, 1)
