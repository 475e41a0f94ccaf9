"""Open pages are notified of every commit soon, in few messages; slow pages are dropped and their number is capped."""

from __future__ import annotations

import json
import queue
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from dashboard_harness import DashboardHarness
from stopwatch import Stopwatch

from swarm_dashboard.app import live_of
from swarm_dashboard.live.live_updates import QUEUE_LENGTH, Live, Subscriber, serve
from swarm_dashboard.server.server import EndingWorker

DEADLINE_S = 10.0


@pytest.fixture
def harness(tmp_path: Path) -> DashboardHarness:
    made = DashboardHarness(tmp_path, sockets=2)
    made.add("1", "2", "3")
    return made


@pytest.fixture
def live(harness: DashboardHarness) -> Live:
    return live_of(harness.app)


def heard(page: Subscriber) -> dict[str, object]:
    message = page.next(DEADLINE_S)
    assert message, "no message arrived"
    found: dict[str, object] = json.loads(message)
    return found


def test_a_commit_is_reported_once(harness: DashboardHarness, live: Live) -> None:
    assert live.poll() is not None
    assert live.poll() is None
    harness.take()
    message = json.loads(live.poll() or "{}")
    assert message["type"] == "events"
    assert [event["event_type"] for event in message["data"]][-1] == "claimed"
    assert message["seq"] == harness.db.events.last_id()
    assert message["status"]["tasks"]["in_progress"]["count"] == 1
    assert live.poll() is None


def test_a_page_gets_the_state_first_and_then_what_it_missed(harness: DashboardHarness, live: Live) -> None:
    since = harness.db.events.last_id()
    harness.take()
    state, missed = (json.loads(text) for text in live.first(since))
    assert state["type"] == "status"
    assert [event["event_type"] for event in missed["data"]] == ["worker_started", "claimed"]
    assert len(live.first(None)) == 1
    assert json.loads(live.first(since + 1000)[1])["type"] == "reset"


def test_a_commit_is_reported_soon(harness: DashboardHarness, live: Live) -> None:
    page = live.follow(None)
    heard(page)
    time_left = time.monotonic() + DEADLINE_S
    watch = Stopwatch()
    harness.take()
    while heard(page)["status"]["tasks"]["in_progress"]["count"] != 1:  # type: ignore[index]
        assert time.monotonic() < time_left
    assert watch.own_s() < 1.0
    live.leave(page)


def test_many_commits_are_reported_in_few_messages(harness: DashboardHarness, live: Live) -> None:
    page = live.follow(None)
    heard(page)
    began = time.monotonic()
    for n in range(60):
        harness.db.events.add("paused", f"commit {n}")
    messages = [heard(page)]
    while "commit 59" not in json.dumps(messages):
        messages.append(heard(page))
    spent = time.monotonic() - began
    assert len(messages) <= 2 + 4 * spent
    live.leave(page)


def test_a_page_that_does_not_read_is_dropped_and_others_still_get_messages(
    harness: DashboardHarness, live: Live
) -> None:
    slow, quick = live.follow(None), live.follow(None)
    for n in range(QUEUE_LENGTH + 4):
        live._push(f"{n}")
        quick.next(DEADLINE_S)
    assert slow.is_over
    assert not quick.is_over
    assert live.followers == 1
    live.end()


def test_polling_pauses_while_no_page_is_open(harness: DashboardHarness, live: Live) -> None:
    page = live.follow(None)
    heard(page)
    live.leave(page)
    deadline = time.monotonic() + DEADLINE_S
    while live._thread is not None:
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    again = live.follow(None)
    harness.take()
    heard(again)
    live.end()


def test_places_are_capped_and_released(live: Live) -> None:
    assert live.take_place()
    assert live.take_place()
    assert not live.take_place()
    live.free_place()
    assert live.take_place()
    live.end()
    assert not live.take_place()


def test_stopping_wakes_a_page_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm_dashboard.live.live_updates.LISTEN_S", 6 * DEADLINE_S)
    page, sent = Subscriber(None), queue.Queue[str]()
    thread = threading.Thread(target=serve, args=(page, sent.put, lambda: True, ["first"]))
    thread.start()
    assert sent.get(timeout=DEADLINE_S) == "first"
    page.drop()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_a_worker_that_is_asked_to_stop_drops_its_pages(harness: DashboardHarness, live: Live) -> None:
    worker = EndingWorker.__new__(EndingWorker)
    worker.wsgi, worker.booted, worker.alive = harness.app, True, True
    worker.method_queue = SimpleNamespace(defer=lambda *_: None)
    page = live.follow(None)
    worker.handle_exit(15, None)
    deadline = time.monotonic() + DEADLINE_S
    while not page.is_over:
        assert time.monotonic() < deadline
        page.next(0.01)
    assert not worker.alive
