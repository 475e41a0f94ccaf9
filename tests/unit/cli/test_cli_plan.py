"""`plan` and `graph` as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from cli_harness import CliHarness

from swarm_shared.domain.models import Outcome
from swarm_shared.store.queue.policy import AttemptResult

PLAN = """
tasks:
- {id: a, name: A, estimated_hours: 2, files: [src/**]}
- {id: b, name: B, estimated_hours: 1, dependencies: [a]}
- {id: c, name: C, estimated_hours: 3, files: [src/c.py]}
"""


def test_a_plan_is_printed_and_nothing_is_imported(harness: CliHarness) -> None:
    ran = harness.run("plan", harness.file(PLAN))
    assert ran.code == 0
    assert "critical path: 3 h, 2 tasks: a → b" in ran.out
    assert "work: 6 h; with 3 workers: 5 h" in ran.out
    assert "sessions: 6; money: unknown" in ran.out
    assert "  c waits 2 h for a: both change src/c.py" in ran.out
    assert not harness.db.exists()


def test_a_plan_uses_the_costs_of_past_runs(harness: CliHarness) -> None:
    harness.bare("import-tasks", harness.file(PLAN), "--db", str(harness.db))
    harness.settle(harness.claim(), AttemptResult(outcome=Outcome.PASSED, tokens=100, cost_usd=0.5))
    assert "sessions: 6; money: $1.50" in harness.run("plan", harness.file(PLAN)).out


def test_a_plan_as_json_has_every_figure(harness: CliHarness) -> None:
    found = harness.run("plan", harness.file(PLAN), "--workers", "1", "--json").json
    assert (found["hours"], found["waits"], found["critical_path"]) == (6, [], ["a", "b"])


def test_an_invalid_file_has_no_plan(harness: CliHarness) -> None:
    assert harness.run("plan", harness.file("tasks: [{id: a}]")).code == 3


@pytest.mark.parametrize(
    ("options", "begins"), [((), "flowchart LR\n"), (("--mermaid",), "flowchart LR\n"), (("--svg",), "<svg ")]
)
def test_a_graph_is_printed(harness: CliHarness, options: Sequence[str], begins: str) -> None:
    ran = harness.bare("graph", harness.file(PLAN), *options)
    assert ran.code == 0
    assert ran.out.startswith(begins)


def test_a_graph_as_json(harness: CliHarness) -> None:
    data = json.loads(harness.bare("graph", harness.file(PLAN), "--json").out)
    assert data["links"] == [["a", "b"]]
