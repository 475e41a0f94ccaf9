"""Repositories that an agent has made in its worktree, with settings that run a program: no git of ours runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from landed_tasks import integration_of, recycled, work
from task_bench import Bench

from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.snapshots.snapshot import take_snapshot
from swarm_shared.git.snapshots.submodules import align, note_set_up, secure


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def arm(bench: Bench, folder: Path) -> Path:
    """Make a repository with a commit there, whose settings run a program on every look at its files; its mark."""
    mark = bench.folder / "ran"
    bench.git("init", "-q", "-b", "main", str(folder))
    bench.write({"f": "1", ".gitattributes": "* filter=x\n"}, at=folder)
    bench.git("add", "--all", cwd=folder)
    bench.git("commit", "-q", "-m", "Start", cwd=folder)
    for what in ("clean", "smudge", "process"):
        bench.git("config", f"filter.x.{what}", f"touch {mark}; cat", cwd=folder)
    bench.git("config", "core.fsmonitor", f"touch {mark}", cwd=folder)
    (folder / "f").write_text("2")
    return mark


@pytest.mark.parametrize("how", ["untracked", "added", "committed", "a later commit"])
def test_a_snapshot_does_not_enter_it(bench: Bench, how: str) -> None:
    inner = bench.at / "inner"
    mark = arm(bench, inner)
    if how != "untracked":
        bench.agent("-c", "core.fsmonitor=false", "add", "inner")
    if how == "committed":
        bench.agent("commit", "-q", "-m", "inner")
    if how == "a later commit":
        bench.git("-c", "core.fsmonitor=false", "commit", "-q", "--allow-empty", "-m", "more", cwd=inner)
    mark.unlink(missing_ok=True)
    for _ in range(2):
        bench.write({"b": how}, at=bench.at)
        snapshot = bench.snap()
        assert bench.show(f"{snapshot.head_sha}:b") == how
        bench.tree.checkout.put_back(snapshot.head_sha, ref=bench.tree.ref)
    assert not mark.exists()


def test_recycling_does_not_enter_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    integration = integration_of(bench)
    place = work(bench, integration, "t1")
    mark = arm(bench, place / "inner")
    bench.git("-c", "core.fsmonitor=false", "add", "inner", cwd=place)
    mark.unlink(missing_ok=True)
    assert recycled(bench, integration, "t1") is not None
    assert not mark.exists()


def declare(bench: Bench, folder: str) -> None:
    """Make git and the swarm take it for a submodule."""
    bench.write({".gitmodules": f'[submodule "{folder}"]\n\tpath = {folder}\n\turl = ../x\n'}, at=bench.at)


def settings_elsewhere(bench: Bench, inner: Path) -> None:
    (inner / ".git" / "config").rename(inner / "settings")
    (inner / ".git" / "config").write_text(f"[include]\n\tpath = {inner}/settings\n")


def another_common_directory(bench: Bench, inner: Path) -> None:
    (inner / ".git").rename(inner / "other")
    (inner / ".git").mkdir()
    for name in ("HEAD", "index"):
        (inner / ".git" / name).write_bytes((inner / "other" / name).read_bytes())
    (inner / ".git" / "commondir").write_text(f"{inner}/other\n")


@pytest.mark.parametrize("more", [None, settings_elsewhere, another_common_directory])
def test_a_wary_git_does_not_work_in_a_submodule_whose_settings_run_programs(
    bench: Bench, more: Callable[[Bench, Path], None] | None
) -> None:
    inner, wary = bench.at / "inner", replace(bench.repo.git, wary=True)
    mark = arm(bench, inner)
    declare(bench, "inner")
    if more is not None:
        more(bench, inner)
    mark.unlink(missing_ok=True)
    checkout = Checkout.of(wary, path=bench.at, git_dir=bench.tree.checkout.git_dir)
    repository = replace(bench.repo, git=wary)
    note_set_up(checkout)
    (secured,) = secure(repository, checkout, safe="t", message="work")
    take_snapshot(checkout, safe="t", base_sha=bench.base, message="work")
    align(repository, checkout)
    assert "could run programs" in str(secured.problem)
    assert not mark.exists()


def test_a_wary_git_works_in_a_submodule_as_it_was_cloned(bench: Bench, tmp_path: Path) -> None:
    other = Bench(tmp_path / "other")
    bench.agent("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.root), "inner")
    bench.write({"f": "1"}, at=bench.at / "inner")
    wary = replace(bench.repo.git, wary=True)
    checkout = Checkout.of(wary, path=bench.at, git_dir=bench.tree.checkout.git_dir)
    (secured,) = secure(replace(bench.repo, git=wary), checkout, safe="t", message="work")
    assert secured.problem is None
    assert secured.committed
