"""Which events become a message, for which target and when; each is reported once, whatever dies in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from queue_harness import PASSED, QueueHarness, failed

from swarm_shared.carry_out import carry_out_now
from swarm_shared.domain.budget import REACHED_EVENT, UNKNOWN_COST_EVENT, WARNING_EVENT
from swarm_shared.domain.models import FailureClass, Verb
from swarm_shared.domain.notices import NoticeKind
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.notifying.collecting import IDLE_MS, LONG_HOLD_MS, RUN_ENDED, Collector, Pace
from swarm_shared.settings.notify_settings import NotifyTarget, QuietHours
from swarm_shared.store.queue.policy import Budgets
from swarm_shared.store.swarm.swarm import PAUSED

ALL = NotifyTarget(way="command", address="./all")
PACE = Pace(every_ms=60_000)


class Bell:
    """A queue whose events become messages to the given targets."""

    def __init__(self, folder: Path, *targets: NotifyTarget, pace: Pace = PACE) -> None:
        self.harness = QueueHarness(folder, budgets=Budgets(max_retries=0))
        self.collector = Collector(self.harness.db, targets or (ALL,), pace)
        self.harness.db.outbox.begin()

    def fail(self, *ids: str) -> None:
        self.harness.add(*ids)
        for _ in ids:
            self.harness.run(failed(FailureClass.QUALITY, "it broke"))

    def collect(self) -> list[dict[str, Any]]:
        """All messages so far, oldest first, after another round."""
        while self.collector.run_once():
            pass
        return list(reversed(self.harness.db.outbox.newest(100)))

    def kinds(self) -> list[str]:
        return [notice["kind"] for message in self.collect() for notice in message["notices"]]

    def texts(self) -> list[str]:
        return [notice["text"] for message in self.collect() for notice in message["notices"]]

    def hold(self, kind: TroubleKind, wait_s: float | None = None) -> None:
        trouble = Trouble(kind=kind, text="the provider says no", wait_s=wait_s)
        self.harness.run(failed(FailureClass.PROVIDER, "no", trouble=trouble))


@pytest.fixture
def bell(tmp_path: Path) -> Bell:
    return Bell(tmp_path)


def needs_you(bell: Bell) -> list[str]:
    return [text for text in bell.texts() if text.startswith("Task")]


def test_a_task_that_failed_for_good_is_reported_once(bell: Bell) -> None:
    bell.fail("a")
    assert needs_you(bell) == ["Task a failed: it broke"]
    assert needs_you(bell) == ["Task a failed: it broke"]


def test_a_failure_that_is_retried_before_a_message_was_sent_is_not_reported(bell: Bell) -> None:
    bell.fail("a")
    carry_out_now(bell.harness.db, Verb.RETRY, "a", {}, actor="ada")
    assert needs_you(bell) == []


def test_a_task_that_you_hold_yourself_is_not_reported(bell: Bell) -> None:
    bell.harness.add("a")
    carry_out_now(bell.harness.db, Verb.HOLD, "a", {}, actor="ada")
    assert needs_you(bell) == []


def test_events_before_notifications_were_configured_are_not_reported(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path, budgets=Budgets(max_retries=0))
    harness.add("a")
    harness.run(failed(FailureClass.QUALITY))
    collector = Collector(harness.db, (ALL,), PACE)
    collector.run_once()
    collector.run_once()
    assert "needs_you" not in str(harness.db.outbox.newest(10))


def test_many_events_at_once_are_one_message_with_their_number(bell: Bell) -> None:
    ids = [f"t{number}" for number in range(70)]
    bell.fail(*ids)
    (message,) = bell.collect()
    assert message["counts"]["needs_you"] == 70
    assert len(message["notices"]) == 50


def test_each_target_gets_only_the_events_that_it_asked_for(tmp_path: Path) -> None:
    only = NotifyTarget(way="command", address="./only", on=(NoticeKind.FINISHED,))
    bell = Bell(tmp_path, ALL, only)
    bell.harness.add("a")
    bell.collect()  # is busy
    bell.harness.run(failed(FailureClass.QUALITY, "it broke"))
    messages = {each["label"]: each["counts"] for each in bell.collect()}
    assert messages["command ./all"] == {"needs_you": 1, "finished": 1}
    assert messages["command ./only"] == {"finished": 1}


def test_the_end_of_the_queue_is_reported_once_and_without_delay(bell: Bell) -> None:
    bell.harness.add("a", "b")
    assert bell.kinds() == []
    bell.harness.run(PASSED)
    assert bell.kinds() == []
    bell.harness.run(PASSED)
    assert bell.texts() == ["Nothing is left to do: 2 completed"]
    assert bell.kinds() == ["finished"]
    assert bell.collect()[0]["due_at"] == bell.harness.clock.wall_ms()


def test_a_run_reports_its_own_end_and_the_queue_does_not_repeat_it(bell: Bell) -> None:
    bell.harness.add("a")
    bell.collect()
    bell.harness.run(PASSED)
    bell.harness.db.events.add(RUN_ENDED, "all done")
    assert bell.texts() == ["all done: 1 completed"]
    assert bell.texts() == ["all done: 1 completed"]


def test_an_invalid_key_is_reported_at_once_and_again_only_after_it_was_valid(bell: Bell) -> None:
    bell.harness.add("a", "b")
    bell.hold(TroubleKind.CREDENTIALS)
    assert bell.kinds() == ["credentials"]
    assert bell.kinds() == ["credentials"]
    bell.harness.db.swarm.resume(actor="ada")
    assert bell.kinds() == ["credentials"]
    bell.harness.clock.pass_s(1)
    bell.hold(TroubleKind.CREDENTIALS)
    assert bell.kinds() == ["credentials", "credentials"]


def test_a_short_hold_is_reported_only_once_it_has_lasted_a_quarter_of_an_hour(bell: Bell) -> None:
    bell.harness.add("a", "b")
    bell.hold(TroubleKind.THROTTLED, wait_s=30)
    assert bell.kinds() == []
    bell.harness.clock.pass_s(LONG_HOLD_MS / 1000)
    assert bell.kinds() == ["hold"]
    assert bell.kinds() == ["hold"]


@pytest.mark.parametrize(("kind", "wait_s"), [(TroubleKind.WINDOW, 3 * 3600.0), (TroubleKind.QUOTA, None)])
def test_a_hold_that_is_known_to_last_is_reported_at_once(bell: Bell, kind: TroubleKind, wait_s: float | None) -> None:
    bell.harness.add("a", "b")
    bell.hold(kind, wait_s)
    assert bell.kinds() == ["hold"]


def test_ready_tasks_while_nothing_runs_are_reported_after_some_minutes_with_the_reason(bell: Bell) -> None:
    bell.harness.add("a", "b")
    bell.harness.db.swarm.set_flag(PAUSED, actor="ada", reason="lunch")
    assert bell.kinds() == []
    bell.harness.clock.pass_s(IDLE_MS / 1000)
    assert bell.texts() == ["2 tasks are ready and nothing runs: the queue is paused (lunch)"]


def test_a_busy_queue_is_not_idle_however_long_it_takes(bell: Bell) -> None:
    bell.harness.add("a", "b")
    bell.harness.start()
    bell.collect()
    bell.harness.clock.pass_s(IDLE_MS / 1000)
    assert bell.kinds() == []


def test_stopped_landing_is_reported_and_not_also_called_idle(bell: Bell) -> None:
    bell.harness.add("a")
    landings = bell.harness.db.landings
    landings.adopt(repository="/r/.git", ref="refs/heads/swarm/integration", person_ref=None, tip="0" * 40)
    landings.stop_queue("another program moved it", actor="worker-1")
    assert bell.texts() == ["Nothing lands on swarm/integration: another program moved it"]
    bell.harness.clock.pass_s(IDLE_MS / 1000)
    assert bell.kinds() == ["landing_stopped"]


def test_a_tasks_own_budget_is_reported_with_the_task(bell: Bell) -> None:
    bell.harness.add("z")
    bell.harness.db.events.add(WARNING_EVENT, "the budget of this run: $8.20 of $10 (82 %)")
    with bell.harness.db.connection.transaction():
        bell.harness.db.events._event(REACHED_EVENT, "the budget of this task: $3 of $3 (100 %)", task_id="a")
    bell.harness.db.events.add(UNKNOWN_COST_EVENT, "the budget does not count sessions with m")
    assert bell.texts() == [
        "The budget of this run: $8.20 of $10 (82 %)",
        "Task a: the budget of this task: $3 of $3 (100 %)",
        "The budget does not count sessions with m",
    ]
    assert bell.kinds() == ["budget", "budget", "budget"]


def test_news_are_added_to_the_waiting_message_until_its_sending_begins(bell: Bell) -> None:
    bell.harness.add("z")  # so that the queue does not end
    bell.fail("a")
    bell.collect()
    bell.fail("b")
    (message,) = bell.collect()
    assert message["counts"]["needs_you"] == 2


def test_a_target_gets_at_most_one_message_per_interval() -> None:
    pace = Pace(every_ms=60_000)
    assert pace.due_at(1_000_000, last_sent_at=None, at_once=False) == 1_010_000
    assert pace.due_at(1_000_000, last_sent_at=990_000, at_once=False) == 1_050_000
    assert pace.due_at(1_000_000, last_sent_at=990_000, at_once=True) == 1_000_000


def test_quiet_hours_postpone_everything() -> None:
    always = Pace(every_ms=0, quiet=QuietHours(start_min=0, end_min=24 * 60 - 1))
    now = 1_764_331_200_000  # not within the one loud minute of the day, in any time zone of whole hours
    assert always.due_at(now, last_sent_at=None, at_once=True) > now


def test_messages_and_cursor_are_written_together_or_not_at_all(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    bell.fail("a")
    outbox = bell.harness.db.outbox
    with monkeypatch.context() as broken:
        broken.setattr(outbox, "move_cursor", lambda event: (_ for _ in ()).throw(RuntimeError("killed")))
        with pytest.raises(RuntimeError):
            bell.collector.run_once()
    assert outbox.newest(10) == []
    assert len(needs_you(bell)) == 1


def test_two_collectors_of_one_database_make_one_message(bell: Bell) -> None:
    bell.harness.add("z")
    bell.fail("a")
    other = Collector(bell.harness.db, (ALL,), PACE)
    look = bell.collector._look(bell.harness.db.outbox.cursor() or 0)  # it has read the events, and is slow to write
    assert look.notices
    other.run_once()
    assert len(needs_you(bell)) == 1


def test_secrets_in_events_do_not_reach_a_message(bell: Bell) -> None:
    bell.harness.add("a")
    bell.harness.run(failed(FailureClass.QUALITY, "bad key sk-ant-api03-" + "A1b2C3d4" * 10))
    assert "A1b2C3d4" not in str(bell.collect())
