"""Tasks that land, for tests of their worktrees, and deaths in the middle of that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from repositories import Harness

from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.recycle import recycle
from swarm_shared.git.snapshots.snapshot import take_snapshot
from swarm_shared.git.worktrees import spares as spares_module
from swarm_shared.git.worktrees.listing import list_worktrees
from swarm_shared.git.worktrees.spares import Recycled
from swarm_shared.git.worktrees.task_worktrees import TaskWorktree, TaskWorktrees

MESSAGE = "work\n\nSwarm-Task: t\n"


def harness_with_products(folder: Path) -> Harness:
    """A repository that ignores what builds leave."""
    return Harness(folder, files={"a.txt": "1\n", "lib/b.txt": "2\n", ".gitignore": "*.log\nout/\nnode_modules/\n"})


def integration_of(harness: Harness) -> Integration:
    found = Integration(repository=harness.repo)
    found.begin(harness.base)
    return found


def work(
    harness: Harness, integration: Integration, safe: str, what: Callable[[Path], object] = lambda _: None
) -> Path:
    """A task that writes a file, does something else as well, and lands."""
    opened = harness.open(safe, integration.tip())
    (opened.cwd / f"{safe}.txt").write_text(f"{safe}\n")
    what(opened.cwd)
    land(harness, integration, opened)
    return opened.cwd


def land(harness: Harness, integration: Integration, opened: TaskWorktree) -> None:
    tip = integration.tip()
    assert tip is not None
    made = take_snapshot(opened.checkout, safe=opened.safe, base_sha=opened.base_sha, message=MESSAGE)
    merge = integration.plan_landing(made.head_sha, tip=tip, task_id="t", attempt_id="x", name="task")
    assert merge.new is not None
    integration.advance(merge.new, old=tip)


def recycled(harness: Harness, integration: Integration, safe: str, spares: int = 1) -> str | None:
    """Recycle the worktree; the reason if it is kept."""
    result = recycle(harness.trees, integration, safe, spares=spares)
    return result if isinstance(result, str) else None


def made_spare(trees: TaskWorktrees, integration: Integration, safe: str, spares: int = 1) -> Recycled:
    """Recycle a worktree that nothing keeps."""
    result = recycle(trees, integration, safe, spares=spares)
    assert not isinstance(result, str), result
    return result


def open_at_once(trees: TaskWorktrees, integration: Integration, safe: str, landed: str) -> TaskWorktree:
    """A task's worktree, for which the worktree of a landed task is recycled in the same moment."""
    waiting = [landed]

    def make_spare() -> Recycled | None:
        return made_spare(trees, integration, waiting.pop()) if waiting else None

    return trees.open(safe, str(integration.tip()), holder_is_dead=lambda _: True, make_spare=make_spare)


def in_the_list(harness: Harness) -> set[Path]:
    return {listed.path for listed in list_worktrees(harness.repo.git)[1:]}


def everything_in(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name != ".git"}


def plant_ignored(cwd: Path) -> None:
    (cwd / "out").mkdir()
    (cwd / "out" / "product").write_text("secret")
    (cwd / "some.log").write_text("secret")


class Killed(BaseException):
    pass


def dying(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let the process die at its nth change of a file or folder in `spares`: nothing happens afterwards."""
    count = 0

    def counting(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == at:
                raise Killed
            return real(*arguments, **named)

        return call

    for name in ("_write", "_delete"):
        monkeypatch.setattr(spares_module, name, counting(getattr(spares_module, name)))
    for name in ("rename", "touch", "unlink"):
        monkeypatch.setattr(Path, name, counting(getattr(Path, name)))
