"""Budgets: the usage of sessions is added up, reported at 80 %, and stops the task or the queue at 100 %."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from queue_harness import PASSED, QueueHarness, failed

from swarm_shared.carry_out import carry_out_now
from swarm_shared.domain.budget import Budget, Caps, Scope, Unit, amount
from swarm_shared.domain.models import FailureClass, Role, Stage, Status, Verb
from swarm_shared.store.queue.claims import ClosedSession, SessionReport
from swarm_shared.store.queue.policy import AttemptResult, Budgets

DAY_S = 24 * 3600.0


class Harness(QueueHarness):
    """A queue with a budget; each session lasts a minute."""

    def __init__(self, folder: Path, *, tasks: int = 10, **caps: Caps) -> None:
        spending = Budget(**caps)  # type: ignore[arg-type]
        super().__init__(folder, budgets=Budgets(max_retries=9, spending=spending))
        self.spending = spending
        self.add(*(f"t{n}" for n in range(tasks)))
        self.db.spending.note(spending)
        self.db.spending.begin_run()

    def spend(
        self, usd: float | None = None, tokens: int | None = None, result: AttemptResult = PASSED, worker: str = "w"
    ) -> bool:
        """Run the next task with this usage; returns False if none may start."""
        claim = self.claim(worker)
        if claim is None:
            return False
        session = self.db.queue.open_session(
            claim, role=Role.BUILDER, name="agent", stage=Stage.BUILDING, prompt="do it"
        )
        self.clock.pass_s(60)
        self.db.queue.close_session(session, closed(self))
        self.db.queue.report_session(session, SessionReport(cost_usd=usd, tokens=tokens, models="m"))
        self.db.spending.check(self.spending)
        self.settle(claim, result)
        return True

    def spending_events(self) -> list[tuple[str, dict[str, Any]]]:
        events = self.db.events.newest(1000)
        return [(e["event_type"], e["data"]) for e in events if e["event_type"].startswith("budget_")]


def to_midnight(harness: Harness, *, before_s: float) -> None:
    """Let time pass until so many seconds before the next midnight of this machine."""
    now = datetime.fromtimestamp(harness.clock.wall_ms() / 1000)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    harness.clock.pass_s(midnight.timestamp() - before_s - harness.clock.wall_ms() / 1000)


def closed(harness: QueueHarness) -> ClosedSession:
    """Now, when the session ends."""
    return ClosedSession(pid=1, pid_start=1, exit_code=0, signal=None, output_bytes=0, ended_at=harness.clock.wall_ms())


def test_the_queue_stops_within_one_session_of_the_cap_and_reports_it(tmp_path: Path) -> None:
    harness = Harness(tmp_path, run=Caps(usd=5.0))
    sessions = 0
    while harness.spend(usd=0.9):
        sessions += 1
    assert sessions == 6
    flag = harness.db.swarm.flags()["paused"]
    assert (flag.actor, flag.reason) == ("budget", "the budget of this run is used up, 5.40 of 5.00 USD")
    assert [(kind, data["scope"], data["unit"]) for kind, data in harness.spending_events()] == [
        ("budget_warning", "run", "usd"),
        ("budget_reached", "run", "usd"),
    ]
    assert harness.spending_events()[0][1]["used"] == pytest.approx(4.5)


@pytest.mark.parametrize(("caps", "expected"), [(Caps(tokens=2500), 3), (Caps(minutes=4), 4)])
def test_tokens_and_minutes_are_capped_in_the_same_way(tmp_path: Path, caps: Caps, expected: int) -> None:
    harness = Harness(tmp_path, run=caps)
    sessions = 0
    while harness.spend(tokens=1000):
        sessions += 1
    assert sessions == expected


def test_sessions_in_flight_at_the_cap_finish(tmp_path: Path) -> None:
    harness = Harness(tmp_path, run=Caps(usd=1.0))
    running = harness.start("worker-2")
    harness.spend(usd=2.0)
    assert harness.claim("worker-3") is None
    harness.settle(running, PASSED)
    assert harness.status(running.task_id) is Status.COMPLETED
    assert harness.db.queue.watch(running).over_budget


def test_unknown_cost_is_counted_separately_and_never_as_zero(tmp_path: Path) -> None:
    harness = Harness(tmp_path, run=Caps(usd=5.0))
    harness.spend(usd=None)
    harness.spend(usd=1.0)
    spent = harness.db.spending.spent(Scope.RUN)
    assert (spent.usd, spent.sessions, spent.unpriced, spent.uncounted) == (1.0, 2, 1, 2)
    [row] = harness.db.spending.costs("phase", limit=9)
    assert (row["cost_usd"], row["unpriced"], row["tokens"]) == (1.0, 1, None)


def test_a_users_resume_begins_a_fresh_budget(tmp_path: Path) -> None:
    harness = Harness(tmp_path, run=Caps(usd=1.0))
    harness.spend(usd=2.0)
    assert not harness.spend()
    harness.db.swarm.resume(actor="test")
    assert harness.spend(usd=0.5)
    assert harness.spend(usd=0.6)
    assert not harness.spend()
    assert [kind for kind, _ in harness.spending_events()] == ["budget_warning", "budget_reached"] * 2


def test_a_new_run_begins_a_fresh_budget_of_the_run_but_not_of_the_day(tmp_path: Path) -> None:
    harness = Harness(tmp_path, run=Caps(usd=1.0), day=Caps(usd=3.0))
    harness.spend(usd=2.0)
    harness.db.spending.begin_run()
    assert harness.spend(usd=2.0)
    harness.db.spending.begin_run()
    harness.db.spending.check(harness.spending)
    assert not harness.spend()
    assert "day" in harness.db.swarm.flags()["paused"].reason


def test_a_new_day_lets_the_queue_continue(tmp_path: Path) -> None:
    harness = Harness(tmp_path, day=Caps(usd=1.0))
    harness.spend(usd=2.0)
    harness.db.spending.check(harness.spending)
    assert not harness.spend()
    harness.clock.pass_s(DAY_S)
    harness.db.spending.check(harness.spending)  # as housekeeping does
    assert harness.spend(usd=0.1)


@pytest.mark.parametrize("scope", ["run", "day"])
def test_a_cap_of_zero_starts_nothing(tmp_path: Path, scope: str) -> None:
    harness = Harness(tmp_path, **{scope: Caps(usd=0.0)})
    harness.db.spending.check(harness.spending)  # as `start` does
    assert not harness.spend()
    assert f"the budget of this {scope} is used up, 0.00 of 0.00 USD" in harness.db.swarm.flags()["paused"].reason


def test_a_huge_cap_is_never_reached(tmp_path: Path) -> None:
    harness = Harness(tmp_path, run=Caps(usd=1e308, tokens=1e308), task=Caps(minutes=1e308))
    assert all(harness.spend(usd=1e9, tokens=2**60) for _ in range(3))
    assert harness.spending_events() == []


def test_a_session_across_midnight_counts_for_the_day_on_which_it_ends(tmp_path: Path) -> None:
    harness = Harness(tmp_path, day=Caps(usd=1.0))
    to_midnight(harness, before_s=300)
    assert harness.spend(usd=0.7)
    to_midnight(harness, before_s=30)
    assert harness.spend(usd=0.9)  # it lasts a minute
    assert harness.db.spending.spent(Scope.DAY).usd == pytest.approx(0.9)
    assert harness.spend(usd=0.2)
    assert not harness.spend(), "1.10 of 1.00 USD"


def test_a_clock_that_was_a_day_ahead_for_a_while_does_not_free_the_budget(tmp_path: Path) -> None:
    harness = Harness(tmp_path, day=Caps(usd=1.0))
    harness.spend(usd=0.6)
    harness.clock.wall += round(DAY_S * 1000)
    harness.db.spending.check(harness.spending)
    harness.clock.wall -= round(DAY_S * 1000)
    harness.db.spending.check(harness.spending)
    assert harness.db.spending.spent(Scope.DAY).usd == pytest.approx(0.6)
    harness.spend(usd=0.6)
    assert not harness.spend()


def test_a_users_resume_of_the_day_is_not_undone_by_the_next_session(tmp_path: Path) -> None:
    harness = Harness(tmp_path, day=Caps(usd=1.0))
    harness.spend(usd=2.0)
    harness.db.swarm.resume(actor="test")
    harness.spend(usd=0.3)
    assert harness.db.spending.spent(Scope.DAY).usd == pytest.approx(0.3)


def test_the_first_session_of_unknown_cost_is_reported_if_the_budget_is_in_dollars(tmp_path: Path) -> None:
    harness = Harness(tmp_path, task=Caps(usd=5.0))
    for _ in range(2):
        harness.db.spending.check(harness.spending, unpriced="new-model")
    [(kind, data)] = harness.spending_events()
    assert (kind, data) == ("budget_cost_unknown", {"models": "new-model"})
    harness.db.spending.begin_run()
    harness.db.spending.check(harness.spending, unpriced="")
    assert len(harness.spending_events()) == 2
    harness.db.spending.check(Budget(run=Caps(tokens=5)), unpriced="new-model")
    assert len(harness.spending_events()) == 2


def test_only_a_pause_by_the_daily_budget_ends_at_midnight(tmp_path: Path) -> None:
    harness = Harness(tmp_path, run=Caps(usd=1.5), day=Caps(usd=1.0))
    assert not harness.db.spending.only_until_midnight()
    harness.spend(usd=1.2)
    assert harness.db.spending.only_until_midnight()
    harness.db.swarm.clear_flag("paused")
    harness.spend(usd=1.2)
    assert not harness.db.spending.only_until_midnight(), "the budget of the run is used up as well"
    harness.db.swarm.resume(actor="test")
    harness.db.swarm.set_flag("paused", actor="anna")
    assert not harness.db.spending.only_until_midnight()


def test_a_pause_by_a_budget_is_lifted_once_no_budget_is_configured(tmp_path: Path) -> None:
    harness = Harness(tmp_path, run=Caps(usd=1.0))
    harness.spend(usd=2.0)
    assert not harness.spend()
    harness.db.spending.check(Budget())
    assert harness.spend()


@pytest.mark.parametrize(
    ("value", "text"), [(0.015, "0.015"), (0.5, "0.50"), (0.00004, "0.00"), (1.234, "1.23"), (1234.5, "1,234.50")]
)
def test_dollars_are_shown_to_the_cent_and_amounts_below_a_cent_more_exactly(value: float, text: str) -> None:
    assert amount(Unit.USD, value) == text


def test_a_users_pause_is_not_lifted_by_a_new_day(tmp_path: Path) -> None:
    harness = Harness(tmp_path, day=Caps(usd=1.0))
    harness.db.swarm.set_flag("paused", actor="anna")
    harness.clock.pass_s(DAY_S)
    harness.db.spending.check(harness.spending)
    assert harness.db.swarm.flags()["paused"].actor == "anna"


def test_a_task_that_has_used_up_its_own_budget_is_held_instead_of_retried(tmp_path: Path) -> None:
    harness = Harness(tmp_path, tasks=1, task=Caps(usd=1.0))
    bad = failed(FailureClass.QUALITY)
    harness.spend(usd=0.9, result=bad)
    assert harness.status("t0") is Status.NOT_STARTED
    harness.spend(usd=0.9, result=bad)
    task = harness.task("t0")
    assert (task["status"], task["hold_reason"], task["last_error"]) == (Status.HELD, "budget", "used 1.80 of 1.00 USD")
    assert [kind for kind, _ in harness.spending_events()] == ["budget_warning", "budget_reached"]
    carry_out_now(harness.db, Verb.RELEASE, "t0", {}, actor="test")
    harness.spend(usd=0.5, result=bad)
    assert harness.status("t0") is Status.NOT_STARTED


def test_a_task_that_passes_despite_exceeding_its_budget_is_completed(tmp_path: Path) -> None:
    harness = Harness(tmp_path, tasks=1, task=Caps(usd=1.0))
    harness.spend(usd=9.0)
    assert harness.status("t0") is Status.COMPLETED


def test_costs_are_added_up_by_task_model_route_and_day(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.spend(usd=1.0, tokens=10)
    harness.spend(usd=2.0, tokens=20)
    keys = {by: [row["key"] for row in harness.db.spending.costs(by, limit=9)] for by in ("task", "model", "route")}
    assert keys == {"task": ["t1", "t0"], "model": ["m"], "route": ["command"]}
    [day] = harness.db.spending.costs("day", limit=9)
    assert (day["cost_usd"], day["tokens"], day["sessions"]) == (3.0, 30, 2)
    shown = harness.db.spending.shown()
    assert shown["usd_last_hour"] == 3.0
    assert shown["caps"] == []


def test_running_tasks_are_listed_with_their_own_caps_and_the_nearest_cap_comes_first(tmp_path: Path) -> None:
    harness = Harness(tmp_path, tasks=3, task=Caps(usd=2.0))
    running = [harness.start(f"worker-{number}") for number in range(3)]
    for claim, usd in zip(running, (0.5, 1.5), strict=False):
        session = harness.db.connection.value("SELECT id FROM sessions WHERE attempt = ?", (claim.attempt,))
        harness.db.queue.close_session(session, closed(harness))
        harness.db.queue.report_session(session, SessionReport(cost_usd=usd))
    assert [(cap["task"], cap["share"]) for cap in harness.db.spending.of_running()] == [("t1", 0.75), ("t0", 0.25)]
    assert [cap["used"] for cap in harness.db.spending.of_task(harness.task("t1")["seq"])] == [1.5]
