"""The branch to land on: which names are allowed, and how swarms that share one recognize each other's work."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import Harness

from swarm_shared.domain.errors import ConfigError
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.landing_branch import landing_branch


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


@pytest.mark.parametrize("name", ["nightly", "swarm/integration", "team/swarm-2", "Bäume"])
def test_any_valid_branch_name_can_be_landed_on(harness: Harness, name: str) -> None:
    integration = landing_branch(harness.repo, name)
    assert integration.begin(harness.base) == harness.sha(f"refs/heads/{name}")


@pytest.mark.parametrize("name", ["main", "swarm/task/1", "swarm/task", "a..b", "-x", "", "@{-1}", "HEAD"])
def test_a_branch_that_cannot_be_landed_on_is_refused_as_a_setting(harness: Harness, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        landing_branch(harness.repo, name)
    assert caught.value.exit_code == 3
    assert caught.value.hint


@pytest.mark.parametrize(("there", "wanted"), [("team", "team/night"), ("team/night/late", "team/night")])
def test_a_branch_that_blocks_the_name_is_reported(harness: Harness, there: str, wanted: str) -> None:
    harness.git("branch", there)
    with pytest.raises(ConfigError, match=f"branch {there} is in the way of {wanted}"):
        landing_branch(harness.repo, wanted)


def test_a_branch_of_a_linked_worktree_is_refused(harness: Harness) -> None:
    harness.git("worktree", "add", "-q", "-b", "mine", str(harness.folder / "mine"))
    with pytest.raises(ConfigError, match=r"checked out in .*mine"):
        landing_branch(harness.repo, "mine")


def commit_on(harness: Harness, tip: str) -> str:
    return harness.git("commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "work")


def test_work_landed_by_another_swarm_is_recognized_and_a_users_commit_is_not(harness: Harness) -> None:
    integration = Integration(repository=harness.repo)
    tip = integration.begin(harness.base)
    landed = commit_on(harness, tip)
    integration.advance(landed, old=tip)
    assert integration.landed_since(tip) == landed
    harness.git("update-ref", integration.ref, commit_on(harness, landed))
    assert integration.landed_since(tip) == landed != integration.tip()


def test_landed_work_that_was_removed_is_not_mistaken_for_progress(harness: Harness) -> None:
    integration = Integration(repository=harness.repo)
    tip = integration.begin(harness.base)
    ours = commit_on(harness, tip)
    integration.advance(ours, old=tip)
    theirs = commit_on(harness, harness.commit({"c": "1"}))
    integration.vouch(theirs)
    assert integration.landed_since(ours) is None
