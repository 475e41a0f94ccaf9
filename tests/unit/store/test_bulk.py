"""One control row for many tasks is carried out in pieces: no task twice, none skipped, and only the selected ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from queue_harness import QueueHarness, failed

from swarm_shared.domain.errors import StateError
from swarm_shared.domain.models import FailureClass, Status, TaskSpec, Verb
from swarm_shared.store.requests.bulk import Bulk, meant
from swarm_shared.store.views.browse import Browse
from swarm_shared.store.views.task_filter import Filter, filter_from_json

WHOLE = Filter(
    statuses=(Status.FAILED,), phase="p", words=("a", "b"), id_prefix="1", type="t", priority=2, worker="w",
    error="e", since=7,
)  # fmt: skip


class BulkHarness(QueueHarness):
    """A queue with many tasks, and the part of the reaper that handles bulk requests."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bulk = Bulk(self.db.connection, self.clock)

    def fail(self, *ids: str, error: str = "it broke", **more: Any) -> None:
        for task_id in ids:
            self.add(TaskSpec(id=task_id, name=f"task {task_id}", max_retries=0, **more))
            self.run(failed(FailureClass.QUALITY, error))

    def matching(self, verb: Verb, wanted: Filter, **argument: Any) -> int:
        return self.bulk.request_matching(verb, wanted, argument, actor="test", key=None)

    def carry_out(self, row: int) -> str:
        while not self.bulk.step(self.db.control.get(row)):
            pass
        return self.bulk.progress(row).summary()

    def statuses(self) -> list[str]:
        return [row[0] for row in self.db.connection.rows("SELECT status FROM tasks ORDER BY seq")]


@pytest.fixture
def harness(tmp_path: Path) -> BulkHarness:
    return BulkHarness(tmp_path)


def test_every_matching_task_is_retried_and_gets_the_note(harness: BulkHarness) -> None:
    harness.fail("1", "2", phase="build")
    harness.fail("3", phase="test")
    row = harness.matching(Verb.RETRY, Filter(phase="build"), note="mind the gap")
    assert harness.db.control.get(row).verb is Verb.BULK
    assert harness.carry_out(row) == "2 done"
    assert harness.statuses() == ["not_started", "not_started", "failed"]
    assert harness.task("2")["note"] == "mind the gap"


def test_tasks_to_which_the_verb_does_not_apply_are_left_alone(harness: BulkHarness) -> None:
    harness.add("0")
    harness.run()
    harness.fail("1")
    harness.add("2")
    assert harness.carry_out(harness.matching(Verb.RETRY, Filter())) == "1 done"
    assert harness.statuses() == ["completed", "not_started", "not_started"]
    assert harness.carry_out(harness.matching(Verb.RETRY, Filter(statuses=(Status.COMPLETED,)))) == "1 done"
    assert harness.statuses() == ["not_started"] * 3


def test_a_verb_that_applies_to_none_of_the_tasks_is_refused_before_anything_is_written(harness: BulkHarness) -> None:
    harness.fail("1")
    with pytest.raises(StateError):
        harness.matching(Verb.KILL, Filter(statuses=(Status.FAILED,)))
    assert harness.db.control.newest(limit=1) == []
    assert meant(Verb.KILL, Filter(statuses=(Status.FAILED,))) is None


def test_pieces_neither_repeat_nor_skip_tasks(harness: BulkHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm_shared.store.requests.bulk.BATCH", 3)
    monkeypatch.setattr("swarm_shared.store.views.browse.SEARCH_BATCH", 4)
    harness.add(*(f"t{n}" for n in range(20)))
    row = harness.matching(Verb.HOLD, Filter(words=("t1",)))
    steps = 1
    while not harness.bulk.step(harness.db.control.get(row)):
        steps += 1
        harness.bulk = Bulk(harness.db.connection, harness.clock)  # another reaper continues
    assert steps > 3
    assert harness.bulk.progress(row).summary() == "11 done"
    assert [event for event in harness.events() if event == "held"] == ["held"] * 11
    assert harness.statuses().count("held") == 11


def test_a_piece_that_fails_halfway_changes_nothing(harness: BulkHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.add("1", "2")
    row = harness.matching(Verb.HOLD, Filter())

    def explode(*_: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as broken:
        broken.setattr("swarm_shared.store.requests.bulk.to_json", explode)
        with pytest.raises(RuntimeError):
            harness.bulk.step(harness.db.control.get(row))
    assert harness.statuses() == ["not_started", "not_started"]
    assert harness.carry_out(row) == "2 done"


def test_tasks_added_after_the_request_are_not_affected(harness: BulkHarness) -> None:
    harness.add("1")
    row = harness.matching(Verb.HOLD, Filter())
    harness.add("2")
    assert harness.carry_out(row) == "1 done"
    assert harness.status("2") is Status.NOT_STARTED


def test_named_tasks_are_changed_and_refusals_give_the_reason(harness: BulkHarness) -> None:
    harness.fail("1")
    harness.add("2", "3", "4", "5", "6")
    ids = ["1", "2", "3", "4", "5", "6", "gone"]
    row = harness.bulk.request_ids(Verb.RETRY, ids, {}, actor="test", key=None)
    outcome = harness.carry_out(row)
    assert outcome.startswith("1 done, 6 refused: cannot retry 2: it is ")
    assert outcome.endswith("…")
    assert harness.status("1") is Status.NOT_STARTED


def test_a_running_task_gets_a_separate_row_for_its_attempt(harness: BulkHarness) -> None:
    harness.add("1", "2")
    claim = harness.start()
    row = harness.matching(Verb.CANCEL, Filter())
    assert harness.carry_out(row) == "2 done"
    assert harness.status("2") is Status.CANCELLED
    [kill] = [one for one in harness.db.control.pending() if one.verb is Verb.CANCEL]
    assert (kill.target, kill.attempt_id, kill.actor) == (claim.task_id, claim.attempt, "test")


def test_a_filter_survives_its_round_trip_through_a_control_row() -> None:
    assert filter_from_json(WHOLE.as_json()) == WHOLE
    assert filter_from_json(Filter().as_json()) == Filter()


def test_a_tally_by_status_and_phase_is_exact_at_once_and_others_are_counted_in_steps(
    harness: BulkHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_shared.store.views.browse.SEARCH_BATCH", 4)
    monkeypatch.setattr("swarm_shared.store.views.browse.SEARCH_TIME_MS", -1)
    harness.fail("f", phase="p", error="timeout of the server")
    harness.add(*(TaskSpec(id=f"t{n}", name="odd" if n % 2 else "even", phase="p") for n in range(20)))
    browse = Browse(harness.db.connection, harness.clock)
    at_once = browse.tally(Filter(phase="p"))
    assert (at_once.by_status, at_once.cursor) == ({Status.NOT_STARTED: 20, Status.FAILED: 1}, None)
    counted, after, calls = 0, 0, 0
    while True:
        tally = browse.tally(Filter(words=("odd",)), after=after)
        counted += sum(tally.by_status.values())
        calls += 1
        if tally.cursor is None:
            break
        after = tally.cursor
    assert (counted, calls > 3) == (10, True)
    assert browse.tally(Filter(statuses=(Status.FAILED,), error="TIMEOUT")).by_status == {Status.FAILED: 1}
