"""The user's checkout is read once per task when tasks follow each other, and no write to it is missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from repositories import Harness

from swarm_shared.git.running.process import Completed, run_process
from swarm_shared.git.worktrees.leaks import leak
from swarm_worker.workplaces.user_checkout import RECENT_S, UserCheckout


class Watched:
    """A user's checkout, the number of times that git read its files, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.harness = Harness(folder)
        self.top, self.reads, self.now_s = self.harness.root, 0, 100.0
        git = replace(self.harness.repo.git, run=self._run)
        self.checkout = UserCheckout(replace(self.harness.repo, git=git), ignore=(), clock=lambda: self.now_s)

    def _run(self, command: Sequence[str], **how: Any) -> Completed:
        self.reads += "status" in command
        return run_process(command, **how)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_the_end_of_one_attempt_is_the_baseline_of_the_next(watched: Watched) -> None:
    watched.checkout.before()
    seen = watched.checkout.now()
    assert watched.reads == 2
    watched.now_s += RECENT_S
    assert watched.checkout.before() == seen
    assert watched.reads == 2


def test_writes_of_one_attempt_are_not_blamed_on_the_next(watched: Watched) -> None:
    before = watched.checkout.before()
    (watched.top / "leaked.txt").write_text("by the first\n")
    assert leak(before, watched.checkout.now()).paths == ("leaked.txt",)
    before = watched.checkout.before()
    assert not leak(before, watched.checkout.now())
    (watched.top / "leaked.txt").write_text("by the second, more\n")
    assert leak(before, watched.checkout.now()).paths == ("leaked.txt",)


def test_an_attempt_that_begins_later_reads_the_checkout_itself(watched: Watched) -> None:
    watched.checkout.now()
    (watched.top / "edited.txt").write_text("by the user\n")
    watched.now_s += RECENT_S + 0.01
    before = watched.checkout.before()
    assert "edited.txt" in before.paths
    assert not leak(before, watched.checkout.now())


def test_settings_restored_in_between_do_not_count_as_a_write_of_the_next(watched: Watched) -> None:
    watched.checkout.now()
    watched.harness.git("config", "user.email", "other@example.org")
    before = watched.checkout.before()
    assert not leak(before, watched.checkout.now())
