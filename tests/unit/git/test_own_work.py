"""An agent may leave any commit checked out, or an empty folder: no work of others is deleted or reverted."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from task_bench import Bench
from task_history import OLD, History, Project

from swarm_shared.git.landing.bring_in import bring_in
from swarm_shared.git.snapshots.snapshot import take_snapshot


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Made once and then copied: making it takes most of the time of a test."""
    return History(tmp_path_factory.mktemp("begun"), Project(tmp_path_factory.mktemp("project")).folder)


@pytest.fixture(scope="module")
def moved_on(begun: History, tmp_path_factory: pytest.TempPathFactory) -> History:
    history = begun.copy(tmp_path_factory.mktemp("moved-on"))
    history.land_another()
    return history


@pytest.fixture
def bench(tmp_path: Path, begun: History) -> History:
    return begun.copy(tmp_path)


@pytest.fixture
def behind(tmp_path: Path, moved_on: History) -> History:
    """A task during which another task has landed."""
    return moved_on.copy(tmp_path)


NOTE = "echo note > note.txt"
COMMIT = "git add -A && git commit -q -m note"
ELSEWHERE = {
    "an older commit, uncommitted": f"git checkout -q v1 && {NOTE}",
    "an older commit, committed": f"git checkout -q v1 && {NOTE} && {COMMIT}",
    "an older commit, committed and edited": f"git checkout -q v1 && {NOTE} && {COMMIT} && echo more >> note.txt",
    "the base, detached": f"git checkout -q --detach && {NOTE}",
    "the base, detached and committed": f"git checkout -q --detach && {NOTE} && {COMMIT}",
    "a new branch": f"git checkout -q -b mine && {NOTE} && {COMMIT}",
    "a new branch off an old tag": f"git checkout -q -b mine v1 && {NOTE}",
    "a new branch off an old tag, committed": f"git checkout -q -b mine v1 && {NOTE} && {COMMIT}",
    "a branch of the user's": f"git checkout -q --ignore-other-worktrees feature && {NOTE}",
    "a branch of the user's, committed": f"git checkout -q feature && {NOTE} && {COMMIT}",
    "a branch of the user's that is ahead": f"git checkout -q ahead && {NOTE}",
    "a branch of the user's that is ahead, committed": f"git checkout -q ahead && {NOTE} && {COMMIT}",
    "an empty commit on an old one": f"git checkout -q --detach v1 && git commit -q --allow-empty -m x && {NOTE}",
    "an open cherry-pick on an old commit": f"git checkout -q v1 && git cherry-pick --no-commit HEAD; {NOTE}",
    "an open revert that was cleaned up": f"git checkout -q main~1; git revert -n HEAD; git reset -q --hard; {NOTE}",
    "the tag of a branch that has not landed": f"git checkout -q side && {NOTE} && {COMMIT}",
    "a new branch off one that has not landed": f"git checkout -q -b mine feature && {NOTE} && {COMMIT}",
    "a branch without common history": f"git checkout -q pages && {NOTE}",
    "a branch without common history, committed": f"git checkout -q pages && {NOTE} && {COMMIT}",
    "the integration branch": f"git checkout -q --detach swarm/integration && {NOTE}",
    "the integration branch, committed": f"git checkout -q --detach swarm/integration && {NOTE} && {COMMIT}",
    "another task's branch": f"git checkout -q --detach swarm/task/other && {NOTE} && {COMMIT}",
    "an orphan branch": f"git checkout -q --orphan fresh && {NOTE}",
    "an orphan branch, committed": f"git checkout -q --orphan fresh && {NOTE} && {COMMIT}",
    "an orphan branch of one file, committed": (
        f"git checkout -q --orphan fresh && git rm -r -q -f . && {NOTE} && {COMMIT}"
    ),
    "an orphan branch off an old commit": f"git checkout -q main~1 && git checkout -q --orphan fresh && {NOTE}",
    "an orphan branch off an old commit, committed": (
        f"git checkout -q main~1 && git checkout -q --orphan fresh && {NOTE} && {COMMIT}"
    ),
    "an orphan branch off own work on an old commit": (
        f"git checkout -q main~1 && {NOTE} && {COMMIT} && git checkout -q --orphan fresh && echo more >> note.txt"
    ),
    "an open bisect": f"git bisect start -q; git bisect bad; git bisect good v1; {NOTE}",
    "an open bisect, committed": f"git bisect start; git bisect bad; git bisect good v1; {NOTE}; {COMMIT}",
    "an open rebase": f"{NOTE}; {COMMIT}; echo x > x; git add x; git commit -qm x; git rm -q x; git commit -qm y; "
    "GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' git rebase -q -i HEAD~3",
    "an open merge": f"git merge -q --no-commit --no-ff swarm/integration; {NOTE}",
    "own work committed first": f"{NOTE}; {COMMIT}; git checkout -q v1",
    "own work committed first, then a new root": f"{NOTE}; {COMMIT}; git checkout -q pages",
    "own work in a stash": f"{NOTE}; git add -A; git stash -q; git checkout -q v1; git stash pop -q",
    "the first commit, amended": (
        f"git checkout -q $(git rev-list --max-parents=0 HEAD) && {NOTE} && git add -A && git commit -q --amend -m new"
    ),
    "the branch on a new first commit": (
        f"{NOTE}; git add -A; git reset -q --soft $(git commit-tree -m root $(git write-tree))"
    ),
    "the branch with all its history made anew": (
        f"{NOTE}; {COMMIT}; git filter-branch -f --msg-filter 'cat; echo new' -- HEAD"
    ),
    "the branch reset to an old commit": f"git reset -q --hard v1 && {NOTE}",
    "the branch reset, the files kept": f"{NOTE} && git reset -q --soft v1",
    "the branch moved to an old commit": f"git checkout -q -B swarm/task/t v1 && {NOTE} && {COMMIT}",
    "the branch rebased onto an old commit": f"{NOTE}; {COMMIT}; git rebase -q --onto v1 HEAD~1",
    "the branch deleted": f"git checkout -q --detach; git update-ref -d refs/heads/swarm/task/t; {NOTE}; {COMMIT}",
    "the branch deleted, an old commit": f"git checkout -q v1; git update-ref -d refs/heads/swarm/task/t; {NOTE}",
    "the integration branch, merged without its files": (
        f"{NOTE}; {COMMIT}; git merge -q -s ours -m merged swarm/integration"
    ),
    "the integration branch, squashed onto": f"{NOTE}; git add -A; git reset -q --soft swarm/integration; {COMMIT}",
    "the integration branch, merged and put back": (
        f"git merge -q --no-commit --no-ff swarm/integration; git rm -q -f --cached first.txt; rm first.txt; {NOTE}"
    ),
    "commits with an old date": (
        f"git checkout -q v1 && {NOTE} && git add -A && GIT_COMMITTER_DATE='{OLD} +0000' git commit -q -m note"
    ),
}


@pytest.mark.parametrize("place", sorted(ELSEWHERE))
def test_only_the_agents_own_work_lands(behind: History, place: str) -> None:
    behind.play(ELSEWHERE[place])
    made = behind.seal()
    assert made.conflicts == ()
    assert behind.show(f"{made.head_sha}:note.txt").startswith("note\n")
    assert behind.change_of(behind.land(made.head_sha)) == {"note.txt": "A"}


# One of each kind.
SOME = (
    "an older commit, uncommitted",
    "an older commit, committed",
    "a branch of the user's, committed",
    "a branch without common history",
    "an orphan branch of one file, committed",
    "an open rebase",
    "the first commit, amended",
    "the branch on a new first commit",
    "the branch deleted, an old commit",
    "the integration branch, squashed onto",
)


@pytest.mark.parametrize("place", SOME)
def test_only_the_agents_own_work_lands_in_a_second_attempt(bench: History, place: str) -> None:
    """It starts from the commit that the first attempt left, with the integration branch merged in."""
    bench.write({"earlier.txt": "1\n"}, at=bench.at)
    bench.seal()
    bench.land_another()
    tip = bench.integration.tip()
    assert tip is not None
    bench.tree = bench.open("t", tip)
    bring_in(bench.tree, tip=tip, branch=bench.integration.branch, task_id="t", attempt_id="u")
    bench.play(ELSEWHERE[place])
    made = bench.seal()
    assert made.conflicts == ()
    assert bench.change_of(bench.land(made.head_sha)) == {"note.txt": "A", "earlier.txt": "A"}


@pytest.mark.parametrize("place", SOME)
def test_a_crashed_attempt_leaves_only_its_own_work_to_the_next(behind: History, place: str) -> None:
    behind.play(ELSEWHERE[place])
    tip = behind.integration.tip()
    assert tip is not None
    again = behind.open("t", tip)
    assert behind.git("status", "--porcelain", cwd=again.cwd) == ""
    assert (again.cwd / "note.txt").exists()
    assert behind.change_of(behind.land(again.head_sha)) == {"note.txt": "A"}


LOOKED_AT = {
    "an older commit": "git checkout -q v1",
    "a branch of the user's": "git checkout -q feature",
    "a branch without common history": "git checkout -q pages",
    "an orphan branch": "git checkout -q --orphan fresh",
    "an orphan branch off an old commit": "git checkout -q main~1; git checkout -q --orphan fresh",
    "an open bisect": "git bisect start; git bisect bad; git bisect good v1",
}


@pytest.mark.parametrize("place", sorted(LOOKED_AT))
def test_checking_out_another_commit_is_no_change(bench: History, place: str) -> None:
    bench.play(LOOKED_AT[place])
    made = bench.seal()
    assert (made.head_sha, made.changed, made.created) == (bench.base, False, False)


def test_work_that_does_not_apply_is_saved_and_named(bench: History) -> None:
    own = bench.commit({"lib.py": "by the task\n"}, at=bench.at)
    bench.agent("checkout", "-q", "main~1")
    bench.write({"lib.py": "version 1, edited\n"}, at=bench.at)
    made = bench.seal()
    assert (made.head_sha, made.conflicts, made.created) == (own, ("lib.py",), False)
    assert made.saved is not None
    assert bench.show(f"{made.saved}:lib.py") == "version 1, edited\n"
    assert bench.parents(made.saved) == [bench.sha("main~1")]
    assert bench.refs()[f"refs/swarm/kept/t/{made.saved}"] == made.saved


def test_commits_outside_the_branch_are_kept(bench: History) -> None:
    bench.play(ELSEWHERE["a new branch off one that has not landed"])
    own = bench.sha("HEAD", at=bench.at)
    made = bench.seal()
    assert not bench.contains(made.head_sha, bench.sha("feature"))
    assert bench.refs()[f"refs/swarm/kept/t/{own}"] == own


def test_a_checked_out_commit_has_the_files_of_that_commit(bench: History) -> None:
    bench.play(ELSEWHERE["an older commit, uncommitted"])
    made = bench.seal()
    assert made.out_of_place
    bench.tree.checkout.put_back(made.head_sha, ref=bench.tree.ref)
    assert (bench.at / "note.txt").exists()
    assert (bench.at / "lib.py").exists()


def test_a_resolved_conflict_stays_as_the_agent_resolved_it(bench: History) -> None:
    """Even if it kept the file of its earlier attempt, which is then the same as at the attempt's start."""
    own = bench.commit({"lib.py": "by the task\n"}, at=bench.at)
    bench.seal()
    other = bench.open("other", bench.base)
    bench.write({"lib.py": "by the other\n", "first.txt": "1\n"}, at=other.cwd)
    landed = bench.land(take_snapshot(other.checkout, safe="other", base_sha=bench.base, message="other").head_sha)
    bench.tree = bench.open("t", landed)
    bench.play("git merge -q swarm/integration; git checkout -q --ours lib.py; git add -A; git commit -q -m merged")
    made = bench.seal()
    assert made.restored == ()
    assert bench.contains(made.head_sha, own)
    assert bench.change_of(bench.land(made.head_sha)) == {"lib.py": "M"}


def test_a_landed_edit_that_a_merge_dropped_is_restored(bench: History) -> None:
    bench.commit({"lib.py": "version 2\nby the task\n"}, at=bench.at)
    other = bench.open("other", bench.base)
    bench.write({"README": "hello, edited\n", "first.txt": "1\n"}, at=other.cwd)
    bench.land(take_snapshot(other.checkout, safe="other", base_sha=bench.base, message="other").head_sha)
    bench.play("git merge -q -s ours -m merged swarm/integration")
    made = bench.seal()
    assert made.restored == ("README", "first.txt")
    assert made.out_of_place
    assert bench.change_of(bench.land(made.head_sha)) == {"lib.py": "M"}


EMPTIED = {
    "all files": 'rm -rf "$PWD"/*',
    "all files and the link to git": 'rm -rf "$PWD"/* "$PWD"/.git',
    "everything": "find . -mindepth 1 -delete",
    "everything, with a new repository": "find . -mindepth 1 -delete; git init -q",
    "everything, with a link elsewhere": "find . -mindepth 1 -delete; echo 'gitdir: /nowhere' > .git",
    "all files, with git": "git rm -q -r -f .",
    "all files, with another commit checked out": 'git checkout -q v1; rm -rf "$PWD"/*',
}


@pytest.mark.parametrize("how", sorted(EMPTIED))
def test_an_emptied_worktree_counts_as_an_accident(bench: History, how: str) -> None:
    bench.play(EMPTIED[how])
    made = bench.seal()
    assert (made.head_sha, made.changed, made.emptied) == (bench.base, False, True)
    again = bench.open("t", bench.base)
    assert (again.cwd / "lib.py").exists()
    assert bench.git("status", "--porcelain", cwd=again.cwd) == ""


@pytest.mark.parametrize("how", sorted(EMPTIED))
def test_commits_made_before_the_worktree_was_emptied_are_kept(bench: History, how: str) -> None:
    own = bench.commit({"own.txt": "1\n"}, at=bench.at)
    bench.play(EMPTIED[how])
    made = bench.seal()
    assert (made.head_sha, made.emptied) == (own, True)


def test_if_most_files_are_missing_they_are_not_deletions_and_other_edits_are_kept(bench: History) -> None:
    bench.play(f"rm module*.py old.txt; {NOTE}")
    made = bench.seal()
    assert made.vanished == ("module0.py", "module1.py", "module2.py", "old.txt")
    assert not made.emptied
    assert bench.change_of(bench.land(made.head_sha)) == {"note.txt": "A"}


def test_a_commit_of_the_agent_that_deletes_most_files_is_kept(bench: History) -> None:
    bench.play("git rm -q module*.py old.txt && git commit -q -m 'delete the old modules'")
    made = bench.seal()
    assert made.vanished == ()
    assert set(bench.change_of(bench.land(made.head_sha)).values()) == {"D"}


def test_a_few_deleted_files_are_deleted(bench: History) -> None:
    bench.play("rm module0.py old.txt")
    made = bench.seal()
    assert made.vanished == ()
    assert bench.change_of(bench.land(made.head_sha)) == {"module0.py": "D", "old.txt": "D"}


def test_moved_files_do_not_count_as_missing(bench: History) -> None:
    big = "".join(f"line {number}\n" for number in range(20))
    bench.tree = bench.open("t", bench.dated_commit({f"module{number}.py": f"{big}{number}\n" for number in range(3)}))
    bench.play("mkdir src; mv *.py old.txt src; echo edited >> src/module0.py")
    made = bench.seal()
    assert made.vanished == ()
    assert "src/module0.py" in bench.files(made.head_sha)
    assert "module0.py" not in bench.files(made.head_sha)


def test_without_its_link_to_git_a_worktree_deletes_nothing(bench: History) -> None:
    bench.play(f"rm -rf .git module0.py; git init -q; {NOTE}; {COMMIT}")
    made = bench.seal()
    assert made.vanished == ("module0.py",)
    assert bench.change_of(bench.land(made.head_sha)) == {"note.txt": "A"}


def test_the_only_file_of_a_project_can_be_replaced_but_not_vanish(tmp_path: Path) -> None:
    bench = Bench(tmp_path, files={"README": "hello\n"})
    (bench.at / "README").unlink()
    assert (bench.snap().head_sha, bench.snap().emptied) == (bench.base, True)
    bench.write({"README.md": "# A project of one file\n"}, at=bench.at)
    made = bench.snap()
    assert (bench.files(made.head_sha), made.vanished) == (("README.md",), ())


def test_emptying_the_projects_folder_counts_like_emptying_the_checkout(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"other/{number}": f"{number}\n" for number in range(9)}
    bench = Bench(tmp_path, files={**files, "api/one.py": "1\n", "api/two.py": "2\n"}, below="api")
    shutil.rmtree(bench.at)
    os.mkdir(bench.at)
    made = take_snapshot(bench.tree.checkout, safe="t", base_sha=bench.base, message="work", prefix="api")
    assert (made.head_sha, made.emptied) == (bench.base, True)


def test_the_start_of_an_attempt_is_recorded_for_work_of_the_same_second(bench: History) -> None:
    """Commit dates are in whole seconds: a commit of the second in which the attempt began is the agent's."""
    start = bench.tree.checkout.start()
    assert start is not None
    assert (start.sha, start.base_sha) == (bench.base, bench.base)
    assert start.at_s <= time.time()
