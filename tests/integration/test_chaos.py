"""The short form of `make chaos`: dozens of kills of every kind, and nothing is lost, doubled or left over."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos import supervised_round, worktree_round, zombie_round
from chaos.arena import Arena
from chaos.crew_round import run_crew_round
from chaos.supervised_round import run_supervised_round
from chaos.verdict import Verdict
from chaos.worktree_round import run_worktree_round
from chaos.zombie_round import run_zombie_round

pytestmark = pytest.mark.integration


def assert_good(verdict: Verdict) -> None:
    assert verdict.is_good, verdict.output()


def seen(done: int) -> None:
    """Discards the progress."""


def test_kills_of_all_kinds_and_at_named_points_lose_and_double_nothing(tmp_path: Path) -> None:
    verdict = run_crew_round(Arena(tmp_path / "round", 1, batch_tasks=16), 40, seen)
    assert_good(verdict)
    assert verdict.kills.total() >= 40
    assert verdict.fenced > 0, "no task was running when its worker died: this proved nothing"


def test_kills_under_supervisord_lose_and_double_nothing(tmp_path: Path) -> None:
    arena = Arena(tmp_path / "round", 2, supervised_round.SETTINGS, batch_tasks=16)
    verdict = run_supervised_round(arena, 12, seen)
    assert_good(verdict)
    assert verdict.kills.total() >= 12


@pytest.mark.parametrize("dawdle", [False, True])
def test_a_worker_stopped_past_its_lease_changes_nothing_afterwards(tmp_path: Path, dawdle: bool) -> None:
    arena = Arena(tmp_path / "round", 3, zombie_round.SETTINGS, batch_tasks=12)
    verdict = run_zombie_round(arena, 4, seen, dawdle=dawdle)
    assert_good(verdict)
    assert verdict.frozen >= 4


def test_kills_during_landing_land_each_task_once(tmp_path: Path) -> None:
    home = tmp_path / "round"
    arena = Arena(home, 4, worktree_round.settings(home), batch_tasks=6)
    assert_good(run_worktree_round(arena, 8, seen))
