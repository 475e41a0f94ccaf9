"""An agent that changes git's shared settings: a whole run of `start`, and the one after it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from start_desk import Desk
from start_desk import desk as start_desk

from swarm_shared.domain.models import Status, TaskSpec

pytestmark = pytest.mark.integration


@pytest.fixture
def desk() -> Iterator[Desk]:
    with start_desk() as desk:
        yield desk


def test_a_setting_that_hides_the_checkout_is_named_and_put_back(desk: Desk) -> None:
    project = desk.folder / "project"
    git = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-C", str(project))
    subprocess.run(["git", "init", "-q", "-b", "main", str(project)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    words = ("--project-root", str(project), "--no-dashboard", "--workers", "1")
    spoil = "echo a > a.txt; git config core.bare true; git config user.email agent@example.org"
    desk.add(TaskSpec(id="a", name="spoils", run=spoil))
    assert desk.run(*words) == 0
    assert "git settings changed" in desk.remarks + desk.output
    assert "core.bare in .git/config had become true; it is false again" in desk.output
    assert "user.email was set in .git/config" in desk.output
    assert subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True).stdout == b""
    desk.add(TaskSpec(id="b", name="next", run="echo b > b.txt"))
    assert desk.run(*words) == 0
    assert desk.status("b") is Status.COMPLETED
    assert not (project / "b.txt").exists()
