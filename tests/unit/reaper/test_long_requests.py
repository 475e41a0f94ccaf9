"""Requests next to the loop: each is carried out once, with its outcome, whatever dies in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration_harness import Run, adopt
from live_swarm import wait_until
from queue_harness import QueueHarness

from swarm_reaper.requests import Requests
from swarm_reaper.slots import Slots
from swarm_reaper.threads import long_requests, side_thread
from swarm_reaper.threads.long_requests import LongRequests, Offered
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import DatabaseError, NotFound
from swarm_shared.domain.models import Verb
from swarm_shared.git.landing.land_into import Seen, land_into
from swarm_shared.store.requests.control import EXPIRES_AFTER_S, Control, ControlRow


class LandingHarness(QueueHarness):
    """A queue whose landed work waits for main, and the reaper's requests with the thread next to them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.project = Run(folder / "with-git")
        self.tip = self.project.land("a", {"b.txt": "1\n"})
        adopt(self.db, self.project)
        self.start_reaper()

    def start_reaper(self) -> None:
        """A reaper that knows nothing of an earlier one."""
        self.long = LongRequests(self.path, self.clock)
        self.requests = Requests(self.db, Slots(None, self.clock), self.long)

    def ask(self, **argument: object) -> int:
        given = argument or {"into": self.project.base, "tip": self.tip}
        return self.db.control.request(Verb.LAND, "main", given, actor="dashboard")

    def round(self) -> None:
        self.requests.run_once()
        while self.long.run_once(self.db):
            pass

    def outcome(self, row_id: int) -> tuple[str, str | None]:
        row = self.db.control.get(row_id)
        return row.status, row.result


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[LandingHarness]:
    harness = LandingHarness(tmp_path)
    yield harness
    harness.db.close()


def done(harness: LandingHarness) -> tuple[str, str]:
    text = f"main is now at {harness.tip[:12]}; it was at {harness.project.base[:12]}"
    return "done", f"{text}; its checkout {harness.project.root} was updated"


def test_a_landing_is_carried_out_and_reports_both_commits(harness: LandingHarness) -> None:
    row = harness.ask()
    harness.round()
    assert harness.outcome(row) == done(harness)
    assert harness.project.sha("main") == harness.tip
    assert harness.db.control.get(row).argument["new"] == harness.tip
    assert "landed_into" in harness.events()


def test_the_loop_does_not_wait_for_it(harness: LandingHarness) -> None:
    row = harness.ask()
    harness.requests.run_once()
    assert (harness.outcome(row)[0], harness.project.sha("main")) == ("pending", harness.project.base)
    assert harness.requests.unfinished


def test_a_refusal_names_the_files_and_changes_nothing(harness: LandingHarness) -> None:
    harness.project.write({"a.txt": "mine\n"})
    row = harness.ask()
    harness.round()
    status, result = harness.outcome(row)
    assert status == "refused"
    assert "has changes that are not committed: a.txt" in str(result)
    assert harness.project.sha("main") == harness.project.base


@pytest.mark.parametrize("argument", [{"into": "main", "tip": "main"}, {"undo": True}, {"into": "0" * 40}])
def test_a_request_without_the_commits_of_its_preview_is_refused(
    harness: LandingHarness, argument: dict[str, object]
) -> None:
    row = harness.ask(**argument)
    harness.round()
    assert harness.outcome(row)[0] == "refused"


def test_an_undo_is_a_request_too(harness: LandingHarness) -> None:
    harness.ask()
    harness.round()
    undo = harness.ask(undo=True, **{"from": harness.tip, "to": harness.project.base})
    harness.round()
    status, result = harness.outcome(undo)
    assert (status, str(result).split(";")[0]) == ("done", f"main is back at {harness.project.base[:12]}")
    assert harness.project.sha("main") == harness.project.base


# ───── deaths ─────


def land_and_die(harness: LandingHarness) -> int:
    """A reaper that has landed and dies before it stores the outcome."""
    row = harness.ask()
    harness.db.control.prolong(row, by="reaper", seconds=EXPIRES_AFTER_S + 1)
    land_into(harness.project.integration, "main", seen=Seen(into=harness.project.base, tip=harness.tip))
    return row


@pytest.mark.parametrize("later_s", [1, 3_600])
def test_a_landing_completed_by_a_dead_reaper_is_reported_by_the_next_one(
    harness: LandingHarness, later_s: float
) -> None:
    row = land_and_die(harness)
    harness.clock.pass_s(later_s)
    harness.start_reaper()
    harness.round()
    assert harness.outcome(row) == done(harness)
    assert harness.project.sha("main") == harness.tip


def begin_and_die(harness: LandingHarness) -> int:
    row = harness.ask()
    harness.db.control.prolong(row, by="reaper", seconds=EXPIRES_AFTER_S + 1)
    return row


def test_a_landing_begun_by_a_dead_reaper_is_continued_by_one_that_starts_in_time(harness: LandingHarness) -> None:
    row = begin_and_die(harness)
    harness.start_reaper()
    harness.round()
    assert harness.outcome(row) == done(harness)


def test_but_not_by_one_that_starts_after_the_request_expired(harness: LandingHarness) -> None:
    row = begin_and_die(harness)
    harness.clock.pass_s(3_600)
    harness.start_reaper()
    harness.round()
    status, result = harness.outcome(row)
    assert (status, str(result).split(";")[0]) == ("expired", "the reaper that began it ended before it was done")
    assert harness.project.sha("main") == harness.project.base


def test_an_undo_that_came_too_late_is_not_carried_out(harness: LandingHarness) -> None:
    harness.ask()
    harness.round()
    row = harness.ask(undo=True, **{"from": harness.tip, "to": harness.project.base})
    harness.db.control.prolong(row, by="reaper", seconds=EXPIRES_AFTER_S + 1)
    harness.clock.pass_s(3_600)
    harness.start_reaper()
    harness.round()
    assert (harness.outcome(row)[0], harness.project.sha("main")) == ("expired", harness.tip)


def test_a_request_that_was_never_begun_expires(harness: LandingHarness) -> None:
    row = harness.ask()
    harness.clock.pass_s(EXPIRES_AFTER_S + 1)
    harness.round()
    assert harness.outcome(row)[0] == "expired"
    assert harness.project.sha("main") == harness.project.base


# ───── the thread ─────


class Beside:
    """Carries out rows in a test, and records which it got."""

    def __init__(self, *, fails: list[Exception] | None = None) -> None:
        self.got: list[int] = []
        self._fails = fails or []

    def __call__(self, database: TaskDatabase, offered: Offered) -> None:
        self.got.append(offered.row.id)
        if self._fails:
            raise self._fails.pop(0)
        database.control.answer(offered.row.id, "done", "landed", by="reaper")


def offered_to(harness: LandingHarness, beside: Beside) -> ControlRow:
    harness.long = LongRequests(harness.path, harness.clock, carry_out=beside)
    harness.requests = Requests(harness.db, Slots(None, harness.clock), harness.long)
    return harness.db.control.get(harness.ask())


def test_a_row_that_is_offered_repeatedly_is_carried_out_once(harness: LandingHarness) -> None:
    beside = Beside()
    row = offered_to(harness, beside)
    for _ in range(3):
        harness.requests.run_once()
    harness.long.offer(row)
    while harness.long.run_once(harness.db):
        pass
    harness.long.offer(row)  # by a loop that has read it before
    while harness.long.run_once(harness.db):
        pass
    assert beside.got == [row.id]


def test_an_unexpected_error_is_an_outcome_and_not_retried_forever(harness: LandingHarness) -> None:
    beside = Beside(fails=[ZeroDivisionError()])
    row = offered_to(harness, beside)
    harness.round()
    harness.round()
    assert harness.outcome(row.id) == ("refused", "it failed unexpectedly; the reaper's log has the details")
    assert beside.got == [row.id]


def test_after_a_database_error_the_loop_offers_it_again(harness: LandingHarness) -> None:
    beside = Beside(fails=[DatabaseError("the disk is full")])
    row = offered_to(harness, beside)
    harness.requests.run_once()
    with pytest.raises(DatabaseError):
        harness.long.run_once(harness.db)
    assert harness.outcome(row.id)[0] == "pending"
    harness.round()
    assert harness.outcome(row.id) == ("done", "landed")


@pytest.mark.parametrize("error", [DatabaseError("the database is busy"), ZeroDivisionError()])
def test_a_database_that_cannot_be_opened_for_a_moment_does_not_end_the_thread(
    harness: LandingHarness, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    beside, fails = Beside(), [error]

    def opened(*given: Any, **how: Any) -> TaskDatabase:
        if fails:
            raise fails.pop()
        return TaskDatabase(*given, **how)

    monkeypatch.setattr(long_requests, "TaskDatabase", opened)
    monkeypatch.setattr(side_thread, "AGAIN_AFTER_S", 0.01)
    row = offered_to(harness, beside)
    harness.requests.run_once()
    assert_done_by_thread(harness, row)


@pytest.mark.parametrize("error", [DatabaseError("the disk is full"), NotFound("no control row 1")])
def test_a_row_that_fails_does_not_end_the_thread(
    harness: LandingHarness, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    beside, fails = Beside(), [error]
    get = Control.get

    def failing(self: Control, row_id: int) -> ControlRow:
        if fails and threading.current_thread().name == "long requests":
            raise fails.pop()
        return get(self, row_id)

    monkeypatch.setattr(Control, "get", failing)
    row = offered_to(harness, beside)
    harness.requests.run_once()
    assert_done_by_thread(harness, row)


def assert_done_by_thread(harness: LandingHarness, row: ControlRow) -> None:
    harness.long.start()

    def is_done() -> bool:
        harness.requests.run_once()
        return harness.outcome(row.id)[0] != "pending"

    try:
        wait_until(is_done)
    finally:
        harness.long.stop(within_s=10)
    assert harness.outcome(row.id) == ("done", "landed")


def test_the_thread_ends_when_it_is_asked_to(harness: LandingHarness) -> None:
    harness.long.start()
    harness.long.stop(within_s=10)
    assert not harness.long.is_running
