"""A worktree per task: at its stable path, never at the cost of anybody else's."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import Desk, all_dead

from swarm_shared.domain.branch_names import kept_ref, task_ref
from swarm_shared.git.landing.landing_worktree import landing_checkout
from swarm_shared.git.plumbing.git_errors import BranchInUse, GitError, GitFailed
from swarm_shared.git.plumbing.process import Completed, run_process
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.runner import Git
from swarm_shared.git.plumbing.stale_locks import ref_lock
from swarm_shared.git.worktrees.listing import checked_out_at, git_dir_of, list_worktrees
from swarm_shared.git.worktrees.task_worktrees import READY_MARK, TaskWorktrees


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_new_task_gets_its_own_files_and_branch_from_the_base(desk: Desk) -> None:
    desk.commit({"a.txt": "later"})
    tree = desk.open("2.6.1.a")
    assert tree.cwd == desk.folder / "state" / "worktrees" / "2.6.1.a"
    assert (tree.cwd / "a.txt").read_text() == "one\ntwo\nthree\n"
    assert desk.git("symbolic-ref", "HEAD", cwd=tree.cwd) == "refs/heads/swarm/task/2.6.1.a"
    assert desk.git("status", "--porcelain", cwd=tree.cwd) == ""
    assert (tree.head_sha, tree.base_sha, tree.earlier_work, tree.leftover) == (desk.base, desk.base, False, None)


def test_a_retry_finds_the_same_folder_and_the_earlier_work(desk: Desk) -> None:
    tree = desk.open("t")
    work = desk.commit({"b.txt": "mine"}, at=tree.cwd)
    desk.write({"build.log": "ignored"}, at=tree.cwd)
    base = desk.commit({"c.txt": "theirs"})
    again = desk.open("t", base)
    assert again.cwd == tree.cwd
    assert (again.head_sha, again.base_sha, again.earlier_work) == (work, desk.base, True)
    assert (again.cwd / "build.log").exists()


def test_a_retry_without_earlier_work_starts_from_the_newer_base(desk: Desk) -> None:
    desk.open("t")
    base = desk.commit({"c.txt": "theirs"})
    again = desk.open("t", base)
    assert (again.head_sha, again.base_sha, again.earlier_work) == (base, base, False)
    assert (again.cwd / "c.txt").exists()


def test_what_a_dead_attempt_left_is_committed_before_the_next_begins(desk: Desk) -> None:
    tree = desk.open("t")
    desk.write({"b.txt": "half done", "a.txt": "changed"}, at=tree.cwd)
    (tree.checkout.git_dir / "index.lock").touch()
    (tree.checkout.git_dir / "HEAD.lock").touch()
    ref_lock(desk.repo, tree.ref).touch()
    again = desk.open("t")
    assert again.leftover is not None
    assert desk.show(f"{again.head_sha}:b.txt") == "half done"
    assert desk.git("status", "--porcelain", cwd=again.cwd) == ""


def test_a_lock_that_a_killed_git_left_on_a_kept_head_is_in_nobodys_way(desk: Desk) -> None:
    tree = desk.open("t")
    desk.write({"b.txt": "half done"}, at=tree.cwd)
    kept = desk.open("t").head_sha
    left = ref_lock(desk.repo, kept_ref("t", kept))
    left.touch()
    assert desk.open("t").head_sha == kept
    assert not left.exists()


def test_locks_of_living_processes_are_not_touched(desk: Desk) -> None:
    tree = desk.open("t")
    lock = tree.checkout.git_dir / "index.lock"
    lock.touch()
    with pytest.raises(GitFailed, match=r"index\.lock"):
        desk.trees.open("t", desk.base, holder_is_dead=lambda _: False)
    assert lock.exists()
    assert (tree.checkout.git_dir / "index").exists()


def test_a_vanished_folder_is_made_again_from_its_branch(desk: Desk) -> None:
    tree = desk.open("t")
    desk.commit({"b.txt": "mine"}, at=tree.cwd)
    shutil.rmtree(tree.cwd)
    assert (desk.open("t").cwd / "b.txt").read_text() == "mine"


def test_a_folder_that_is_no_worktree_any_more_is_moved_and_not_deleted(desk: Desk) -> None:
    tree = desk.open("t")
    desk.write({"precious": "work"}, at=tree.cwd)
    shutil.rmtree(tree.checkout.git_dir)
    again = desk.open("t")
    assert again.set_aside is not None
    assert (again.set_aside / "precious").read_text() == "work"
    assert not (again.cwd / "precious").exists()


def test_an_add_that_was_killed_in_the_middle_is_done_over(desk: Desk) -> None:
    """Its branch is there, its folder registered, and only some files are checked out."""
    tree = desk.open("t")
    (tree.checkout.git_dir / READY_MARK).unlink()
    (tree.checkout.git_dir / "index").unlink()
    (tree.cwd / "a.txt").unlink()
    (tree.checkout.git_dir / "locked").write_text("initializing")
    again = desk.open("t")
    assert again.leftover is None, "missing files were taken for the agent's deletions"
    assert (again.cwd / "a.txt").exists()


def test_a_failed_add_leaves_its_branch_which_the_next_one_takes(desk: Desk) -> None:
    fails = {"left": 99}

    def failing(command: Sequence[str], **how: object) -> Completed:
        if "worktree" in command and "add" in command and fails["left"] > 0:
            fails["left"] -= 1
            return Completed(code=128, out=b"", err="fatal: could not lock config file")
        return run_process(command, **how)  # type: ignore[arg-type]

    repo = replace(desk.repo, git=replace(desk.repo.git, run=failing, pause=lambda _: None))
    trees = TaskWorktrees(repo, desk.trees.root)
    with pytest.raises(GitFailed, match="could not lock config"):
        trees.open("t", desk.base, holder_is_dead=all_dead)
    assert desk.sha("swarm/task/t") == desk.base
    newer = desk.commit({"n": "1"})
    fails["left"] = 2
    assert trees.open("t", newer, holder_is_dead=all_dead).head_sha == newer


def test_forty_parallel_adds_all_succeed(desk: Desk) -> None:
    desk.settings.write_text(desk.settings.read_text() + "[branch]\n\tautoSetupMerge = always\n")
    before = (desk.root / ".git" / "config").read_bytes()
    with ThreadPoolExecutor(40) as pool:
        made = list(pool.map(lambda number: desk.open(f"task-{number}"), range(40)))
    assert len({tree.cwd for tree in made}) == 40
    assert all((tree.cwd / "a.txt").exists() for tree in made)
    assert (desk.root / ".git" / "config").read_bytes() == before, "tracking was written"


def test_adding_does_not_need_the_configuration_which_tracking_would_lock(desk: Desk) -> None:
    desk.settings.write_text(desk.settings.read_text() + "[branch]\n\tautoSetupMerge = always\n")
    (desk.root / ".git" / "config.lock").touch()
    tracked = desk.run("worktree", "add", "-b", "theirs", str(desk.folder / "theirs"), "main")
    assert tracked.returncode != 0, "git got along without its configuration"
    assert desk.run("rev-parse", "--verify", "refs/heads/theirs").returncode == 0, "it left no branch behind"
    assert desk.open("t").head_sha == desk.base


def test_ten_thousand_files_are_checked_out_and_committed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, files={f"d{n % 100}/f{n}": str(n) for n in range(10_000)})
    tree = desk.open("t")
    (tree.cwd / "d1" / "f1").write_text("changed")
    again = desk.open("t")
    assert again.leftover is not None
    assert desk.git("diff", "--name-only", desk.base, again.head_sha) == "d1/f1"


@pytest.mark.parametrize("name", ["with space", "ümlaut", "line\nend"])
def test_awkward_paths_of_project_and_state_work(tmp_path: Path, name: str) -> None:
    desk = Desk(tmp_path / name, files={name: "1"}, name=name)
    tree = desk.open("t")
    desk.write({f"more {name}": "2"}, at=tree.cwd)
    again = desk.open("t")
    assert set(desk.files(again.head_sha)) == {name, f"more {name}"}
    assert git_dir_of(desk.repo, tree.cwd) is not None
    desk.trees.remove("t")
    assert not tree.cwd.exists()


def test_a_path_that_is_no_text_works(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    tree = desk.open("t")
    try:
        (tree.cwd / "caf\udce9").write_text("latin")
    except OSError:
        pytest.skip("this file system takes text only")
    again = desk.open("t")
    assert "caf\udce9" in desk.files(again.head_sha)


def test_a_sub_folder_project_works_in_the_same_sub_folder(tmp_path: Path) -> None:
    desk = Desk(tmp_path, files={"services/api/main.py": "1", "top.txt": "1"}, below="services/api")
    tree = desk.open("t")
    assert tree.cwd == tree.checkout.path / "services" / "api"
    assert (tree.cwd / "main.py").exists()


def test_a_bare_repository_gives_worktrees_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.git("clone", "-q", "--bare", str(desk.root), str(tmp_path / "bare.git"))
    repo = Repository.find(tmp_path / "bare.git", git=Git(cwd=tmp_path, environ=desk.env))
    assert repo is not None
    tree = TaskWorktrees(repo, tmp_path / "elsewhere").open("t", desk.base, holder_is_dead=all_dead)
    assert (tree.cwd / "a.txt").exists()
    assert [listed.ref for listed in list_worktrees(repo.git)] == [task_ref("t")]


def test_a_task_branch_that_someone_else_has_checked_out_is_left_to_them(desk: Desk) -> None:
    desk.git("worktree", "add", "-q", "-b", "swarm/task/t", str(desk.folder / "theirs"))
    with pytest.raises(BranchInUse, match="theirs"):
        desk.open("t")


@pytest.mark.parametrize("name", ["..", ".", "a/b", ""])
def test_a_name_that_leaves_the_root_is_refused(desk: Desk, name: str) -> None:
    with pytest.raises(GitError, match="is no name for a worktree"):
        desk.open(name)


def test_a_users_worktree_on_an_unmounted_disk_survives_everything_we_do(desk: Desk) -> None:
    disk = desk.folder / "disk"
    theirs = disk / "theirs"
    desk.git("worktree", "add", "-q", "--detach", str(theirs))
    detached = desk.commit({"only here": "1"}, at=theirs)
    desk.write({"staged": "2"}, at=theirs)
    desk.git("add", "staged", cwd=theirs)
    disk.rename(desk.folder / "unmounted")

    desk.open("t")
    shutil.rmtree(desk.trees.path_of("t"))
    desk.open("t")
    desk.trees.remove("t")
    landing_checkout(desk.repo, desk.folder / "state" / "landing", desk.base, holder_is_dead=all_dead)

    (desk.folder / "unmounted").rename(disk)
    assert desk.sha("HEAD", at=theirs) == detached
    assert desk.git("status", "--porcelain", cwd=theirs) == "A  staged"


def test_pruning_would_destroy_that_worktree(desk: Desk) -> None:
    """Why `git worktree prune` is forbidden here; as measured, so that a change in git is noticed."""
    theirs = desk.folder / "disk" / "theirs"
    desk.git("worktree", "add", "-q", "--detach", str(theirs))
    theirs.parent.rename(desk.folder / "unmounted")
    desk.git("worktree", "prune")
    (desk.folder / "unmounted").rename(theirs.parent)
    assert desk.run("rev-parse", "HEAD", cwd=theirs).returncode != 0


def test_ignored_files_that_the_project_names_are_copied_in(desk: Desk) -> None:
    desk.commit({".gitignore": ".env\nlocal/\n*.log\n", ".worktreeinclude": ".env\nlocal/*.json\nnot-ignored.txt\n"})
    desk.write({".env": "KEY=1", "local/a.json": "{}", "local/b.txt": "", "x.log": "", "not-ignored.txt": "1"})
    (desk.root / ".env").chmod(0o600)
    tree = desk.open("t", desk.sha("main"))
    assert sorted(tree.copied) == [".env", "local/a.json"]
    assert (tree.cwd / ".env").read_text() == "KEY=1"
    assert (tree.cwd / ".env").stat().st_mode & 0o777 == 0o600
    assert not (tree.cwd / "local" / "b.txt").exists()
    (tree.cwd / ".env").write_text("KEY=agent")
    assert desk.open("t", desk.sha("main")).copied == ()
    assert (tree.cwd / ".env").read_text() == "KEY=agent"


def test_included_files_of_a_sub_folder_project_come_to_the_same_place(tmp_path: Path) -> None:
    files = {"app/main.py": "1", ".gitignore": ".env\n", "app/.worktreeinclude": ".env\n"}
    desk = Desk(tmp_path, files=files, below="app")
    desk.write({"app/.env": "KEY=1"})
    tree = desk.open("t")
    assert tree.copied == ("app/.env",)
    assert (tree.cwd / ".env").exists()


def test_a_copied_file_never_leaves_the_worktree_through_a_link(desk: Desk) -> None:
    outside = desk.folder / "outside"
    outside.mkdir()
    (desk.root / "shared").mkdir()
    base = desk.commit({".gitignore": "*.env\n", ".worktreeinclude": "*.env\n"})
    desk.write({"shared/x.env": "secret"})
    desk.git("checkout", "-q", "-b", "linked")
    (desk.root / "shared").rename(desk.root / "kept")
    (desk.root / "shared").symlink_to(outside)
    linked = desk.commit({})
    desk.git("checkout", "-q", "main")
    (desk.root / "kept").rename(desk.root / "shared")
    assert base != linked
    assert desk.open("t", linked).copied == ()
    assert list(outside.iterdir()) == []


def test_submodules_and_large_file_pointers_are_left_alone(tmp_path: Path) -> None:
    other = Desk(tmp_path / "other")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"
    desk = Desk(tmp_path / "desk", files={"big.bin": pointer, ".gitattributes": "*.bin filter=lfs -text\n"})
    allowed = ("-c", "protocol.file.allow=always")
    desk.git(*allowed, "submodule", "--quiet", "add", str(other.root), "sub")
    base = desk.commit({})
    tree = desk.open("t", base)
    assert (tree.cwd / "big.bin").read_text() == pointer
    assert list((tree.cwd / "sub").iterdir()) == []
    desk.write({"new": "1"}, at=tree.cwd)
    again = desk.open("t", base)
    assert desk.git("diff", "--name-only", base, again.head_sha) == "new"
    desk.trees.remove("t")
    assert not tree.cwd.exists()


def test_a_branch_that_is_being_rebased_counts_as_checked_out(desk: Desk) -> None:
    desk.git("checkout", "-q", "-b", "swarm/integration")
    desk.commit({"a.txt": "mine"})
    desk.git("checkout", "-q", "main")
    desk.commit({"a.txt": "theirs"})
    desk.git("checkout", "-q", "swarm/integration")
    assert desk.run("rebase", "main").returncode != 0
    assert checked_out_at(desk.repo, "refs/heads/swarm/integration") == desk.root


def test_the_landing_worktree_is_reset_to_each_commit_and_keeps_its_caches(desk: Desk) -> None:
    path = desk.folder / "state" / "landing"
    first = landing_checkout(desk.repo, path, desk.base, holder_is_dead=all_dead)
    desk.write({"rubbish": "1", "build.log": "cache", "a.txt": "broken"}, at=path)
    (first.git_dir / "index.lock").touch()
    second = desk.commit({"a.txt": "second"})
    again = landing_checkout(desk.repo, path, second, holder_is_dead=all_dead)
    assert again.path == first.path
    assert (path / "a.txt").read_text() == "second"
    assert (path / "build.log").exists()
    assert not (path / "rubbish").exists()
    assert desk.run("symbolic-ref", "-q", "HEAD", cwd=path).returncode == 1
    assert desk.sha("HEAD", at=path) == second
    shutil.rmtree(path)
    assert (landing_checkout(desk.repo, path, second, holder_is_dead=all_dead).path / "a.txt").exists()


def test_a_worktree_that_someone_is_just_adding_is_waited_for(desk: Desk) -> None:
    """Git reads all worktrees, and fails over one that is half made."""
    half = desk.root / ".git" / "worktrees" / "half"
    half.mkdir(parents=True)
    (half / "gitdir").write_text(str(desk.folder / "half" / ".git") + "\n")
    (half / "HEAD").write_text("ref: refs/heads/main\n")
    (half / "commondir").write_text("")
    assert desk.run("worktree", "list").returncode != 0, "git does not mind any more"

    def finish(_s: float) -> None:
        (half / "commondir").write_text("../..\n")

    found = list_worktrees(replace(desk.repo.git, pause=finish))
    assert desk.folder / "half" in {listed.path for listed in found}
