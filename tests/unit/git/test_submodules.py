"""Work in the submodules of worktrees survives: commits, uncommitted files, nested ones, removal and retries."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import PERSON, Harness, Sandbox, all_dead

from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.prune import Pruned, prune
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.snapshots.snapshot import Snapshot, take_snapshot
from swarm_shared.git.snapshots.submodules import Secured, empty_modules, note_set_up, secure
from swarm_shared.git.worktrees.task_worktrees import TaskWorktree, TaskWorktrees

LOCAL = PERSON + '[protocol "file"]\n\tallow = always\n'
FILL = ("submodule", "update", "-q", "--init", "--recursive")


class Modules:
    """A project with the submodule `vendor/lib`, which contains the submodule `inner`; both come from folders."""

    def __init__(self, folder: Path) -> None:
        inner = Sandbox(folder / "inner-origin", settings=LOCAL)
        inner.commit({"inner.txt": "1\n"})
        lib = Sandbox(folder / "lib-origin", settings=LOCAL)
        lib.commit({"lib.txt": "1\n"})
        lib.git("submodule", "--quiet", "add", str(inner.root), "inner")
        lib.git("commit", "-q", "-m", "inner")
        self.harness = Harness(folder / "main", settings=LOCAL)
        self.harness.git("submodule", "--quiet", "add", str(lib.root), "vendor/lib")
        self.harness.git("commit", "-q", "-m", "lib")
        self.base = self.harness.sha("HEAD")
        self.repo = self.harness.repository()
        self.trees = TaskWorktrees(self.repo, folder / "state" / "worktrees")
        self.landed = Integration(repository=self.repo)
        self.landed.begin(self.base)

    def open(self, safe: str, *, fill: bool = True) -> TaskWorktree:
        tip = self.landed.tip()
        assert tip is not None
        tree = self.trees.open(safe, tip, holder_is_dead=all_dead)
        if fill:
            self.fill(tree)
        return tree

    def fill(self, tree: TaskWorktree) -> None:
        self.harness.git(*FILL, cwd=tree.checkout.path)
        note_set_up(tree.checkout)

    def seal(self, tree: TaskWorktree) -> tuple[tuple[Secured, ...], Snapshot]:
        found = secure(self.repo, tree.checkout, safe=tree.safe, message="work\n")
        trunk = self.landed.tip()
        return found, take_snapshot(
            tree.checkout, safe=tree.safe, base_sha=tree.base_sha, message="work\n", trunk=trunk
        )

    def land(self, made: Snapshot) -> None:
        tip = self.landed.tip()
        assert tip is not None
        merge = self.landed.plan_landing(made.head_sha, tip=tip, task_id="t", attempt_id="1", name="t")
        assert merge.new is not None
        self.landed.advance(merge.new, old=tip)

    def prune(self) -> tuple[Pruned, ...]:
        return prune(self.trees, self.landed, busy=())

    def pointer(self, commit: str, path: str = "vendor/lib", *, at: Path | None = None) -> str:
        return self.harness.git("ls-tree", commit, path, cwd=at).split()[2]

    def show(self, module: str, name: str) -> str:
        """From the user's own repository of a submodule."""
        return self.harness.git("show", name, cwd=self.repo.common_dir / "modules" / module)


@pytest.fixture
def modules(tmp_path: Path) -> Modules:
    return Modules(tmp_path)


@pytest.mark.parametrize("how", ["on no branch", "on a branch", "left on a branch", "amended away"])
def test_a_commit_in_a_submodule_survives_the_removal_of_its_worktree(modules: Modules, how: str) -> None:
    tree = modules.open("t")
    lib = tree.checkout.path / "vendor" / "lib"
    if "a branch" in how:
        modules.harness.git("switch", "-q", "-c", "mine", cwd=lib)
    sha = modules.harness.commit({"fix.txt": "fix\n"}, at=lib)
    if how == "left on a branch":
        modules.harness.git("switch", "-q", "--detach", "HEAD~1", cwd=lib)
    if how == "amended away":
        modules.harness.git("commit", "-q", "--amend", "-m", "again", cwd=lib)
    found, made = modules.seal(tree)
    assert any(one.path == "vendor/lib" and one.problem is None for one in found)
    modules.land(made)
    assert [one.kept_because for one in modules.prune()] == [None]
    assert not tree.checkout.path.exists()
    assert modules.show("vendor/lib", f"{sha}:fix.txt") == "fix"
    assert modules.show("vendor/lib", f"{modules.pointer(made.head_sha)}:lib.txt") == "1"


def test_uncommitted_files_in_nested_submodules_become_commits_that_the_task_points_to(modules: Modules) -> None:
    tree = modules.open("t")
    lib = tree.checkout.path / "vendor" / "lib"
    (lib / "inner" / "inner.txt").write_text("2\n")
    (lib / "inner" / "new.txt").write_text("new\n")
    found, made = modules.seal(tree)
    assert made.changed
    assert [(one.path, one.committed, one.unpushed) for one in found] == [
        ("vendor/lib/inner", True, True),
        ("vendor/lib", True, True),
    ]
    modules.land(made)
    assert [one.kept_because for one in modules.prune()] == [None]
    outer = modules.pointer(made.head_sha)
    inner = modules.show("vendor/lib", f"{outer}^{{tree}}") and modules.pointer(
        outer, "inner", at=modules.repo.common_dir / "modules" / "vendor" / "lib"
    )
    assert modules.show("vendor/lib/modules/inner", f"{inner}:inner.txt") == "2"
    assert modules.show("vendor/lib/modules/inner", f"{inner}:new.txt") == "new"


def test_a_landed_commit_of_a_submodule_is_available_to_later_tasks_and_the_user(modules: Modules) -> None:
    tree = modules.open("t")
    modules.harness.commit({"fix.txt": "fix\n"}, at=tree.checkout.path / "vendor" / "lib")
    modules.land(modules.seal(tree)[1])
    modules.prune()
    later = modules.open("later")
    assert (later.checkout.path / "vendor" / "lib" / "fix.txt").read_text() == "fix\n"
    assert not modules.seal(later)[1].changed
    modules.harness.git("merge", "-q", "swarm/integration")
    modules.harness.git(*FILL)
    assert (modules.harness.root / "vendor" / "lib" / "fix.txt").read_text() == "fix\n"


def test_files_that_setup_builds_in_a_submodule_are_not_work_of_the_task(modules: Modules) -> None:
    tree = modules.open("t")
    (tree.checkout.path / "vendor" / "lib" / "built.o").write_text("built by setup\n")
    note_set_up(tree.checkout)
    found, made = modules.seal(tree)
    assert (made.changed, [one.unpushed for one in found]) == (False, [False, False])
    assert [one.kept_because for one in modules.prune()] == [None]


def test_a_submodule_that_was_changed_after_landing_keeps_its_worktree(modules: Modules) -> None:
    tree = modules.open("t")
    modules.land(modules.seal(tree)[1])
    (tree.checkout.path / "vendor" / "lib" / "late.txt").write_text("late\n")
    assert "submodule vendor/lib" in str(modules.prune()[0].kept_because)
    assert (tree.checkout.path / "vendor" / "lib" / "late.txt").exists()


def test_a_retry_finds_the_work_in_submodules_and_a_dead_attempts_work_is_kept(modules: Modules) -> None:
    tree = modules.open("t")
    lib = tree.checkout.path / "vendor" / "lib"
    (lib / "half.txt").write_text("half\n")
    again = modules.open("t", fill=False)  # the attempt died before anything was committed
    assert again.leftover is not None
    assert (lib / "half.txt").read_text() == "half\n"
    assert modules.show("vendor/lib", f"{modules.pointer(again.head_sha)}:half.txt") == "half"


def test_a_retry_does_not_revert_the_landed_work_of_others_in_a_submodule(modules: Modules) -> None:
    first = modules.open("first")
    other = modules.open("other")
    modules.harness.commit({"fix.txt": "fix\n"}, at=other.checkout.path / "vendor" / "lib")
    modules.land(modules.seal(other)[1])
    again = modules.open("first", fill=False)
    assert not again.submodules_missing
    assert (first.checkout.path / "vendor" / "lib" / "fix.txt").exists()
    (again.checkout.path / "b.txt").write_text("work\n")
    made = modules.seal(again)[1]
    assert modules.pointer(made.head_sha) == modules.pointer("swarm/integration")


RESOLVED = {"left as it is": False, "left as it is and committed": False, "merged in the submodule": True}


@pytest.mark.parametrize("how", sorted(RESOLVED))
def test_a_submodule_commit_is_merged_only_if_it_contains_the_landed_one(modules: Modules, how: str) -> None:
    first, other = modules.open("first"), modules.open("other")
    modules.harness.commit({"mine.txt": "1\n"}, at=first.checkout.path / "vendor" / "lib")
    modules.seal(first)
    modules.harness.commit({"theirs.txt": "1\n"}, at=other.checkout.path / "vendor" / "lib")
    modules.land(modules.seal(other)[1])
    again = modules.open("first", fill=False)
    modules.harness.run("merge", "-q", "swarm/integration", cwd=again.checkout.path)
    if how == "merged in the submodule":
        theirs = modules.pointer("swarm/integration")
        modules.harness.git("merge", "-q", "-m", "both", theirs, cwd=again.checkout.path / "vendor" / "lib")
    if how != "left as it is":
        modules.harness.git("add", "-A", cwd=again.checkout.path)
        modules.harness.git("commit", "-q", "-m", "merged", cwd=again.checkout.path)
    (again.checkout.path / "b.txt").write_text("work\n")
    made = modules.seal(again)[1]
    assert made.unresolved == (() if RESOLVED[how] else ("vendor/lib",))
    tip = modules.landed.tip()
    assert tip is not None
    plan = modules.landed.plan_landing(made.head_sha, tip=tip, task_id="t", attempt_id="1", name="t")
    assert plan.conflicts == (() if RESOLVED[how] else ("vendor/lib",))


def test_history_that_an_agent_dropped_is_not_reverted(modules: Modules) -> None:
    """As a rebase does: it drops merges, with the edits that only a merge has, and replays the submodule's commit."""
    git, base = modules.harness.git, modules.base
    other = modules.open("other")
    modules.harness.commit({"fix.txt": "fix\n"}, at=other.checkout.path / "vendor" / "lib")
    moved = modules.seal(other)[1]
    modules.land(moved)
    aside = modules.open("aside", fill=False)
    git("checkout", "-q", "-b", "mine", base, cwd=aside.checkout.path)
    modules.harness.commit({"x.txt": "1\n"}, at=aside.checkout.path)
    (aside.checkout.path / "x.txt").write_text("1\n2\n")
    modules.land(modules.seal(aside)[1])
    task = modules.open("task", fill=False)
    git("reset", "-q", "--hard", "mine", cwd=task.checkout.path)
    git("cherry-pick", moved.head_sha, cwd=task.checkout.path)
    modules.harness.commit({"b.txt": "work\n"}, at=task.checkout.path)
    made = modules.seal(task)[1]
    assert made.unresolved == ()
    modules.land(made)
    tip = modules.landed.tip()
    assert git("show", f"{tip}:x.txt") == "1\n2"
    assert git("show", f"{tip}:b.txt") == "work"


def test_a_worktree_whose_folder_was_deleted_still_gives_its_submodule_commits(modules: Modules) -> None:
    tree = modules.open("t")
    sha = modules.harness.commit({"fix.txt": "fix\n"}, at=tree.checkout.path / "vendor" / "lib")
    tree.checkout.path.rename(tree.checkout.path.with_name("gone"))
    modules.open("t")
    assert modules.show("vendor/lib", f"{sha}:fix.txt") == "fix"


def test_a_submodule_that_an_agent_cloned_itself_is_saved_too(modules: Modules) -> None:
    tree = modules.open("t", fill=False)
    modules.harness.git("clone", "-q", str(modules.harness.folder.parent / "lib-origin" / "project"), "vendor/lib",
                     cwd=tree.checkout.path)  # fmt: skip
    sha = modules.harness.commit({"fix.txt": "fix\n"}, at=tree.checkout.path / "vendor" / "lib")
    modules.land(modules.seal(tree)[1])
    modules.prune()
    assert modules.show("vendor/lib", f"{sha}:fix.txt") == "fix"


def test_a_user_without_the_submodule_gets_a_repository_that_git_can_fill(modules: Modules) -> None:
    modules.harness.git("submodule", "--quiet", "deinit", "--force", "--all")
    module = modules.repo.common_dir / "modules" / "vendor" / "lib"
    module.rename(modules.harness.folder / "away")
    tree = modules.open("t")
    modules.harness.commit({"fix.txt": "fix\n"}, at=tree.checkout.path / "vendor" / "lib")
    modules.land(modules.seal(tree)[1])
    modules.prune()
    modules.harness.git("merge", "-q", "swarm/integration")
    modules.harness.git(*FILL)
    assert (modules.harness.root / "vendor" / "lib" / "fix.txt").read_text() == "fix\n"


def test_commits_that_cannot_be_copied_to_the_users_repository_keep_the_worktree(modules: Modules) -> None:
    tree = modules.open("t")
    modules.harness.commit({"fix.txt": "fix\n"}, at=tree.checkout.path / "vendor" / "lib")
    made = take_snapshot(tree.checkout, safe="t", base_sha=tree.base_sha, message="m\n")
    modules.land(made)
    module = modules.repo.common_dir / "modules" / "vendor" / "lib"
    (module / "HEAD").rename(module / "HEAD-away")
    assert "submodule vendor/lib" in str(modules.prune()[0].kept_because)
    assert tree.checkout.path.exists()
    (module / "HEAD-away").rename(module / "HEAD")
    assert modules.prune()[0].kept_because is None


def test_empty_submodules_are_named(modules: Modules, tmp_path: Path) -> None:
    assert empty_modules(modules.repo) == ("vendor/lib",)
    plain: Repository = Harness(tmp_path / "plain").repo
    assert empty_modules(plain) == ()
