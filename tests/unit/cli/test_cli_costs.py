"""`costs`, and the budget lines of `status`."""

from __future__ import annotations

from cli_harness import CliHarness
from msgspec.structs import replace

from swarm_shared.domain.budget import Budget, Caps
from swarm_shared.domain.models import TaskSpec
from swarm_shared.store.queue.claims import SessionReport


def spend(harness: CliHarness, task_id: str, *reports: SessionReport) -> None:
    """Run a task whose sessions report these costs."""
    harness.queue(TaskSpec(id=task_id, name=task_id, phase=f"phase {task_id}"))
    claim = harness.claim(stage=None)
    with harness.open() as database:
        database.workers.end(claim.run, crashed=False, reason="")
        for n, report in enumerate(reports):
            with database.connection.transaction():
                database.connection.change(
                    "INSERT INTO sessions (attempt, role, name, started_at) VALUES (?, 'builder', 'b', ?)",
                    (claim.attempt, database.clock.wall_ms() - 60_000 + n),
                )
            session = database.connection.last_id()
            database.queue.report_session(session, report)
            with database.connection.transaction():
                database.connection.change(
                    "UPDATE sessions SET ended_at = ? WHERE id = ?", (database.clock.wall_ms(), session)
                )


REPORT = SessionReport(tokens=1000, cached_tokens=400, cost_usd=1.5, models="m")


def test_costs_are_shown_with_unknown_costs_counted_separately(harness: CliHarness) -> None:
    spend(harness, "a", REPORT, SessionReport(tokens=5))
    spend(harness, "b", replace(REPORT, cost_usd=None, tokens=None))
    shown = harness.run("costs", "--by", "task")
    line_a, line_b = (next(line for line in shown.out.splitlines() if line.startswith(name)) for name in ("a ", "b "))
    assert "1.50+" in line_a
    assert "1,005" in line_a
    assert line_b.split()[1:3] == ["unknown", "unknown"]


def test_unknown_costs_are_null_in_json(harness: CliHarness) -> None:
    spend(harness, "a", SessionReport(tokens=5))
    [row] = harness.run("costs", "--json").json["costs"]
    assert (row["key"], row["cost_usd"], row["tokens"], row["unpriced"]) == ("phase a", None, 5, 1)


def test_the_budget_is_shown_by_costs_and_status(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="z", name="z"))
    with harness.open() as database:
        database.spending.note(Budget(run=Caps(usd=3.0), day=Caps(tokens=10_000)))
    spend(harness, "a", REPORT)
    for command in ("costs", "status"):
        out = harness.run(command).out
        assert "budget of this run: 1.50 of 3.00 USD (50%)" in out, command
        assert "budget of this day: 1,000 of 10,000 tokens (10%)" in out, command
        assert "cost of the last hour: 1.50 USD" in out, command
    shown = harness.run("status", "--json").json["budget"]
    assert shown["caps"][0] == {"scope": "run", "unit": "usd", "used": 1.5, "cap": 3.0, "share": 0.5}


def test_a_queue_without_sessions_reports_that_there_are_none(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="a"))
    assert "no session has run yet" in harness.run("costs").err
