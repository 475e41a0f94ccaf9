"""Long requests, carried out by a real reaper: one killed while git updates your checkout leaves a complete landing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from integration_harness import Run, adopt
from reaper_harness import ReaperHarness, reaper_harness

from swarm_shared.domain.models import Status, Verb
from swarm_shared.git.plumbing.stale_locks import LOCK_NAME
from swarm_shared.store.requests.control import ControlRow

pytestmark = pytest.mark.integration


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ReaperHarness]:
    with reaper_harness(tmp_path) as made:
        yield made


def opened_by(pid: int) -> set[Path]:
    return {Path(os.path.realpath(each)) for each in Path(f"/proc/{pid}/fd").iterdir()}


class SlowProject(Run):
    """Git is in the middle of writing its files from `started` until `go` exists."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.started, self.go = folder / "started", folder / "go"
        self.land("a", {"b.txt": "1\n", ".gitattributes": "slow.txt filter=slow\n"})
        self.tip = self.land("c", {"a.txt": "2\n", "c.txt": "1\n", "slow.txt": "2\n", "z.txt": "3\n"})
        waits = f"touch '{self.started}'; while [ ! -e '{self.go}' ]; do sleep 0.02; done; cat"
        self.git("config", "filter.slow.smudge", waits)
        self.git("config", "filter.slow.clean", "cat")


@pytest.fixture
def project(harness: ReaperHarness, tmp_path: Path) -> Iterator[SlowProject]:
    made = SlowProject(tmp_path / "with-git")
    adopt(harness.db, made)
    yield made
    made.go.touch()  # whatever is still waiting


def ask(harness: ReaperHarness, project: SlowProject) -> int:
    seen = {"into": project.base, "tip": project.tip}
    return harness.db.control.request(Verb.LAND, "main", seen, actor="dashboard")


def answered(harness: ReaperHarness, row: int) -> ControlRow:
    harness.wait(lambda: harness.db.control.get(row).status != "pending", "the request has its outcome")
    return harness.db.control.get(row)


def test_a_landing_survives_the_reaper_that_began_it(harness: ReaperHarness, project: SlowProject) -> None:
    first = harness.reaper()
    row = ask(harness, project)
    harness.wait(project.started.exists, "git writes the files")
    first.kill()
    first.wait()
    second = harness.reaper()
    lock = project.root / ".git" / LOCK_NAME
    harness.wait(lambda: lock in opened_by(second.pid), "the next reaper waits for the git of the first one")
    assert harness.db.control.get(row).status == "pending"
    project.go.touch()
    done = answered(harness, row)
    assert (done.status, done.argument["new"]) == ("done", project.tip), done.result
    assert project.sha("main") == project.tip
    assert project.git("status", "--porcelain") == ""
    assert [e["event_type"] for e in harness.db.events.newest(50)].count("landed_into") == 1


def test_if_git_itself_was_killed_the_branch_has_not_moved_and_the_leftovers_are_named(
    harness: ReaperHarness, project: SlowProject
) -> None:
    harness.reaper()
    row = ask(harness, project)
    harness.wait(project.started.exists, "git writes the files")
    lock = project.root / ".git" / LOCK_NAME
    for each in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if each.name() == "git" and lock in opened_by(each.pid):
                each.kill()
    project.go.touch()  # its filter has the lock too
    first = answered(harness, row)
    again = answered(harness, ask(harness, project))
    assert (first.status, again.status) == ("refused", "refused")
    assert "with-git/project has changes that are not committed: a.txt" in str(again.result)
    assert project.sha("main") == project.base


def test_a_text_is_imported_by_the_reaper(harness: ReaperHarness) -> None:
    harness.reaper()
    row = harness.db.control.request_import("- [ ] Write the parser\n", {"name": "TODO.md"}, actor="dashboard")
    harness.wait(lambda: harness.db.control.get(row).status != "pending", "the request has its outcome")
    assert harness.db.control.get(row).result == "imported 1 of 1 tasks (0 updated, 0 unchanged, 0 skipped)"
    assert harness.status("write-the-parser") is Status.NOT_STARTED
