"""The user's `sync_command`: once per completed task, retried, recorded, never in the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from queue_desk import QueueDesk

from swarm_reaper.config import ReaperConfig, reaper_config
from swarm_reaper.source_sync import SourceSync, SourceSyncThread
from swarm_shared.domain.models import Source, TaskSpec, Verb
from swarm_shared.processes.file_lock import alone
from swarm_shared.program.settings import resolve
from swarm_shared.store.importing.syncs import TRIES

BEADS = Source(format="beads", path=".beads/issues.jsonl", key="bd-a1; touch $HOME/harm")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[QueueDesk]:
    desk = QueueDesk(tmp_path)
    yield desk
    desk.db.close()


def sync(desk: QueueDesk, command: str, **more: Any) -> SourceSync:
    return SourceSync(desk.db, command, desk.path.parent, **more)


def config(desk: QueueDesk, command: str) -> ReaperConfig:
    made = reaper_config(resolve({"db": desk.path}, {}))
    return replace(made, sync_command=command, project_root=desk.path.parent)


def add(desk: QueueDesk, source: Source | None = BEADS) -> None:
    desk.add(TaskSpec(id="a", name="A", source=source))


def row(desk: QueueDesk) -> tuple[Any, ...] | None:
    return desk.db.connection.row("SELECT status, tries, error FROM syncs")


def test_it_runs_once_when_the_task_is_completed(desk: QueueDesk) -> None:
    add(desk)
    closing = sync(desk, "printf %s {id} >> closed; echo {task} >> tasks")
    assert not closing.run_once()
    desk.run()
    assert closing.run_once()
    assert not closing.run_once()
    assert (desk.path.parent / "closed").read_text() == BEADS.key, "one word of the shell"
    assert row(desk) == ("done", 1, None)
    assert "synced" in desk.events()


def test_a_task_that_is_completed_again_is_not_reported_again(desk: QueueDesk) -> None:
    add(desk)
    closing = sync(desk, "echo {id} >> closed")
    for _ in range(2):
        desk.run()
        closing.run_once()
        desk.db.steering.apply(Verb.RETRY, "a", {}, actor="anna")
    assert len((desk.path.parent / "closed").read_text().splitlines()) == 1


@pytest.mark.parametrize("source", [None, Source(format="spec-kit", path="specs/x/tasks.md", key="T001", tick=True)])
def test_what_has_no_source_or_is_ticked_in_its_file_needs_no_command(desk: QueueDesk, source: Source | None) -> None:
    add(desk, source)
    desk.run()
    assert not sync(desk, "echo {id} >> closed").run_once()


def test_a_failing_command_is_tried_again_later_and_given_up_in_the_end(desk: QueueDesk) -> None:
    add(desk)
    desk.run()
    closing = sync(desk, "echo cannot reach it; exit 3")
    assert closing.run_once()
    assert row(desk) == ("waiting", 1, "exit code 3: cannot reach it")
    assert not closing.run_once()
    for _ in range(TRIES):
        desk.clock.pass_s(3600)
        closing.run_once()
    assert row(desk) == ("given_up", TRIES, "exit code 3: cannot reach it")
    assert desk.status("a") == "completed"


def test_a_command_that_hangs_is_killed_with_all_that_it_started(desk: QueueDesk) -> None:
    add(desk)
    desk.run()
    assert sync(desk, "sleep 1000 & sleep 1000", within_s=0.2).run_once()
    assert row(desk) == ("waiting", 1, "the command did not end within 0.2 s")


def test_a_command_whose_reaper_was_killed_runs_again(desk: QueueDesk) -> None:
    add(desk)
    desk.run()
    with desk.db.connection.transaction():
        desk.db.connection.change("UPDATE syncs SET status = 'running', tries = 1")
    assert sync(desk, "echo {id} > closed").run_once()
    assert row(desk) == ("done", 2, None)


def test_what_was_completed_last_is_reported_before_the_reaper_stops(desk: QueueDesk) -> None:
    add(desk)
    thread = SourceSyncThread(config(desk, "echo {id} > closed"), desk.clock)
    thread.start()
    desk.run()
    thread.stop(within_s=20)
    assert row(desk) == ("done", 1, None)


def test_of_two_reapers_one_runs_the_command(desk: QueueDesk) -> None:
    add(desk)
    desk.run()
    with alone(config(desk, "").state_dir / "sync.lock", wait=True):
        thread = SourceSyncThread(config(desk, "echo {id} > closed"), desk.clock)
        thread.start()
        thread.stop(within_s=20)
        assert row(desk) == ("waiting", 0, None)
