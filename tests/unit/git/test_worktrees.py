"""A worktree per task, at a stable path, without touching other worktrees."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import Harness, all_dead, many_names

from swarm_shared.domain.branch_names import kept_ref, task_ref
from swarm_shared.git.landing.landing_worktree import landing_checkout
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.stale_locks import ref_lock
from swarm_shared.git.running.git_errors import BranchInUse, GitError, GitFailed
from swarm_shared.git.running.process import Completed, run_process
from swarm_shared.git.running.runner import Git
from swarm_shared.git.worktrees.listing import checked_out_at, git_dir_of, list_worktrees
from swarm_shared.git.worktrees.task_worktrees import READY_MARK, TaskWorktrees


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def test_a_new_task_gets_its_own_files_and_branch_from_the_base(harness: Harness) -> None:
    harness.commit({"a.txt": "later"})
    tree = harness.open("2.6.1.a")
    assert tree.cwd == harness.folder / "state" / "worktrees" / "2.6.1.a"
    assert (tree.cwd / "a.txt").read_text() == "one\ntwo\nthree\n"
    assert harness.git("symbolic-ref", "HEAD", cwd=tree.cwd) == "refs/heads/swarm/task/2.6.1.a"
    assert harness.git("status", "--porcelain", cwd=tree.cwd) == ""
    assert (tree.head_sha, tree.base_sha, tree.earlier_work, tree.leftover) == (harness.base, harness.base, False, None)


def test_a_retry_finds_the_same_folder_and_the_earlier_work(harness: Harness) -> None:
    tree = harness.open("t")
    work = harness.commit({"b.txt": "mine"}, at=tree.cwd)
    harness.write({"build.log": "ignored"}, at=tree.cwd)
    base = harness.commit({"c.txt": "theirs"})
    again = harness.open("t", base)
    assert again.cwd == tree.cwd
    assert (again.head_sha, again.base_sha, again.earlier_work) == (work, harness.base, True)
    assert (again.cwd / "build.log").exists()


def test_a_retry_without_earlier_work_starts_from_the_newer_base(harness: Harness) -> None:
    harness.open("t")
    base = harness.commit({"c.txt": "theirs"})
    again = harness.open("t", base)
    assert (again.head_sha, again.base_sha, again.earlier_work) == (base, base, False)
    assert (again.cwd / "c.txt").exists()


def test_changes_left_by_a_dead_attempt_are_committed_before_the_next_begins(harness: Harness) -> None:
    tree = harness.open("t")
    harness.write({"b.txt": "half done", "a.txt": "changed"}, at=tree.cwd)
    (tree.checkout.git_dir / "index.lock").touch()
    (tree.checkout.git_dir / "HEAD.lock").touch()
    ref_lock(harness.repo, tree.ref).touch()
    again = harness.open("t")
    assert again.leftover is not None
    assert harness.show(f"{again.head_sha}:b.txt") == "half done"
    assert harness.git("status", "--porcelain", cwd=again.cwd) == ""


def test_a_lock_left_by_a_killed_git_on_a_kept_head_blocks_nothing(harness: Harness) -> None:
    tree = harness.open("t")
    harness.write({"b.txt": "half done"}, at=tree.cwd)
    kept = harness.open("t").head_sha
    left = ref_lock(harness.repo, kept_ref("t", kept))
    left.touch()
    assert harness.open("t").head_sha == kept
    assert not left.exists()


def test_locks_of_living_processes_are_not_touched(harness: Harness) -> None:
    tree = harness.open("t")
    lock = tree.checkout.git_dir / "index.lock"
    lock.touch()
    with pytest.raises(GitFailed, match=r"index\.lock"):
        harness.trees.open("t", harness.base, holder_is_dead=lambda _: False)
    assert lock.exists()
    assert (tree.checkout.git_dir / "index").exists()


def test_a_vanished_folder_is_recreated_from_its_branch(harness: Harness) -> None:
    tree = harness.open("t")
    harness.commit({"b.txt": "mine"}, at=tree.cwd)
    shutil.rmtree(tree.cwd)
    assert (harness.open("t").cwd / "b.txt").read_text() == "mine"


def test_a_folder_that_is_no_longer_a_worktree_is_moved_and_not_deleted(harness: Harness) -> None:
    tree = harness.open("t")
    harness.write({"precious": "work"}, at=tree.cwd)
    shutil.rmtree(tree.checkout.git_dir)
    again = harness.open("t")
    assert again.set_aside is not None
    assert (again.set_aside / "precious").read_text() == "work"
    assert not (again.cwd / "precious").exists()


def test_an_add_that_was_killed_halfway_is_repeated(harness: Harness) -> None:
    """Its branch is there, its folder registered, and only some files are checked out."""
    tree = harness.open("t")
    (tree.checkout.git_dir / READY_MARK).unlink()
    (tree.checkout.git_dir / "index").unlink()
    (tree.cwd / "a.txt").unlink()
    (tree.checkout.git_dir / "locked").write_text("initializing")
    again = harness.open("t")
    assert again.leftover is None, "missing files must not count as the agent's deletions"
    assert (again.cwd / "a.txt").exists()


def test_a_failed_add_leaves_its_branch_which_the_next_one_takes(harness: Harness) -> None:
    fails = {"left": 99}

    def failing(command: Sequence[str], **how: object) -> Completed:
        if "worktree" in command and "add" in command and fails["left"] > 0:
            fails["left"] -= 1
            return Completed(code=128, out=b"", err="fatal: could not lock config file")
        return run_process(command, **how)  # type: ignore[arg-type]

    repo = replace(harness.repo, git=replace(harness.repo.git, run=failing, pause=lambda _: None))
    trees = TaskWorktrees(repo, harness.trees.root)
    with pytest.raises(GitFailed, match="could not lock config"):
        trees.open("t", harness.base, holder_is_dead=all_dead)
    assert harness.sha("swarm/task/t") == harness.base
    newer = harness.commit({"n": "1"})
    fails["left"] = 2
    assert trees.open("t", newer, holder_is_dead=all_dead).head_sha == newer


def test_forty_parallel_adds_all_succeed(harness: Harness) -> None:
    harness.settings.write_text(harness.settings.read_text() + "[branch]\n\tautoSetupMerge = always\n")
    before = (harness.root / ".git" / "config").read_bytes()
    with ThreadPoolExecutor(40) as pool:
        made = list(pool.map(lambda number: harness.open(f"task-{number}"), range(40)))
    assert len({tree.cwd for tree in made}) == 40
    assert all((tree.cwd / "a.txt").exists() for tree in made)
    assert (harness.root / ".git" / "config").read_bytes() == before, "tracking must not be written"


def test_adding_needs_no_lock_on_the_configuration(harness: Harness) -> None:
    harness.settings.write_text(harness.settings.read_text() + "[branch]\n\tautoSetupMerge = always\n")
    (harness.root / ".git" / "config.lock").touch()
    tracked = harness.run("worktree", "add", "-b", "theirs", str(harness.folder / "theirs"), "main")
    assert tracked.returncode != 0, "git succeeded without its configuration"
    assert harness.run("rev-parse", "--verify", "refs/heads/theirs").returncode == 0, "it must leave no branch behind"
    assert harness.open("t").head_sha == harness.base


def test_file_names_that_fill_more_than_a_pipe_are_checked_out_and_committed(tmp_path: Path) -> None:
    names = many_names("many")
    harness = Harness(tmp_path, files=dict.fromkeys(names, "1"))
    tree = harness.open("t")
    (tree.cwd / names[1]).write_text("changed")
    again = harness.open("t")
    assert again.leftover is not None
    assert harness.git("diff", "--name-only", harness.base, again.head_sha) == names[1]


@pytest.mark.parametrize("name", ["with space", "ümlaut", "line\nend"])
def test_awkward_paths_of_project_and_state_work(tmp_path: Path, name: str) -> None:
    harness = Harness(tmp_path / name, files={name: "1"}, name=name)
    tree = harness.open("t")
    harness.write({f"more {name}": "2"}, at=tree.cwd)
    again = harness.open("t")
    assert set(harness.files(again.head_sha)) == {name, f"more {name}"}
    assert git_dir_of(harness.repo, tree.cwd) is not None
    harness.trees.remove("t")
    assert not tree.cwd.exists()


def test_a_path_that_is_not_valid_text_works(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    tree = harness.open("t")
    try:
        (tree.cwd / "caf\udce9").write_text("latin")
    except OSError:
        pytest.skip("this file system takes text only")
    again = harness.open("t")
    assert "caf\udce9" in harness.files(again.head_sha)


def test_a_project_in_a_subfolder_works_in_the_same_subfolder(tmp_path: Path) -> None:
    harness = Harness(tmp_path, files={"services/api/main.py": "1", "top.txt": "1"}, below="services/api")
    tree = harness.open("t")
    assert tree.cwd == tree.checkout.path / "services" / "api"
    assert (tree.cwd / "main.py").exists()


def test_a_bare_repository_has_worktrees_too(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.git("clone", "-q", "--bare", str(harness.root), str(tmp_path / "bare.git"))
    repo = Repository.find(tmp_path / "bare.git", git=Git(cwd=tmp_path, environ=harness.env))
    assert repo is not None
    tree = TaskWorktrees(repo, tmp_path / "elsewhere").open("t", harness.base, holder_is_dead=all_dead)
    assert (tree.cwd / "a.txt").exists()
    assert [listed.ref for listed in list_worktrees(repo.git)] == [task_ref("t")]


def test_a_task_branch_that_is_checked_out_elsewhere_is_left_alone(harness: Harness) -> None:
    harness.git("worktree", "add", "-q", "-b", "swarm/task/t", str(harness.folder / "theirs"))
    with pytest.raises(BranchInUse, match="theirs"):
        harness.open("t")


@pytest.mark.parametrize("name", ["..", ".", "a/b", ""])
def test_a_name_that_leaves_the_root_is_refused(harness: Harness, name: str) -> None:
    with pytest.raises(GitError, match="is no name for a worktree"):
        harness.open(name)


def test_a_users_worktree_on_an_unmounted_disk_survives_everything_we_do(harness: Harness) -> None:
    disk = harness.folder / "disk"
    theirs = disk / "theirs"
    harness.git("worktree", "add", "-q", "--detach", str(theirs))
    detached = harness.commit({"only here": "1"}, at=theirs)
    harness.write({"staged": "2"}, at=theirs)
    harness.git("add", "staged", cwd=theirs)
    disk.rename(harness.folder / "unmounted")

    harness.open("t")
    shutil.rmtree(harness.trees.path_of("t"))
    harness.open("t")
    harness.trees.remove("t")
    landing_checkout(harness.repo, harness.folder / "state" / "landing", harness.base, holder_is_dead=all_dead)

    (harness.folder / "unmounted").rename(disk)
    assert harness.sha("HEAD", at=theirs) == detached
    assert harness.git("status", "--porcelain", cwd=theirs) == "A  staged"


def test_pruning_would_destroy_that_worktree(harness: Harness) -> None:
    """Why `git worktree prune` is forbidden here; as measured, so that a change in git is noticed."""
    theirs = harness.folder / "disk" / "theirs"
    harness.git("worktree", "add", "-q", "--detach", str(theirs))
    theirs.parent.rename(harness.folder / "unmounted")
    harness.git("worktree", "prune")
    (harness.folder / "unmounted").rename(theirs.parent)
    assert harness.run("rev-parse", "HEAD", cwd=theirs).returncode != 0


def test_ignored_files_that_the_project_names_are_copied(harness: Harness) -> None:
    harness.commit({".gitignore": ".env\nlocal/\n*.log\n", ".worktreeinclude": ".env\nlocal/*.json\nnot-ignored.txt\n"})
    harness.write({".env": "KEY=1", "local/a.json": "{}", "local/b.txt": "", "x.log": "", "not-ignored.txt": "1"})
    (harness.root / ".env").chmod(0o600)
    tree = harness.open("t", harness.sha("main"))
    assert sorted(tree.copied) == [".env", "local/a.json"]
    assert (tree.cwd / ".env").read_text() == "KEY=1"
    assert (tree.cwd / ".env").stat().st_mode & 0o777 == 0o600
    assert not (tree.cwd / "local" / "b.txt").exists()
    (tree.cwd / ".env").write_text("KEY=agent")
    assert harness.open("t", harness.sha("main")).copied == ()
    assert (tree.cwd / ".env").read_text() == "KEY=agent"


def test_included_files_of_a_project_in_a_subfolder_are_copied_to_the_same_place(tmp_path: Path) -> None:
    files = {"app/main.py": "1", ".gitignore": ".env\n", "app/.worktreeinclude": ".env\n"}
    harness = Harness(tmp_path, files=files, below="app")
    harness.write({"app/.env": "KEY=1"})
    tree = harness.open("t")
    assert tree.copied == ("app/.env",)
    assert (tree.cwd / ".env").exists()


def test_a_copied_file_never_leaves_the_worktree_through_a_link(harness: Harness) -> None:
    outside = harness.folder / "outside"
    outside.mkdir()
    (harness.root / "shared").mkdir()
    base = harness.commit({".gitignore": "*.env\n", ".worktreeinclude": "*.env\n"})
    harness.write({"shared/x.env": "secret"})
    harness.git("checkout", "-q", "-b", "linked")
    (harness.root / "shared").rename(harness.root / "kept")
    (harness.root / "shared").symlink_to(outside)
    linked = harness.commit({})
    harness.git("checkout", "-q", "main")
    (harness.root / "kept").rename(harness.root / "shared")
    assert base != linked
    assert harness.open("t", linked).copied == ()
    assert list(outside.iterdir()) == []


def test_submodules_and_large_file_pointers_are_left_alone(tmp_path: Path) -> None:
    other = Harness(tmp_path / "other")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"
    harness = Harness(tmp_path / "harness", files={"big.bin": pointer, ".gitattributes": "*.bin filter=lfs -text\n"})
    allowed = ("-c", "protocol.file.allow=always")
    harness.git(*allowed, "submodule", "--quiet", "add", str(other.root), "sub")
    base = harness.commit({})
    tree = harness.open("t", base)
    assert (tree.cwd / "big.bin").read_text() == pointer
    assert list((tree.cwd / "sub").iterdir()) == []
    harness.write({"new": "1"}, at=tree.cwd)
    again = harness.open("t", base)
    assert harness.git("diff", "--name-only", base, again.head_sha) == "new"
    harness.trees.remove("t")
    assert not tree.cwd.exists()


def test_a_branch_that_is_being_rebased_counts_as_checked_out(harness: Harness) -> None:
    harness.git("checkout", "-q", "-b", "swarm/integration")
    harness.commit({"a.txt": "mine"})
    harness.git("checkout", "-q", "main")
    harness.commit({"a.txt": "theirs"})
    harness.git("checkout", "-q", "swarm/integration")
    assert harness.run("rebase", "main").returncode != 0
    assert checked_out_at(harness.repo, "refs/heads/swarm/integration") == harness.root


def test_the_landing_worktree_is_reset_to_each_commit_and_keeps_its_caches(harness: Harness) -> None:
    path = harness.folder / "state" / "landing"
    first = landing_checkout(harness.repo, path, harness.base, holder_is_dead=all_dead)
    harness.write({"rubbish": "1", "build.log": "cache", "a.txt": "broken"}, at=path)
    (first.git_dir / "index.lock").touch()
    second = harness.commit({"a.txt": "second"})
    again = landing_checkout(harness.repo, path, second, holder_is_dead=all_dead)
    assert again.path == first.path
    assert (path / "a.txt").read_text() == "second"
    assert (path / "build.log").exists()
    assert not (path / "rubbish").exists()
    assert harness.run("symbolic-ref", "-q", "HEAD", cwd=path).returncode == 1
    assert harness.sha("HEAD", at=path) == second
    shutil.rmtree(path)
    assert (landing_checkout(harness.repo, path, second, holder_is_dead=all_dead).path / "a.txt").exists()


def test_a_worktree_that_is_just_being_added_is_waited_for(harness: Harness) -> None:
    """Git reads all worktrees, and fails on one that is half made."""
    half = harness.root / ".git" / "worktrees" / "half"
    half.mkdir(parents=True)
    (half / "gitdir").write_text(str(harness.folder / "half" / ".git") + "\n")
    (half / "HEAD").write_text("ref: refs/heads/main\n")
    (half / "commondir").write_text("")
    assert harness.run("worktree", "list").returncode != 0, "git no longer fails"

    def finish(_s: float) -> None:
        (half / "commondir").write_text("../..\n")

    found = list_worktrees(replace(harness.repo.git, pause=finish))
    assert harness.folder / "half" in {listed.path for listed in found}
