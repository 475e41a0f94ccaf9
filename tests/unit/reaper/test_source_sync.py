"""The user's `sync_command`: once per completed task, retried, recorded, never delaying the reaper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from queue_harness import QueueHarness

from swarm_reaper.config import ReaperConfig, reaper_config
from swarm_reaper.threads.source_sync import SourceSync, SourceSyncThread
from swarm_shared.domain.models import Source, TaskSpec, Verb
from swarm_shared.processes.file_lock import alone
from swarm_shared.settings.settings import resolve
from swarm_shared.store.importing.syncs import TRIES

BEADS = Source(format="beads", path=".beads/issues.jsonl", key="bd-a1; touch $HOME/harm")


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[QueueHarness]:
    harness = QueueHarness(tmp_path)
    yield harness
    harness.db.close()


def sync(harness: QueueHarness, command: str, **more: Any) -> SourceSync:
    return SourceSync(harness.db, command, harness.path.parent, **more)


def config(harness: QueueHarness, command: str) -> ReaperConfig:
    made = reaper_config(resolve({"db": harness.path}, {}))
    return replace(made, sync_command=command, project_root=harness.path.parent)


def add(harness: QueueHarness, source: Source | None = BEADS) -> None:
    harness.add(TaskSpec(id="a", name="A", source=source))


def row(harness: QueueHarness) -> tuple[Any, ...] | None:
    return harness.db.connection.row("SELECT status, tries, error FROM syncs")


def test_it_runs_once_when_the_task_is_completed(harness: QueueHarness) -> None:
    add(harness)
    closing = sync(harness, "printf %s {id} >> closed; echo {task} >> tasks")
    assert not closing.run_once()
    harness.run()
    assert closing.run_once()
    assert not closing.run_once()
    assert (harness.path.parent / "closed").read_text() == BEADS.key, "one word for the shell"
    assert row(harness) == ("done", 1, None)
    assert "synced" in harness.events()


def test_a_task_that_is_completed_again_is_not_reported_again(harness: QueueHarness) -> None:
    add(harness)
    closing = sync(harness, "echo {id} >> closed")
    for _ in range(2):
        harness.run()
        closing.run_once()
        harness.db.steering.apply(Verb.RETRY, "a", {}, actor="anna")
    assert len((harness.path.parent / "closed").read_text().splitlines()) == 1


@pytest.mark.parametrize("source", [None, Source(format="spec-kit", path="specs/x/tasks.md", key="T001", tick=True)])
def test_a_task_without_a_source_or_ticked_in_its_file_needs_no_command(
    harness: QueueHarness, source: Source | None
) -> None:
    add(harness, source)
    harness.run()
    assert not sync(harness, "echo {id} >> closed").run_once()


def test_a_failing_command_is_retried_later_and_finally_given_up(harness: QueueHarness) -> None:
    add(harness)
    harness.run()
    closing = sync(harness, "echo cannot reach it; exit 3")
    assert closing.run_once()
    assert row(harness) == ("waiting", 1, "exit code 3: cannot reach it")
    assert not closing.run_once()
    for _ in range(TRIES):
        harness.clock.pass_s(3600)
        closing.run_once()
    assert row(harness) == ("given_up", TRIES, "exit code 3: cannot reach it")
    assert harness.status("a") == "completed"


def test_a_command_that_hangs_is_killed_with_everything_that_it_started(harness: QueueHarness) -> None:
    add(harness)
    harness.run()
    assert sync(harness, "sleep 1000 & sleep 1000", within_s=0.2).run_once()
    assert row(harness) == ("waiting", 1, "the command did not end within 0.2 s")


def test_a_command_whose_reaper_was_killed_runs_again(harness: QueueHarness) -> None:
    add(harness)
    harness.run()
    with harness.db.connection.transaction():
        harness.db.connection.change("UPDATE syncs SET status = 'running', tries = 1")
    assert sync(harness, "echo {id} > closed").run_once()
    assert row(harness) == ("done", 2, None)


def test_the_latest_completed_tasks_are_reported_before_the_reaper_stops(harness: QueueHarness) -> None:
    add(harness)
    thread = SourceSyncThread(config(harness, "echo {id} > closed"), harness.clock)
    thread.start()
    harness.run()
    thread.stop(within_s=20)
    assert row(harness) == ("done", 1, None)


def test_only_one_of_two_reapers_runs_the_command(harness: QueueHarness) -> None:
    add(harness)
    harness.run()
    with alone(config(harness, "").state_dir / "sync.lock", wait=True):
        thread = SourceSyncThread(config(harness, "echo {id} > closed"), harness.clock)
        thread.start()
        thread.stop(within_s=20)
        assert row(harness) == ("waiting", 0, None)
