"""Requests that take long, by a real reaper: one killed while git updates your checkout leaves a whole landing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration_desk import Run, adopt
from reaper_desk import ReaperDesk, reaper_desk

from swarm_shared.domain.models import Status, Verb
from swarm_shared.git.plumbing.stale_locks import LOCK_NAME

pytestmark = pytest.mark.integration


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ReaperDesk]:
    with reaper_desk(tmp_path) as made:
        yield made


def opened_by(pid: int) -> set[Path]:
    return {Path(os.path.realpath(each)) for each in Path(f"/proc/{pid}/fd").iterdir()}


def test_a_landing_survives_the_reaper_that_began_it(desk: ReaperDesk, tmp_path: Path) -> None:
    project = Run(tmp_path / "with-git")
    started, go = tmp_path / "started", tmp_path / "go"
    project.land("a", {"b.txt": "1\n", ".gitattributes": "slow.txt filter=slow\n"})
    tip = project.land("c", {"c.txt": "1\n", "slow.txt": "2\n", "z.txt": "3\n"})
    adopt(desk.db, project)
    # Git is in the middle of writing files for as long as this filter waits.
    smudge = f"touch '{started}'; while [ ! -e '{go}' ]; do sleep 0.02; done; cat"
    project.git("config", "filter.slow.smudge", smudge)
    project.git("config", "filter.slow.clean", "cat")
    first = desk.reaper()
    row = desk.db.control.request(Verb.LAND, "main", {"into": project.base, "tip": tip}, actor="dashboard")
    desk.wait(started.exists, "git writes the files")
    first.kill()
    first.wait()
    second = desk.reaper()
    lock = project.root / ".git" / LOCK_NAME
    desk.wait(lambda: lock in opened_by(second.pid), "the next reaper waits for the git of the first one")
    assert desk.db.control.get(row).status == "pending"
    go.touch()
    desk.wait(lambda: desk.db.control.get(row).status != "pending", "the request has its outcome")
    answered = desk.db.control.get(row)
    assert (answered.status, answered.argument["new"]) == ("done", tip), answered.result
    assert project.sha("main") == tip
    assert project.git("status", "--porcelain") == ""
    assert [e["event_type"] for e in desk.db.events.newest(50)].count("landed_into") == 1


def test_a_text_is_imported_by_the_reaper(desk: ReaperDesk) -> None:
    desk.reaper()
    row = desk.db.control.request_import("- [ ] Write the parser\n", {"name": "TODO.md"}, actor="dashboard")
    desk.wait(lambda: desk.db.control.get(row).status != "pending", "the request has its outcome")
    assert desk.db.control.get(row).result == "imported 1 of 1 tasks (0 updated, 0 unchanged, 0 skipped)"
    assert desk.status("write-the-parser") is Status.NOT_STARTED
