"""Whatever an agent does to its worktree, its work ends up in one commit on the task's branch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from repositories import all_dead, everything
from task_bench import Bench

from swarm_shared.git.landing.following import Integration
from swarm_shared.git.merging.merging import unexplained_paths
from swarm_shared.git.running.process import Completed, run_process
from swarm_shared.git.snapshots.snapshot import take_snapshot
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_new_changed_and_deleted_files_are_committed(bench: Bench) -> None:
    bench.write({"new/b.txt": "b", "debug.log": "ignored", ".gitignore": "*.log\n"}, at=bench.at)
    (bench.at / "a.txt").unlink()
    snapshot = bench.snap()
    assert bench.sha("swarm/task/t") == snapshot.head_sha
    assert bench.parents(snapshot.head_sha) == [bench.base]
    assert bench.files(snapshot.head_sha) == (".gitignore", "new/b.txt")
    assert (snapshot.changed, snapshot.created) == (True, True)


def test_without_changes_there_is_no_commit(bench: Bench) -> None:
    snapshot = bench.snap()
    assert (snapshot.head_sha, snapshot.changed, snapshot.created) == (bench.base, False, False)
    assert not [ref for ref in bench.refs() if ref.startswith("refs/swarm/")]


def test_work_that_the_agent_committed_itself_needs_no_further_commit(bench: Bench) -> None:
    own = bench.commit({"b": "1"}, at=bench.at)
    snapshot = bench.snap()
    assert (snapshot.head_sha, snapshot.changed, snapshot.created) == (own, True, False)


def test_a_reverted_change_does_not_count_as_a_change_since_the_base(bench: Bench) -> None:
    bench.commit({"b": "1"}, at=bench.at)
    (bench.at / "b").unlink()
    assert bench.snap().changed is False


def test_the_files_are_not_touched_and_show_as_committed(bench: Bench) -> None:
    bench.write({"b": "1", "c": "2"}, at=bench.at)
    bench.agent("add", "b")
    before = everything(bench.at)
    bench.snap()
    assert everything(bench.at) == before
    assert bench.git("status", "--porcelain", cwd=bench.at) == "", "for the validator, which sees it next"
    assert [path.name for path in bench.tree.checkout.git_dir.glob("swarm-index-*")] == []


def test_an_index_that_is_locked_is_not_touched(bench: Bench) -> None:
    bench.write({"b": "1"}, at=bench.at)
    index = bench.tree.checkout.git_dir / "index"
    before = (index.read_bytes(), index.stat().st_mtime_ns)
    index.with_name("index.lock").touch()
    bench.snap()
    assert (index.read_bytes(), index.stat().st_mtime_ns) == before


def test_it_works_under_a_stale_index_lock(bench: Bench) -> None:
    bench.write({"b": "1"}, at=bench.at)
    (bench.tree.checkout.git_dir / "index.lock").touch()
    assert bench.run("add", "-A", cwd=bench.at).returncode != 0
    assert "b" in bench.files(bench.snap().head_sha)


def test_it_runs_no_hook(bench: Bench) -> None:
    hook = bench.root / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{bench.folder}/called'\nexit 1\n")
    hook.chmod(0o755)
    bench.write({"b": "1"}, at=bench.at)
    assert bench.run("commit", "-qam", "x", "--allow-empty", cwd=bench.at).returncode != 0, "the hook must fail"
    (bench.folder / "called").unlink()
    assert bench.snap().created
    assert not (bench.folder / "called").exists()


@pytest.mark.parametrize("damage", ["missing", "garbage"])
def test_it_works_without_a_usable_index(bench: Bench, damage: str) -> None:
    bench.write({"b": "1"}, at=bench.at)
    index = bench.tree.checkout.git_dir / "index"
    index.unlink() if damage == "missing" else index.write_bytes(b"no index")
    assert bench.files(bench.snap().head_sha) == (".gitignore", "a.txt", "b")
    assert bench.open("t").head_sha == bench.sha("swarm/task/t")


@pytest.mark.parametrize("damage", ["HEAD missing", "HEAD garbage", "commondir missing"])
def test_it_works_without_a_usable_git_directory(bench: Bench, damage: str) -> None:
    bench.write({"b": "1"}, at=bench.at)
    name, _, how = damage.partition(" ")
    file = bench.tree.checkout.git_dir / name
    file.unlink() if how == "missing" else file.write_bytes(b"no head")
    assert bench.files(bench.snap().head_sha) == (".gitignore", "a.txt", "b")
    assert bench.git("status", "--porcelain", cwd=bench.open("t").cwd) == ""


def test_the_agents_own_branch_is_followed(bench: Bench) -> None:
    bench.agent("checkout", "-q", "-b", "feature/mine")
    own = bench.commit({"b": "1"}, at=bench.at)
    bench.write({"c": "uncommitted"}, at=bench.at)
    snapshot = bench.snap()
    assert bench.parents(snapshot.head_sha) == [own]
    assert {"b", "c"} <= set(bench.files(snapshot.head_sha))
    assert bench.sha("feature/mine") == own
    assert bench.git("symbolic-ref", "HEAD", cwd=bench.at) == "refs/heads/feature/mine", (
        "the agent's HEAD must not move"
    )
    bench.open("t")
    assert bench.git("symbolic-ref", "HEAD", cwd=bench.at) == "refs/heads/swarm/task/t"


def test_commits_on_a_detached_head_and_on_the_branch_are_both_kept(bench: Bench) -> None:
    on_branch = bench.commit({"b": "1"}, at=bench.at)
    bench.agent("checkout", "-q", "--detach", bench.base)
    detached = bench.commit({"c": "1"}, at=bench.at)
    snapshot = bench.snap()
    assert bench.parents(snapshot.head_sha) == [on_branch, detached]
    assert set(bench.files(snapshot.head_sha)) == {".gitignore", "a.txt", "b", "c"}


def test_an_orphan_branch_is_kept_with_or_without_a_commit(bench: Bench) -> None:
    bench.agent("checkout", "-q", "--orphan", "fresh")
    bench.write({"b": "1"}, at=bench.at)
    assert bench.parents(bench.snap().head_sha) == [bench.base]
    alone = bench.commit({"c": "1"}, at=bench.at)
    assert alone in bench.parents(bench.snap().head_sha)


def conflicting(bench: Bench) -> str:
    """The agent changed a line that was also changed elsewhere; returns the other commit."""
    bench.commit({"a.txt": "one\nagent\nthree\n"}, at=bench.at)
    return bench.commit({"a.txt": "one\nother\nthree\n", "other.txt": "1"})


def test_an_unfinished_rebase_that_does_not_apply_is_saved_as_it_is_on_disk(bench: Bench) -> None:
    conflicting(bench)
    tip = bench.sha("swarm/task/t")
    assert bench.run("rebase", "main", cwd=bench.at).returncode != 0
    snapshot = bench.snap()
    assert (snapshot.head_sha, snapshot.conflicts) == (tip, ("a.txt",))
    assert "<<<<<<<" in bench.show(f"{snapshot.saved}:a.txt")
    again = bench.open("t")
    assert "rebase" not in bench.git("status", cwd=again.cwd)
    assert bench.git("status", "--porcelain", cwd=again.cwd) == ""


def test_a_merge_that_was_resolved_but_not_committed_is_a_merge(bench: Bench) -> None:
    """Without its second parent the same conflict would come back at landing."""
    other = conflicting(bench)
    assert bench.run("merge", "main", cwd=bench.at).returncode != 0
    bench.write({"a.txt": "one\nboth\nthree\n"}, at=bench.at)
    snapshot = bench.snap()
    assert other in bench.parents(snapshot.head_sha)
    integration = Integration(repository=bench.repo)
    tip = integration.begin(other)
    landing = integration.plan_landing(snapshot.head_sha, tip=tip, task_id="t", attempt_id="u", name="n")
    assert landing.new is not None
    assert bench.show(f"{landing.new}:a.txt") == "one\nboth\nthree\n"


def test_a_merge_whose_files_were_restored_does_not_count_as_merged(bench: Bench) -> None:
    """Otherwise landing would revert everything that the merge had brought, without any conflict."""
    other = conflicting(bench)
    assert bench.run("merge", "main", cwd=bench.at).returncode != 0
    bench.agent("checkout", "-f", "HEAD", "--", ".")
    bench.agent("rm", "-q", "--cached", "-f", "other.txt")
    (bench.at / "other.txt").unlink()
    assert (bench.tree.checkout.git_dir / "MERGE_HEAD").exists()
    assert not bench.contains(bench.snap().head_sha, other)


def test_a_squash_that_drops_the_other_side_is_detected_at_landing(bench: Bench) -> None:
    bench.commit({"b.txt": "mine"}, at=bench.at)
    bench.commit({"other.txt": "theirs"})
    bench.agent("reset", "-q", "--soft", "main")
    bench.agent("commit", "-q", "--no-verify", "-m", "squashed")
    snapshot = bench.snap()
    integration = Integration(repository=bench.repo)
    tip = integration.begin(bench.sha("main"))
    landing = integration.plan_landing(snapshot.head_sha, tip=tip, task_id="t", attempt_id="u", name="n")
    assert landing.new is not None
    assert "other.txt" not in bench.files(landing.new), "git merges the loss without a conflict"
    surprise = unexplained_paths(bench.repo.git, base=bench.base, head=snapshot.head_sha, tip=tip, merged=landing.new)
    assert surprise == ("other.txt",)


def test_a_branch_that_the_agent_deleted_or_rewound_loses_nothing(bench: Bench) -> None:
    bench.write({"b": "1"}, at=bench.at)
    first = bench.snap().head_sha
    bench.agent("reset", "-q", "--hard", bench.base)
    bench.write({"c": "1"}, at=bench.at)
    second = bench.snap().head_sha
    assert not bench.contains(second, first)
    assert {f"refs/swarm/kept/t/{first}", f"refs/swarm/kept/t/{second}"} <= set(bench.refs())
    bench.agent("checkout", "-q", "--detach")
    bench.agent("update-ref", "-d", "refs/heads/swarm/task/t")
    bench.write({"d": "1"}, at=bench.at)
    assert {"c", "d"} <= set(bench.files(bench.snap().head_sha)), "the files are those on disk"


def test_an_agent_that_deletes_its_git_link_does_not_lead_us_into_the_users_checkout(tmp_path: Path) -> None:
    """The state directory may be inside the project: git would find the project by searching upwards."""
    bench = Bench(tmp_path)
    inside = type(bench.trees)(bench.repo, bench.root / "tasks.db.swarm" / "worktrees")
    tree = inside.open("u", bench.base, holder_is_dead=all_dead)
    bench.write({"b": "1"}, at=tree.cwd)
    (tree.cwd / ".git").unlink()
    assert bench.git("rev-parse", "--show-toplevel", cwd=tree.cwd) == str(bench.root)
    snapshot = take_snapshot(tree.checkout, safe="u", base_sha=bench.base, message="m")
    assert bench.files(snapshot.head_sha) == (".gitignore", "a.txt", "b")
    inside.open("u", bench.base, holder_is_dead=all_dead)
    assert bench.git("symbolic-ref", "HEAD", cwd=tree.cwd) == "refs/heads/swarm/task/u"
    assert bench.sha("main") == bench.base


def test_an_agent_that_turns_its_worktree_into_a_separate_repository_does_not_hide_its_work(bench: Bench) -> None:
    (bench.at / ".git").unlink()
    bench.agent("init", "-q")
    bench.commit({"b": "1"}, at=bench.at)
    snapshot = bench.snap()
    assert set(bench.files(snapshot.head_sha)) == {".gitignore", "a.txt", "b"}
    assert bench.parents(snapshot.head_sha) == [bench.base]
    bench.open("t")
    assert bench.git("symbolic-ref", "HEAD", cwd=bench.at) == "refs/heads/swarm/task/t"
    assert (bench.tree.checkout.git_dir / "replaced-1.git" / "HEAD").exists()


def test_links_and_modes_are_committed_and_special_files_are_not(bench: Bench) -> None:
    (bench.at / "link").symlink_to("nowhere")
    os.mkfifo(bench.at / "pipe")
    bench.write({"tool": "#!/bin/sh\n"}, at=bench.at)
    (bench.at / "tool").chmod(0o755)
    head = bench.snap().head_sha
    listing = bench.git("ls-tree", head)
    assert "120000 blob" in listing
    assert "100755 blob" in listing
    assert "pipe" not in listing


def test_an_unreadable_file_excludes_no_other_and_is_not_deleted(bench: Bench) -> None:
    def refusing(command: Sequence[str], **how: Any) -> Completed:
        if "add" not in command:
            return run_process(command, **how)
        done = run_process([*command, ":/", ":(exclude)secret"], **how)
        assert done.code == 0, done.err
        return Completed(code=1, out=b"", err='error: open("secret"): Permission denied\nerror: unable to index file\n')

    bench.write({"good": "1", "secret": "2"}, at=bench.at)
    repo = replace(bench.repo, git=replace(bench.repo.git, run=refusing))
    again = TaskWorktrees(repo, bench.trees.root).open("t", bench.base, holder_is_dead=all_dead)
    assert again.leftover is not None
    assert "good" in bench.files(again.leftover.head_sha)
    assert again.leftover.refused[0] == 'open("secret"): Permission denied'
    assert (bench.at / "secret").exists(), "a file that is in no commit was deleted"


def test_a_change_that_file_times_do_not_show_is_detected(bench: Bench) -> None:
    """Git compares contents if a file is as young as the index; a copied index must be no younger than the original."""
    bench.settings.write_text(bench.settings.read_text() + "[core]\n\ttrustctime = false\n")
    index, file = bench.tree.checkout.git_dir / "index", bench.at / "b"
    moment = (1_700_000_000, 1_700_000_000)
    file.write_text("one")
    os.utime(file, moment)
    bench.agent("add", "b")
    os.utime(index, moment)
    file.write_text("two")
    os.utime(file, moment)
    assert bench.show(f"{bench.snap().head_sha}:b") == "two"


def test_commits_carry_the_users_name_or_ours(bench: Bench) -> None:
    bench.write({"b": "1"}, at=bench.at)
    assert bench.git("log", "-1", "--format=%an <%ae> %cn", bench.snap().head_sha) == (
        "Ada Person <ada@example.org> Ada Person"
    )
    bench.settings.write_text("")
    bench.write({"b": "2"}, at=bench.at)
    assert bench.git("log", "-1", "--format=%an <%ae>", bench.snap().head_sha) == "Amplifier Swarm <swarm@localhost>"


def test_a_snapshot_of_a_repository_with_other_hashes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, object_format="sha256")
    bench.write({"b": "1"}, at=bench.at)
    head = bench.snap().head_sha
    assert len(head) == 64
    integration = Integration(repository=bench.repo)
    tip = integration.begin(bench.base)
    landing = integration.plan_landing(head, tip=tip, task_id="t", attempt_id="u", name="n")
    assert landing.new is not None
    integration.advance(landing.new, old=tip)
    assert integration.contains(head)


def test_a_worktree_that_the_agent_deleted_is_not_a_deletion_of_all_files(bench: Bench) -> None:
    own = bench.commit({"b": "1"}, at=bench.at)
    shutil.rmtree(bench.at)
    snapshot = bench.snap()
    assert (snapshot.head_sha, snapshot.changed, snapshot.created) == (own, True, False)
    assert snapshot.refused == (f"{bench.at} is gone",)
    again = bench.open("t")
    assert again.leftover is None
    assert (again.cwd / "b").exists()


def test_a_worktree_that_git_was_made_to_forget_is_still_committed(bench: Bench) -> None:
    bench.write({"staged by the person": "1"})
    bench.git("add", "-A")
    before = everything(bench.root)
    bench.write({"b": "1"}, at=bench.at)
    shutil.rmtree(bench.tree.checkout.git_dir)
    snapshot = bench.snap()
    assert bench.files(snapshot.head_sha) == (".gitignore", "a.txt", "b")
    assert bench.parents(snapshot.head_sha) == [bench.base]
    assert everything(bench.root) == before
    again = bench.open("t")
    assert (again.head_sha, again.set_aside is None) == (snapshot.head_sha, False)


def test_a_worktree_that_the_agent_removed_with_git_loses_no_commit(bench: Bench) -> None:
    own = bench.commit({"b": "1"}, at=bench.at)
    bench.git("worktree", "remove", "--force", str(bench.at))
    assert bench.snap().head_sha == own
