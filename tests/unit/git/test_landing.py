"""Landing: planned without a checkout, done by compare and swap, never on a branch that is checked out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from repositories import Harness

from swarm_shared.git.landing.bring_in import bring_in
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.merging.merging import Merge, MergeKind, merge_tree, unexplained_paths
from swarm_shared.git.plumbing.commits import message_with_trailers
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.stale_locks import ref_lock
from swarm_shared.git.running.git_errors import BranchInUse, GitFailed, RefLocked, RefMoved
from swarm_shared.git.running.runner import Git
from swarm_shared.git.snapshots.snapshot import take_snapshot


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


@pytest.fixture
def integration(harness: Harness) -> Integration:
    return Integration(repository=harness.repo)


def work(harness: Harness, safe: str, files: dict[str, str], base: str | None = None) -> str:
    """A task's commit with these files."""
    tree = harness.open(safe, base)
    harness.write(files, at=tree.cwd)
    return take_snapshot(tree.checkout, safe=safe, base_sha=tree.base_sha, message="work").head_sha


def plan(integration: Integration, head: str, tip: str, task_id: str = "t") -> Merge:
    return integration.plan_landing(head, tip=tip, task_id=task_id, attempt_id="uuid-1", name="Do it")


def land(integration: Integration, head: str) -> str:
    tip = integration.tip()
    assert tip is not None
    merge = plan(integration, head, tip)
    assert merge.new is not None
    integration.advance(merge.new, old=tip)
    return merge.new


def test_the_branch_begins_at_the_users_commit_and_only_once(harness: Harness, integration: Integration) -> None:
    assert integration.tip() is None
    assert integration.begin(harness.base) == harness.base
    later = harness.commit({"b": "1"})
    assert integration.begin(later) == harness.base


def test_many_workers_create_it_together(harness: Harness, integration: Integration) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: integration.begin(harness.base), range(8))) == {harness.base}


def test_landing_is_a_commit_with_two_parents_and_its_origin(harness: Harness, integration: Integration) -> None:
    tip = integration.begin(harness.base)
    head = work(harness, "t", {"b": "1"})
    merge = plan(integration, head, tip)
    assert merge.kind is MergeKind.MERGED
    assert integration.tip() == tip, "planning must not move the branch"
    assert merge.new is not None
    integration.advance(merge.new, old=tip)
    assert harness.git("rev-list", "--parents", "-n1", merge.new).split()[1:] == [tip, head]
    message = harness.git("log", "-1", "--format=%B", merge.new)
    assert message.startswith("Land t: Do it\n")
    assert harness.git("interpret-trailers", "--parse", stdin=message) == "Swarm-Task: t\nSwarm-Attempt: uuid-1"
    assert integration.contains(head)
    assert plan(integration, head, merge.new).kind is MergeKind.CONTAINED


def test_a_name_cannot_forge_a_trailer_or_break_the_message(harness: Harness) -> None:
    text = message_with_trailers("a\n\nSwarm-Task: other", {"Swarm-Task": "mine\nSwarm-Task: other"}, "# body")
    parsed = harness.git("interpret-trailers", "--parse", stdin=text)
    assert parsed == "Swarm-Task: mine Swarm-Task: other"


def test_tasks_that_touch_different_files_all_land(harness: Harness, integration: Integration) -> None:
    integration.begin(harness.base)
    heads = [work(harness, f"t{n}", {f"f{n}": str(n)}) for n in range(5)]
    for head in heads:
        land(integration, head)
    tip = integration.tip()
    assert tip is not None
    assert {f"f{n}" for n in range(5)} <= set(harness.files(tip))
    assert all(integration.contains(head) for head in heads)


def test_a_conflict_lists_the_paths_and_moves_nothing(harness: Harness, integration: Integration) -> None:
    integration.begin(harness.base)
    first = work(harness, "t1", {"a.txt": "one\nFIRST\nthree\n", "ü b": "1"})
    second = work(harness, "t2", {"a.txt": "one\nSECOND\nthree\n", "ü b": "2"})
    tip = land(integration, first)
    merge = plan(integration, second, tip)
    assert (merge.kind, merge.new) == (MergeKind.CONFLICT, None)
    assert set(merge.conflicts) == {"a.txt", "ü b"}
    assert any("CONFLICT (content)" in note for note in merge.notes)
    assert integration.tip() == tip


def test_a_path_deleted_here_and_changed_there_is_reported_as_a_conflict(
    harness: Harness, integration: Integration
) -> None:
    integration.begin(harness.base)
    changed = work(harness, "t1", {"a.txt": "changed\n"})
    tree = harness.open("t2")
    (tree.cwd / "a.txt").unlink()
    deleted = take_snapshot(tree.checkout, safe="t2", base_sha=harness.base, message="m").head_sha
    merge = plan(integration, deleted, land(integration, changed))
    assert merge.conflicts == ("a.txt",)
    assert any("modify/delete" in note for note in merge.notes)


def test_an_invalid_name_has_the_exit_code_of_a_conflict_but_is_not_one(harness: Harness) -> None:
    bad = harness.run("merge-tree", "--write-tree", harness.base, "no-such-commit")
    assert (bad.returncode, bad.stdout) == (1, ""), "git no longer behaves as measured"
    with pytest.raises(GitFailed):
        merge_tree(harness.repo.git, harness.base, "no-such-commit")


def test_histories_without_a_common_commit_are_an_error_and_no_conflict(harness: Harness) -> None:
    harness.git("checkout", "-q", "--orphan", "alone")
    alone = harness.commit({"x": "1"})
    with pytest.raises(GitFailed, match="unrelated histories"):
        merge_tree(harness.repo.git, harness.base, alone)


def test_merging_uses_the_attributes_of_the_branch_and_not_of_the_users_index(tmp_path: Path) -> None:
    harness = Harness(tmp_path, files={"LOG": "start\n", ".gitattributes": "LOG merge=union\n"})
    integration = Integration(repository=harness.repo)
    integration.begin(harness.base)
    first, second = work(harness, "t1", {"LOG": "start\nfirst\n"}), work(harness, "t2", {"LOG": "start\nsecond\n"})
    land(integration, first)
    harness.write({".gitattributes": "LOG -merge\n"})
    harness.git("add", "-A")
    assert harness.show(f"{land(integration, second)}:LOG") == "start\nfirst\nsecond\n"


def test_a_branch_that_was_moved_by_others_is_left_alone_and_reported(
    harness: Harness, integration: Integration
) -> None:
    tip = integration.begin(harness.base)
    merge = plan(integration, work(harness, "t", {"b": "1"}), tip)
    foreign = harness.commit({"c": "1"})
    harness.git("update-ref", integration.ref, foreign)
    assert merge.new is not None
    with pytest.raises(RefMoved) as caught:
        integration.advance(merge.new, old=tip)
    assert caught.value.found == foreign
    assert integration.tip() == foreign


def test_a_stale_lock_on_the_branch_does_not_count_as_a_move(harness: Harness, integration: Integration) -> None:
    tip = integration.begin(harness.base)
    merge = plan(integration, work(harness, "t", {"b": "1"}), tip)
    ref_lock(harness.repo, integration.ref).touch()
    assert merge.new is not None
    with pytest.raises(RefLocked):
        integration.advance(merge.new, old=tip)


def test_landing_twice_after_a_crash_has_the_effect_of_landing_once(harness: Harness, integration: Integration) -> None:
    tip = integration.begin(harness.base)
    merge = plan(integration, work(harness, "t", {"b": "1"}), tip)
    assert merge.new is not None
    integration.advance(merge.new, old=tip)
    integration.advance(merge.new, old=tip)
    assert integration.tip() == merge.new


@pytest.mark.parametrize("where", ["main checkout", "another worktree", "a worktree that is not mounted"])
def test_nothing_lands_on_a_branch_that_is_checked_out(harness: Harness, integration: Integration, where: str) -> None:
    tip = integration.begin(harness.base)
    merge = plan(integration, work(harness, "t", {"b": "1"}), tip)
    theirs = harness.folder / "disk" / "theirs"
    if where == "main checkout":
        harness.git("checkout", "-q", "swarm/integration")
    else:
        harness.git("worktree", "add", "-q", str(theirs), "swarm/integration")
    if "not mounted" in where:
        theirs.parent.rename(harness.folder / "unmounted")
    assert merge.new is not None
    with pytest.raises(BranchInUse) as caught:
        integration.advance(merge.new, old=tip)
    assert caught.value.at == (harness.root if where == "main checkout" else theirs)
    assert integration.tip() == tip
    with pytest.raises(BranchInUse):
        integration.begin(harness.base)


def test_moving_a_checked_out_branch_would_let_its_next_commit_revert_the_landing(
    harness: Harness, integration: Integration
) -> None:
    """Why landing refuses such a branch; as measured."""
    tip = integration.begin(harness.base)
    merge = plan(integration, work(harness, "t", {"b": "1"}), tip)
    assert merge.new is not None
    harness.git("checkout", "-q", "swarm/integration")
    harness.git("update-ref", integration.ref, merge.new, tip)
    harness.write({"mine": "1"})
    harness.git("add", "mine")
    harness.git("commit", "-q", "-m", "an innocent commit")
    assert "b" not in harness.files("swarm/integration")


def test_it_fast_forwards_to_the_users_branch(harness: Harness, integration: Integration) -> None:
    tip = integration.begin(harness.base)
    assert integration.plan_follow("refs/heads/main", tip=tip).kind is MergeKind.CONTAINED
    newer = harness.commit({"b": "1"})
    follow = integration.plan_follow("refs/heads/main", tip=tip)
    assert (follow.kind, follow.new) == (MergeKind.FAST_FORWARD, newer)


def test_it_merges_the_users_commits_with_landed_work(harness: Harness, integration: Integration) -> None:
    integration.begin(harness.base)
    tip = land(integration, work(harness, "t", {"b": "1"}))
    harness.commit({"c": "1"})
    follow = integration.plan_follow("refs/heads/main", tip=tip)
    assert follow.kind is MergeKind.MERGED
    assert follow.new is not None
    assert {"b", "c"} <= set(harness.files(follow.new))


def test_a_users_conflicting_commit_is_reported_with_its_paths(harness: Harness, integration: Integration) -> None:
    integration.begin(harness.base)
    tip = land(integration, work(harness, "t", {"a.txt": "swarm\n"}))
    harness.commit({"a.txt": "person\n"})
    follow = integration.plan_follow("refs/heads/main", tip=tip)
    assert (follow.kind, follow.conflicts) == (MergeKind.CONFLICT, ("a.txt",))


def test_a_deleted_branch_is_no_longer_followed(harness: Harness, integration: Integration) -> None:
    tip = integration.begin(harness.base)
    assert integration.plan_follow("refs/heads/gone", tip=tip).kind is MergeKind.CONTAINED


def test_the_owner_of_a_stale_branch_gets_the_landed_work(harness: Harness, integration: Integration) -> None:
    integration.begin(harness.base)
    work(harness, "t2", {"c": "mine"})
    tip = land(integration, work(harness, "t1", {"b": "theirs"}))
    tree = harness.open("t2", tip)
    merge = bring_in(tree, tip=tip, branch="swarm/integration", task_id="t2", attempt_id="u2")
    assert merge.kind is MergeKind.MERGED
    assert (tree.cwd / "b").read_text() == "theirs"
    assert (tree.cwd / "c").read_text() == "mine"
    assert harness.git("status", "--porcelain", cwd=tree.cwd) == ""
    assert harness.open("t2", tip).base_sha == tip


def test_the_owner_of_a_conflict_keeps_the_branch_and_gets_the_list(harness: Harness, integration: Integration) -> None:
    integration.begin(harness.base)
    mine = work(harness, "t2", {"a.txt": "mine\n"})
    tip = land(integration, work(harness, "t1", {"a.txt": "theirs\n"}))
    merge = bring_in(harness.open("t2", tip), tip=tip, branch="swarm/integration", task_id="t2", attempt_id="u2")
    assert merge.conflicts == ("a.txt",)
    assert harness.sha("swarm/task/t2") == mine


def test_work_on_a_file_that_was_renamed_meanwhile_lands_at_the_new_path(tmp_path: Path) -> None:
    text = "".join(f"line {n}\n" for n in range(20))
    harness = Harness(tmp_path, files={"old.txt": text, "b.txt": "one\ntwo\n"})
    integration = Integration(repository=harness.repo)
    base = integration.begin(harness.base)
    head = work(harness, "t1", {"old.txt": text.replace("line 3\n", "line 3 changed\n")})
    tree = harness.open("t2")
    (tree.cwd / "old.txt").rename(tree.cwd / "new.txt")
    tip = land(integration, take_snapshot(tree.checkout, safe="t2", base_sha=base, message="rename").head_sha)
    merge = plan(integration, head, tip)
    assert merge.new is not None
    assert "line 3 changed" in harness.show(f"{merge.new}:new.txt")
    known = {"base": base, "tip": tip, "merged": merge.new}
    assert unexplained_paths(harness.repo.git, head=head, **known) == ()
    # The rename explains one path, and no other loss.
    loss = harness.git("commit-tree", f"{base}^{{tree}}", "-p", tip, "-m", "a loss")
    assert unexplained_paths(harness.repo.git, base=base, head=head, tip=tip, merged=loss) == ()
    assert unexplained_paths(harness.repo.git, base=base, head=base, tip=tip, merged=loss) == ("new.txt", "old.txt")


def test_two_tasks_that_pass_alone_and_merge_cleanly_can_break_each_other(
    harness: Harness, integration: Integration
) -> None:
    """Why checks run again on the merged commit when the tip has moved; as measured."""
    base = harness.commit({"lib.py": "def f():\n    return 1\n", "use.py": ""})
    integration.begin(base)
    renamed = work(harness, "t1", {"lib.py": "def g():\n    return 1\n"}, base)
    used = work(harness, "t2", {"use.py": "from lib import f\n"}, base)
    land(integration, renamed)
    tip = land(integration, used)
    assert "def g" in harness.show(f"{tip}:lib.py")
    assert "import f" in harness.show(f"{tip}:use.py")


def test_a_bare_repository_also_lands_by_its_attributes(tmp_path: Path) -> None:
    harness = Harness(tmp_path, files={"deep/LOG": "start\n", "deep/.gitattributes": "LOG merge=union\n"})
    first = work(harness, "t1", {"deep/LOG": "start\nfirst\n"})
    second = work(harness, "t2", {"deep/LOG": "start\nsecond\n"})
    harness.git("clone", "-q", "--mirror", str(harness.root), str(tmp_path / "bare.git"))
    bare = Repository.find(tmp_path / "bare.git", git=Git(cwd=tmp_path, environ=harness.env))
    assert bare is not None
    integration = Integration(repository=bare)
    integration.begin(harness.base)
    land(integration, first)
    tip = land(integration, second)
    assert harness.git("show", f"{tip}:deep/LOG", cwd=tmp_path / "bare.git") == "start\nfirst\nsecond"


def test_a_name_that_no_commit_message_can_contain_still_lands(harness: Harness, integration: Integration) -> None:
    tip = integration.begin(harness.base)
    head = work(harness, "t", {"b": "1"})
    merge = integration.plan_landing(
        head, tip=tip, task_id="t\0", attempt_id="u", name="zero\0 half\ud800 " + "x" * 999
    )
    assert merge.new is not None
    assert harness.git("log", "-1", "--format=%s", merge.new).startswith("Land t: zero half? xxx")
