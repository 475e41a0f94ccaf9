"""What happens at the end of a run, and what must not have happened before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from integration_harness import Run
from repositories import all_dead, everything

from swarm_shared.domain.errors import NotFound
from swarm_shared.git.landing.bring_in import bring_in
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.land_into import land_into
from swarm_shared.git.landing.landing_worktree import landing_checkout
from swarm_shared.git.merging.conflict_markers import conflict_markers
from swarm_shared.git.merging.merging import MergeKind
from swarm_shared.git.plumbing.diffs import diff
from swarm_shared.git.running.git_errors import DirtyCheckout, GitError
from swarm_shared.git.snapshots.undo import undo_since
from swarm_shared.git.worktrees.leaks import fingerprint, leak


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_a_clean_checkout_is_moved_forward_with_its_files(run: Run) -> None:
    tip = run.land("t", {"b": "1", "a.txt": "new\n"})
    result = land_into(run.integration, "main")
    assert (result.merge.kind, result.merge.new, result.checkout) == (MergeKind.FAST_FORWARD, tip, run.root)
    assert run.sha("main") == tip
    assert (run.root / "a.txt").read_text() == "new\n"
    assert run.git("status", "--porcelain") == ""
    assert land_into(run.integration, "main").merge.kind is MergeKind.CONTAINED


def test_the_users_own_commits_are_merged(run: Run) -> None:
    run.land("t", {"b": "1"})
    mine = run.commit({"mine": "1"})
    result = land_into(run.integration, "main")
    assert result.merge.kind is MergeKind.MERGED
    assert run.git("rev-list", "--parents", "-n1", "main").split()[1:] == [mine, run.integration.tip()]
    assert (run.root / "b").exists()
    assert run.git("status", "--porcelain") == ""


def test_a_branch_without_a_checkout_is_just_moved(run: Run) -> None:
    run.git("branch", "release")
    tip = run.land("t", {"b": "1"})
    before = everything(run.root)
    result = land_into(run.integration, "release")
    assert (result.checkout, run.sha("release")) == (None, tip)
    after = everything(run.root)
    moved = {path for path in after if before.get(path) != after[path]}
    assert moved == {str(run.root / ".git" / "refs" / "heads" / "release")}


def test_a_conflict_with_the_user_changes_nothing(run: Run) -> None:
    run.land("t", {"a.txt": "swarm\n"})
    run.commit({"a.txt": "person\n"})
    before = everything(run.root)
    result = land_into(run.integration, "main")
    assert (result.merge.kind, result.merge.conflicts) == (MergeKind.CONFLICT, ("a.txt",))
    assert everything(run.root) == before


@pytest.mark.parametrize("dirt", ["changed", "staged", "deleted"])
def test_a_dirty_checkout_is_refused_and_left_alone(run: Run, dirt: str) -> None:
    run.land("t", {"b": "1"})
    (run.root / "a.txt").unlink() if dirt == "deleted" else run.write({"a.txt": "dirty"})
    if dirt == "staged":
        run.git("add", "a.txt")
    before = everything(run.root)
    with pytest.raises(DirtyCheckout) as caught:
        land_into(run.integration, "main")
    assert caught.value.paths == ("a.txt",)
    assert everything(run.root) == before


def test_an_untracked_file_that_would_be_overwritten_is_refused_and_left_alone(run: Run) -> None:
    run.land("t", {"b": "theirs"})
    run.write({"b": "mine", "harmless": "1"})
    with pytest.raises(DirtyCheckout, match="would be overwritten") as caught:
        land_into(run.integration, "main")
    assert caught.value.paths == ("b",)
    assert (run.root / "b").read_text() == "mine"
    assert run.sha("main") == run.base
    (run.root / "b").unlink()
    assert land_into(run.integration, "main").merge.kind is MergeKind.FAST_FORWARD


def test_a_checkout_in_the_middle_of_a_merge_is_refused(run: Run) -> None:
    run.git("checkout", "-q", "-b", "side")
    run.commit({"s": "1"})
    run.git("checkout", "-q", "main")
    run.git("merge", "-q", "--no-commit", "--no-ff", "side")
    run.land("t", {"b": "1"})
    with pytest.raises(DirtyCheckout, match="in the middle"):
        land_into(run.integration, "main")


def test_a_checkout_on_an_unmounted_disk_is_refused(run: Run) -> None:
    run.git("worktree", "add", "-q", "-b", "far", str(run.folder / "disk" / "far"))
    (run.folder / "disk").rename(run.folder / "unmounted")
    run.land("t", {"b": "1"})
    with pytest.raises(DirtyCheckout, match="mounted"):
        land_into(run.integration, "far")


def test_a_missing_branch_is_reported_with_the_nearest_of_the_users_own(run: Run) -> None:
    run.git("branch", "release/2")
    for typed, hint in (
        ("mian", 'did you mean "main"?'),
        ("relaese/2", 'did you mean "release/2"?'),
        ("zzz", "your branches are: main, release/2"),
        ("swarm/integratio", "your branches are: main, release/2"),
    ):
        with pytest.raises(NotFound, match=f"no branch {typed}") as refused:
            land_into(run.integration, typed)
        assert refused.value.hint == hint
    with pytest.raises(GitError):
        land_into(run.integration, "-x")
    other = Integration(repository=run.repo, ref="refs/heads/swarm/other")
    with pytest.raises(NotFound, match="nothing has landed"):
        land_into(other, "main")


def test_nothing_we_do_touches_the_users_checkout(run: Run) -> None:
    """Byte for byte, times included: index, HEAD, branches, settings and files; also with uncommitted changes."""
    run.git("remote", "add", "origin", "https://example.invalid/x.git")
    run.write({"a.txt": "being edited", "untracked": "1", "staged": "1"})
    run.git("add", "staged")
    run.git("stash", "list")
    before = everything(run.root)
    mark = fingerprint(run.repo)

    tip = run.land("t1", {"b": "1"})
    run.work("t2", {"a.txt": "conflict\n"})
    tree = run.open("t2", tip)
    bring_in(tree, tip=tip, branch="swarm/integration", task_id="t2", attempt_id="u")
    diff(run.repo.git, run.base, tip)
    conflict_markers(run.repo.git, run.base, tip)
    undo_since(tree.checkout, run.sha("swarm/task/t2"), ref=tree.ref)
    landing_checkout(run.repo, run.folder / "state" / "landing", tip, holder_is_dead=all_dead)
    run.integration.plan_follow("refs/heads/main", tip=tip)
    run.prune()
    run.trees.remove("t2")

    assert everything(run.root) == before
    assert not leak(mark, fingerprint(run.repo))


def test_checking_for_leaks_writes_nothing_although_file_times_are_stale(run: Run) -> None:
    run.write({"a.txt": (run.root / "a.txt").read_text()})
    before = everything(run.root)
    assert fingerprint(run.repo).paths.keys() == {".git/config"}
    assert everything(run.root) == before
    run.git("status")
    assert everything(run.root) != before, "an ordinary status would not have written the index either"


def test_a_write_outside_the_worktree_is_reported_by_its_paths(run: Run) -> None:
    run.write({"dirty": "1", "folder/x": "1", "a b": "1"})
    before = fingerprint(run.repo)
    assert not leak(before, fingerprint(run.repo))
    run.write({"dirty": "12", "folder/y": "1", "a.txt": "changed", "ü\nz": "1"})
    (run.root / "a b").unlink()
    found = leak(before, fingerprint(run.repo))
    assert (found.paths, found.head_moved) == (("a b", "a.txt", "dirty", "folder/y", "ü\nz"), False)


def test_a_commit_and_a_setting_in_the_users_checkout_are_leaks(run: Run) -> None:
    before = fingerprint(run.repo)
    run.git("mv", "a.txt", "b.txt")
    staged = leak(before, fingerprint(run.repo))
    assert staged.paths == ("a.txt", "b.txt")
    run.git("commit", "-q", "-m", "x")
    run.git("config", "user.name", "An agent")
    found = leak(before, fingerprint(run.repo))
    assert (found.paths, found.head_moved) == ((".git/config",), True)


def test_our_own_files_in_the_project_are_not_leaks(run: Run) -> None:
    ours = [run.root / "tasks.db", run.root / "tasks.db.swarm"]
    before = fingerprint(run.repo, ignore=ours)
    run.write({"tasks.db": "1", "tasks.db-wal": "1", "tasks.db.swarm/logs/x": "1", "tasks.dbx": "1"})
    assert leak(before, fingerprint(run.repo, ignore=ours)).paths == ("tasks.dbx",)


def test_landed_tasks_are_pruned_and_all_others_kept(run: Run) -> None:
    run.land("landed", {"b": "1"})
    run.work("not-landed", {"c": "1"})
    run.land("dirty", {"d": "1"})
    run.write({"later": "1"}, at=run.trees.path_of("dirty"))
    run.land("running", {"e": "1"})
    run.open("untouched", run.integration.tip())
    assert run.prune(busy=["running"]) == {
        "landed": None,
        "not-landed": "its commits have not landed",
        "dirty": "its files have changes that are not committed",
        "running": "in use",
        "untouched": None,
    }
    left = {path.name for path in run.trees.root.iterdir()}
    assert left == {"not-landed", "dirty", "running"}
    branches = {ref.removeprefix("refs/heads/swarm/task/") for ref in run.refs() if "/swarm/task/" in ref}
    assert branches == left
    assert not [ref for ref in run.refs() if ref.startswith("refs/swarm/kept/landed/")]


def test_a_detached_commit_and_a_clone_keep_their_worktree(run: Run) -> None:
    run.land("detached", {"b": "1"})
    at = run.trees.path_of("detached")
    run.git("checkout", "-q", "--detach", cwd=at)
    run.commit({"only here": "1"}, at=at)
    run.land("clone", {"c": "1"})
    run.git("clone", "-q", str(run.root), "lib", cwd=run.trees.path_of("clone"))
    kept = run.prune()
    assert kept["detached"] == "its HEAD has commits that have not landed"
    assert "lib" in (kept["clone"] or "")


def test_earlier_heads_that_did_not_land_outlive_their_branch(run: Run) -> None:
    first = run.work("t", {"b": "first try"})
    run.git("reset", "-q", "--hard", run.base, cwd=run.trees.path_of("t"))
    run.land("t", {"c": "second try"})
    assert run.prune() == {"t": None}
    assert run.refs()[f"refs/swarm/kept/t/{first}"] == first


def test_discarded_work_is_removed_completely(run: Run) -> None:
    run.work("t", {"b": "1"})
    assert run.prune(forced=["t"]) == {"t": None}
    assert not run.trees.path_of("t").exists()
    assert not [ref for ref in run.refs() if "/t" in ref.removeprefix("refs/heads/swarm/t")]


def test_a_branch_without_a_folder_and_a_users_copy_of_one(run: Run) -> None:
    run.land("gone", {"b": "1"})
    shutil.rmtree(run.trees.path_of("gone"))
    run.land("theirs", {"c": "1"})
    run.trees.remove("theirs")
    run.git("worktree", "add", "-q", str(run.folder / "copy"), "swarm/task/theirs")
    kept = run.prune()
    assert kept["gone"] is None
    assert "checked out in" in (kept["theirs"] or "")
    assert run.sha("swarm/task/theirs")
