"""An agent that changes git's shared settings: a whole run of `start`, and the one after it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from start_harness import Harness
from start_harness import harness as start_harness

from swarm_shared.domain.models import Status, TaskSpec

pytestmark = pytest.mark.integration


@pytest.fixture
def harness() -> Iterator[Harness]:
    with start_harness() as harness:
        yield harness


def test_a_setting_that_hides_the_checkout_is_reported_and_restored(harness: Harness) -> None:
    project = harness.folder / "project"
    git = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-C", str(project))
    subprocess.run(["git", "init", "-q", "-b", "main", str(project)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    words = ("--project-root", str(project), "--no-dashboard", "--workers", "1")
    spoil = "echo a > a.txt; git config core.bare true; git config user.email agent@example.org"
    harness.add(TaskSpec(id="a", name="spoils", run=spoil))
    assert harness.run(*words) == 0
    assert "git settings changed" in harness.notices + harness.output
    assert "core.bare in .git/config had become true; it is false again" in harness.output
    assert "user.email was set in .git/config" in harness.output
    assert subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True).stdout == b""
    harness.add(TaskSpec(id="b", name="next", run="echo b > b.txt"))
    assert harness.run(*words) == 0
    assert harness.status("b") is Status.COMPLETED
    assert not (project / "b.txt").exists()
