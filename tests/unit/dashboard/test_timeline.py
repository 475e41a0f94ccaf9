"""Data for the charts of the last hours: it covers every attempt with few blocks, however many there were."""

from __future__ import annotations

import random
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from dashboard_harness import DashboardHarness
from fixed_time import ManualClock
from queue_harness import PASSED, failed

from swarm_dashboard.drawing.lanes import pack
from swarm_dashboard.routes import attempts_timeline as timeline
from swarm_dashboard.web.shared_responses import SharedAnswers
from swarm_shared.domain.models import FailureClass, Outcome, Role, Stage, TaskSpec
from swarm_shared.store.queue.policy import AttemptResult
from swarm_shared.store.views.timeline import Ran

HOUR_MS = 3_600_000


@pytest.fixture
def harness(tmp_path: Path) -> DashboardHarness:
    return DashboardHarness(tmp_path)


def shown(harness: DashboardHarness, query: str = "") -> dict[str, Any]:
    harness.clock.pass_s(2)  # after the cached response has expired
    answer = harness.get(f"/api/timeline{query}")
    assert answer.status_code == 200, answer.get_json()
    found: dict[str, Any] = answer.get_json()
    return found


def run_for(
    harness: DashboardHarness, seconds: float, result: AttemptResult = PASSED, worker_id: str = "worker-1"
) -> None:
    claim = harness.start(worker_id)
    harness.clock.pass_s(seconds)
    harness.settle(claim, result)


def test_each_attempt_is_a_block_in_its_workers_lane(harness: DashboardHarness) -> None:
    harness.add("1", "2", TaskSpec(id="3", name="three", max_retries=0))
    run_for(harness, 300)
    run_for(harness, 120, worker_id="worker-2")
    harness.start("worker-2")
    harness.clock.pass_s(60)
    lanes = shown(harness)["lanes"]
    assert [lane["worker_id"] for lane in lanes] == ["worker-1", "worker-2"]
    [block] = lanes[0]["blocks"]
    assert (block["kind"], block["task"], block["number"]) == ("passed", "1", 1)
    assert block["end"] - block["start"] == 300
    assert [(b["kind"], b["task"], b["end"] is None) for b in lanes[1]["blocks"]] == [
        ("passed", "2", False),
        ("running", "3", True),
    ]


def test_a_block_shows_its_sessions(harness: DashboardHarness) -> None:
    harness.add("1")
    claim = harness.start()
    harness.clock.pass_s(200)
    harness.db.queue.open_session(claim, role=Role.VALIDATOR, name="judge", stage=Stage.VALIDATING, prompt="judge it")
    harness.clock.pass_s(100)
    harness.settle(claim)
    [block] = shown(harness)["lanes"][0]["blocks"]
    parts = [(role, start - block["start"]) for role, start, _ in block["parts"]]
    assert parts == [("builder", 0), ("validator", 200)]


def test_each_kind_of_end_has_its_own_name(harness: DashboardHarness) -> None:
    ends = {
        "passed": PASSED,
        "failed": failed(FailureClass.QUALITY),
        "crashed": failed(FailureClass.CRASH),
        "interrupted": failed(FailureClass.INTERRUPTED),
        "stopped": AttemptResult(outcome=Outcome.KILLED),
    }
    for word, result in ends.items():
        harness.add(word)
        harness.db.connection.change("UPDATE tasks SET priority = 900 WHERE id <> ?", (word,))
        harness.db.connection.change("UPDATE tasks SET priority = 1 WHERE id = ?", (word,))
        run_for(harness, 60, result)
    blocks = shown(harness)["lanes"][0]["blocks"]
    assert {block["task"]: block["kind"] for block in blocks} == {word: word for word in ends}


def test_bars_distinguish_retried_failures_from_final_ones(harness: DashboardHarness) -> None:
    harness.add(TaskSpec(id="1", name="one", max_retries=1), "2")
    for result in (failed(FailureClass.QUALITY), failed(FailureClass.QUALITY), PASSED):
        run_for(harness, 60, result)
    answer = shown(harness)
    sums: dict[str, int] = {}
    for bar in answer["bars"]:
        for word, n in bar.items():
            if word != "at":
                sums[word] = sums.get(word, 0) + n
    assert sums == {"retried": 1, "failed": 1, "passed": 1}
    assert answer["bar_s"] == 60
    assert len(answer["bars"]) == 61


def test_an_attempt_that_began_before_the_range_and_still_runs_is_included(harness: DashboardHarness) -> None:
    harness.add("1", "2")
    run_for(harness, 60)
    harness.start("worker-2")
    harness.clock.pass_s(6 * 3600)
    answer = shown(harness)
    assert [(lane["worker_id"], len(lane["blocks"])) for lane in answer["lanes"]] == [("worker-1", 0), ("worker-2", 1)]
    assert answer["lanes"][1]["blocks"][0]["start"] < -5 * 3600 + 60
    assert len(shown(harness, "?range=24h")["lanes"][0]["blocks"]) == 1


def test_a_truncation_is_reported(harness: DashboardHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.add(*(str(n) for n in range(8)))
    for _ in range(8):
        run_for(harness, 60)
    whole = shown(harness)
    assert whole["complete_from"] == whole["from"]
    monkeypatch.setattr(timeline, "MAX_ATTEMPTS", 5)
    cut = shown(harness)
    assert cut["attempts"] == 5
    assert cut["complete_from"] > cut["from"]


def test_many_lanes_with_few_attempts_show_each_attempt_separately(
    harness: DashboardHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"worker-{number}" for number in range(8)]
    harness.add(*(str(number) for number in range(16)))
    monkeypatch.setattr(timeline, "MAX_BLOCKS", 16)  # as many for each lane as 5000 are for 256 workers
    for name in names * 2:
        run_for(harness, 60, worker_id=name)
    assert [len(lane["blocks"]) for lane in shown(harness, "?range=6h")["lanes"]] == [2] * 8


def test_an_unknown_range_is_refused_with_a_message(harness: DashboardHarness) -> None:
    answer = harness.get("/api/timeline?range=1y")
    assert answer.status_code == 400
    assert "15m" in answer.get_json()["error"]["hint"]


def test_the_estimate_states_its_uncertainty(harness: DashboardHarness) -> None:
    harness.add(*(str(n) for n in range(12)))
    assert shown(harness)["outlook"] is None
    for seconds in (60, 100, 140, 60, 100):
        run_for(harness, seconds)
    outlook = shown(harness)["outlook"]
    assert outlook["passes"] == 5
    assert outlook["eta_s"] == pytest.approx(92 * 7)
    assert 0 < outlook["low_s"] < outlook["eta_s"] < outlook["high_s"]


def test_thousands_of_short_attempts_become_few_blocks_and_none_is_lost() -> None:
    rng = random.Random(1)
    ran, at = [], 0
    for key in range(5000):
        took = rng.choice((5, 40, 200, 5000))
        outcome = rng.choice((Outcome.PASSED, Outcome.FAILED))
        ran.append(
            Ran(
                key=key,
                task=key,
                kind="work",
                number=1,
                worker_id=f"worker-{key % 3}",
                claimed_at=at,
                ended_at=at + took,
                outcome=outcome,
                failure_class=FailureClass.QUALITY if outcome is Outcome.FAILED else None,
            )
        )
        at += took + 10
    slot_ms = at // 100
    lanes = pack(ran, slot_ms=slot_ms)
    assert sum(block.count for lane in lanes.values() for block in lane) == len(ran)
    assert max(len(lane) for lane in lanes.values()) <= 2 * 101
    mixed = next(block for lane in lanes.values() for block in lane if len(block.kinds) == 2)
    assert mixed.shown.outcome is Outcome.FAILED  # the one to check


def test_simultaneous_requests_share_one_response() -> None:
    clock = ManualClock()
    shared = SharedAnswers(clock)
    made = count(1)

    def make() -> str:
        return f"answer {next(made)}"

    assert {shared.get("a", make, last=7, wanted=7) for _ in range(3)} == {"answer 1"}
    assert shared.get("b", make, last=7, wanted=0) == "answer 2"
    clock.pass_s(1)
    assert shared.get("a", make, last=7, wanted=7) == "answer 3"


def test_a_request_after_an_event_gets_no_older_response() -> None:
    shared = SharedAnswers(ManualClock())
    assert shared.get("a", lambda: "before", last=7, wanted=7) == "before"
    assert shared.get("a", lambda: "behind", last=8, wanted=8) == "behind"
    assert shared.get("a", lambda: "never", last=9, wanted=8) == "behind"


def test_an_expensive_response_is_cached_longer_and_says_what_it_includes() -> None:
    clock = ManualClock()
    shared = SharedAnswers(clock, most_share=0.05)

    def make(text: str) -> str:
        clock.pass_s(0.2)
        return text

    assert shared.get("a", lambda: make("first"), last=7, wanted=7) == "first"
    clock.pass_s(3.9)
    assert shared.get("a", lambda: make("never"), last=8, wanted=8) == "first"
    clock.pass_s(0.2)
    assert shared.get("a", lambda: make("second"), last=9, wanted=9) == "second"


def test_no_response_is_cached_longer_than_a_user_would_wait() -> None:
    clock = ManualClock()
    shared = SharedAnswers(clock, most_share=0.05)
    assert shared.get("a", lambda: clock.pass_s(10) or "first", last=7, wanted=7) == "first"
    clock.pass_s(5)
    assert shared.get("a", lambda: "second", last=8, wanted=8) == "second"
