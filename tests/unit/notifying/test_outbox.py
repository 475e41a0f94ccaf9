"""A message has one sender at a time, and its stored outcome is the one that its sender recorded."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trees
from queue_harness import QueueHarness

from swarm_shared.diagnosis import diagnose
from swarm_shared.domain.notices import Notice, NoticeKind
from swarm_shared.notifying.dispatching import Dispatcher
from swarm_shared.processes.identity import ProcessId
from swarm_shared.settings.notify_settings import NotifyTarget, QuietHours
from swarm_shared.store.records.outbox import TRIES, UNKNOWN_SENDER_MS, Outbox, Unsent

DAY_MIN = 24 * 60
ME = ProcessId.mine()


@pytest.fixture
def harness(tmp_path: Path) -> QueueHarness:
    return QueueHarness(tmp_path)


@pytest.fixture
def outbox(harness: QueueHarness) -> Outbox:
    add(harness, "t1")
    return harness.db.outbox


def add(harness: QueueHarness, target: str, *, in_s: float = 0) -> None:
    now = harness.clock.wall_ms()
    notice = Notice(kind=NoticeKind.FINISHED, at=now, text="done")
    with harness.db.connection.transaction():
        harness.db.outbox.add(target, f"command ./{target}", [notice], due_at=now + round(in_s * 1000))


def local_minute(harness: QueueHarness) -> int:
    local = time.localtime(harness.clock.wall_ms() / 1000)
    return local.tm_hour * 60 + local.tm_min


def first(outbox: Outbox) -> Unsent:
    return outbox.unsent()[0]


def dead_process() -> ProcessId:
    process = subprocess.Popen([sys.executable, "-c", ""])
    found = ProcessId.of(process.pid)
    process.wait()
    assert found is not None
    return found


def test_only_one_of_two_senders_gets_the_message(outbox: Outbox) -> None:
    key = first(outbox).key
    assert outbox.take(key, ME) is not None
    assert outbox.take(key, ME) is None


def test_nothing_is_sent_or_retried_in_quiet_hours(harness: QueueHarness, outbox: Outbox, tmp_path: Path) -> None:
    target = NotifyTarget(way="command", address=f"touch {tmp_path / 'sent'}")
    with harness.db.connection.transaction():
        harness.db.connection.change("UPDATE outbox SET target = :key, tries = 1", {"key": target.key})
    minute = local_minute(harness)
    now = QuietHours(start_min=(minute - 1) % DAY_MIN, end_min=(minute + 60) % DAY_MIN)
    over = QuietHours(start_min=(minute - 60) % DAY_MIN, end_min=(minute - 1) % DAY_MIN)
    quiet = Dispatcher(harness.db, [target], {}, now)
    quiet.run_once()
    assert not quiet.busy
    assert outbox.counts() == {"waiting": 1}
    Dispatcher(harness.db, [target], dict(os.environ), over).run_once()
    trees.wait_until((tmp_path / "sent").exists, "the message is sent once the quiet hours are over")


def test_a_message_is_not_claimed_before_its_time(harness: QueueHarness) -> None:
    add(harness, "t1", in_s=60)
    key = first(harness.db.outbox).key
    assert harness.db.outbox.take(key, ME) is None
    harness.clock.pass_s(60)
    assert harness.db.outbox.take(key, ME) is not None


def test_the_message_of_a_dead_sender_is_sent_again_with_the_same_key(harness: QueueHarness, outbox: Outbox) -> None:
    key = first(outbox).key
    taken = outbox.take(key, dead_process())
    assert taken is not None
    assert first(outbox).is_due(harness.clock.wall_ms())
    again = outbox.take(key, ME)
    assert again is not None
    assert (again.key, again.tries) == (key, 2)


def test_a_sender_in_another_container_counts_as_alive_for_some_minutes(harness: QueueHarness, outbox: Outbox) -> None:
    elsewhere = ProcessId(pid=ME.pid, start_time=ME.start_time, boot_id=ME.boot_id, pid_ns=ME.pid_ns + 1)
    assert outbox.take(first(outbox).key, elsewhere) is not None
    assert not first(outbox).is_due(harness.clock.wall_ms())
    harness.clock.pass_s(UNKNOWN_SENDER_MS / 1000)
    assert first(outbox).is_due(harness.clock.wall_ms())


def test_only_the_sender_can_settle_its_message(outbox: Outbox) -> None:
    taken = outbox.take(first(outbox).key, ME)
    assert taken is not None
    assert not outbox.settle(taken, dead_process(), error=None)
    assert outbox.settle(taken, ME, error=None)
    assert outbox.counts() == {"sent": 1}


def test_news_are_not_added_to_a_message_that_is_being_sent(harness: QueueHarness, outbox: Outbox) -> None:
    outbox.take(first(outbox).key, ME)
    add(harness, "t1")
    assert outbox.counts() == {"sending": 1, "waiting": 1}


def test_the_delays_between_tries_grow_and_the_tries_end(harness: QueueHarness, outbox: Outbox) -> None:
    waits = []
    while outbox.counts().get("waiting"):
        taken = outbox.take(first(outbox).key, ME)
        assert taken is not None
        outbox.settle(taken, ME, error="HTTP 503")
        if outbox.unsent():
            waits.append(first(outbox).due_at - harness.clock.wall_ms())
            harness.clock.pass_s(waits[-1] / 1000)
    assert waits == sorted(waits)
    assert len(waits) == TRIES - 1
    assert outbox.newest(1)[0]["tries"] == TRIES


def test_a_target_that_was_given_up_is_a_finding_until_it_accepts_a_message(
    harness: QueueHarness, outbox: Outbox
) -> None:
    taken = outbox.take(first(outbox).key, ME)
    assert taken is not None
    outbox.settle(taken, ME, error="HTTP 404 Not Found", is_final=True)
    (finding,) = [each for each in diagnose(harness.db, at_rest=True) if each.code == "notification_given_up"]
    assert "command ./t1 does not accept notifications (1 given up): HTTP 404 Not Found" in finding.text
    add(harness, "t1")
    again = outbox.take(first(outbox).key, ME)
    assert again is not None
    outbox.settle(again, ME, error=None)
    assert not [each for each in diagnose(harness.db, at_rest=True) if each.code == "notification_given_up"]


def test_an_unreachable_target_delays_only_its_own_messages(harness: QueueHarness, outbox: Outbox) -> None:
    taken = outbox.take(first(outbox).key, ME)
    assert taken is not None
    outbox.settle(taken, ME, error="HTTP 503")
    add(harness, "t2")
    assert [each.target for each in outbox.unsent() if each.is_due(harness.clock.wall_ms())] == ["t2"]


def test_settled_messages_are_pruned_and_others_are_kept(harness: QueueHarness, outbox: Outbox) -> None:
    taken = outbox.take(first(outbox).key, ME)
    assert taken is not None
    outbox.settle(taken, ME, error=None)
    add(harness, "t1")
    outbox.prune(harness.clock.wall_ms() + 1)
    assert outbox.counts() == {"waiting": 1}
