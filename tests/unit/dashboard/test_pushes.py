"""Outcomes of requests and new log lines are pushed to open pages: each once, soon, and only where needed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from dashboard_harness import DashboardHarness

from swarm_dashboard.app import live_of
from swarm_dashboard.live import log_tails
from swarm_dashboard.live.live_updates import Live, Subscriber
from swarm_dashboard.live.log_tails import MOST_LINES, MOST_LOGS, wanted_by
from swarm_dashboard.live.outcomes import Outcomes
from swarm_shared.domain.models import Verb

DEADLINE_S = 10.0
QUICK_S, MOST_TRIES = 0.15, 30


@pytest.fixture
def harness(tmp_path: Path) -> DashboardHarness:
    made = DashboardHarness(tmp_path)
    made.add("1", "2", "3")
    return made


@pytest.fixture
def live(harness: DashboardHarness) -> Live:
    return live_of(harness.app)


def pushed(live: Live) -> list[dict[str, Any]]:
    return [json.loads(message)["data"] for message in live.push()]


def ask(harness: DashboardHarness, target: str = "1") -> int:
    return harness.db.control.request(Verb.HOLD, target, {}, actor="dashboard")


def test_an_outcome_is_pushed_once_as_soon_as_it_exists(harness: DashboardHarness, live: Live) -> None:
    assert pushed(live) == []
    row = ask(harness)
    assert pushed(live) == []
    harness.db.control.answer(row, "done", "held", by="reaper")
    [outcome] = pushed(live)
    assert (outcome["id"], outcome["status"], outcome["result"]) == (row, "done", "held")
    assert outcome == harness.get(f"/api/control/{row}").get_json()
    assert pushed(live) == []


def test_requests_handled_between_two_polls_are_pushed_too(harness: DashboardHarness, live: Live) -> None:
    earlier = ask(harness)
    assert pushed(live) == []
    rows = [ask(harness, "2"), ask(harness, "3"), earlier]
    for row in rows:
        harness.db.control.answer(row, "refused", "no", by="reaper")
    assert [outcome["id"] for outcome in pushed(live)] == sorted(rows)


def test_a_request_that_no_reaper_handled_is_pushed_as_expired(harness: DashboardHarness, live: Live) -> None:
    assert pushed(live) == []
    ask(harness)
    assert pushed(live) == []
    harness.clock.pass_s(3600)
    assert [outcome["status"] for outcome in pushed(live)] == ["expired"]


def test_old_outcomes_are_not_pushed_to_a_page_opened_later(harness: DashboardHarness) -> None:
    row = ask(harness)
    harness.db.control.answer(row, "done", "held", by="reaper")
    reading = live_of(harness.app)._reader()
    outcomes = Outcomes()
    assert outcomes.fresh(reading) == []
    assert outcomes.fresh(reading) == []


def test_an_outcome_does_not_wait_for_the_pause_between_states(harness: DashboardHarness, live: Live) -> None:
    page = live.follow(None)
    waits: list[float] = []
    while min(waits, default=1.0) >= QUICK_S:  # a busy machine delays some of them, the pause all
        assert len(waits) < MOST_TRIES, waits
        row = ask(harness)  # its commit is reported by a state, after which none comes for a while
        time.sleep(0.03)
        asked = time.monotonic()
        harness.db.control.answer(row, "done", "held", by="reaper")
        while True:
            message = json.loads(page.next(DEADLINE_S) or "{}")
            if message.get("type") == "outcome" and message["data"]["id"] == row:
                break
            assert time.monotonic() - asked < DEADLINE_S
        waits.append(time.monotonic() - asked)
    live.end()


def log_of(harness: DashboardHarness) -> tuple[str, int]:
    claim = harness.start()
    return claim.task_id, int(harness.db.connection.value("SELECT max(id) FROM sessions"))


def follows(page: Subscriber, task: str, session: int, have: int = 0) -> None:
    page.hear(json.dumps({"logs": [{"task": task, "attempt": 1, "session": session, "have": have}]}))


def lines(live: Live, page: Subscriber) -> list[dict[str, Any]]:
    live.push_lines()
    found = []
    while (message := page.next(0)) is not None:
        if json.loads(message)["type"] == "lines":
            found.append(json.loads(message))
    return found


def a_page(live: Live) -> Subscriber:
    """A page that receives nothing but the results of the test's own calls."""
    page = Subscriber(None)
    live._pages.add(page)
    return page


def test_a_page_gets_only_the_lines_that_it_lacks(harness: DashboardHarness, live: Live) -> None:
    task, session = log_of(harness)
    write = harness.db.output.append
    write(session, [(1, b"one\ntwo\nthr")], position=0, limit_bytes=10**6)
    page, other = a_page(live), a_page(live)
    follows(page, task, session, have=2)
    [first] = lines(live, page)
    assert (first["first"], [line["text"] for line in first["lines"]], first["total"]) == (1, ["two", "thr"], 3)
    assert lines(live, page) == []
    write(session, [(2, b"ee\nfour\n")], position=11, limit_bytes=10**6)
    [second] = lines(live, page)
    assert (second["first"], [line["text"] for line in second["lines"]], second["total"]) == (2, ["three", "four"], 4)
    assert other.next(0) is None


def test_a_page_far_behind_gets_only_the_number_of_lines(harness: DashboardHarness, live: Live) -> None:
    task, session = log_of(harness)
    harness.db.output.append(session, [(1, b"x\n" * (2 * MOST_LINES))], position=0, limit_bytes=10**6)
    page = a_page(live)
    follows(page, task, session)
    [message] = lines(live, page)
    assert (message["total"], message["lines"]) == (2 * MOST_LINES, [])


def test_nothing_is_pushed_before_the_whole_log_was_counted(
    harness: DashboardHarness, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that knows more lines than were counted so far would consider them dropped."""
    task, session = log_of(harness)
    for number in range(3):
        harness.db.output.append(session, [(1, b"x\n" * 9)], position=18 * number, limit_bytes=10**6)
    page = a_page(live)
    follows(page, task, session, have=27)
    monkeypatch.setattr(log_tails, "INDEX_TIME_MS", -1)  # one chunk at a time
    seen = [lines(live, page) for _ in range(4)]
    assert [message["total"] for messages in seen for message in messages] == [27]


def test_input_from_a_page_is_bounded_and_nonsense_is_ignored(harness: DashboardHarness, live: Live) -> None:
    one = {"task": "1", "attempt": 1, "session": 1, "have": 0}
    assert len(wanted_by(json.dumps({"logs": [one] * 50})) or ()) == MOST_LOGS
    page = a_page(live)
    for nonsense in ("", "{", "[]", '{"logs": 3}', '{"logs": [{"task": 1}]}', b"\xff\xfe"):
        page.hear(nonsense)
    assert page.tails == ()
    follows(page, "no such task", 10**9)
    assert lines(live, page) == []
