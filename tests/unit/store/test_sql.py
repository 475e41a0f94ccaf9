"""Every statement is valid SQL against the current schema, and the hot ones use their index."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from queue_harness import QueueHarness

from swarm_shared.database import TaskDatabase
from swarm_shared.store.sql import SQL, split


class Nothing(dict[str, Any]):
    """Binds every name to null."""

    def __missing__(self, key: str) -> None:
        return None


@pytest.fixture
def database(tmp_path: Path) -> TaskDatabase:
    return TaskDatabase(tmp_path / "tasks.db")


@pytest.fixture
def harness(tmp_path: Path) -> QueueHarness:
    return QueueHarness(tmp_path)


def plan_of(database: TaskDatabase, name: str) -> str:
    rows = database.connection.rows("EXPLAIN QUERY PLAN " + SQL[name], Nothing())
    return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize("name", sorted(SQL))
def test_every_statement_explains_against_the_schema(database: TaskDatabase, name: str) -> None:
    assert plan_of(database, name) is not None


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("claim_task", "tasks_for_claim"),
        ("promote_due", "tasks_scheduled"),
        ("next_due", "tasks_scheduled"),
        ("open_attempts", "tasks_with_open_attempt"),
        ("running_tasks", "tasks_with_open_attempt"),
        ("alive_workers", "workers_alive"),
        ("controls_pending", "control_pending"),
        ("controls_for_attempt", "control_pending"),
        ("free_dependents", "dependencies_by_need"),
        ("read_output", "output_in_order"),
        ("events_of_task", "events_by_task"),
        ("task_page_of_status", "tasks_by_status"),
        ("task_row", "sqlite_autoindex_tasks_1"),
        ("last_attempt", "sqlite_autoindex_attempts_2"),
        ("workers_shown", "workers_by_name"),
        ("oldest_ready", "tasks_by_status"),
        ("waiting_to_land", "tasks_to_land"),
        ("landing_age", "tasks_to_land"),
        ("being_landed", "tasks_landing"),
        ("problem_groups", "problems_by_size"),
        ("tasks_with_problem", "tasks_by_fingerprint"),
        ("blocked_by_problem", "tasks_by_fingerprint"),
        ("late_to_land", "tasks_to_land"),
        ("unsent_messages", "outbox_unsent"),
        ("growing_message", "outbox_unsent"),
    ],
)
def test_hot_statements_use_their_index(database: TaskDatabase, name: str, index: str) -> None:
    assert index in plan_of(database, name)


def test_stuck_tasks_are_found_through_the_ended_ones_and_not_among_all_blocked_ones(database: TaskDatabase) -> None:
    found = plan_of(database, "tasks_stuck").splitlines()
    assert "SCAN stuck" in found
    assert not [line for line in found if "AUTOMATIC" in line]


@pytest.mark.parametrize(
    "name", ["claim_task", "move_task", "owns", "enter_stage", "free_dependents", "heartbeat", "note_progress"]
)
def test_hot_statements_never_scan_a_growing_table(database: TaskDatabase, name: str) -> None:
    scans = [line for line in plan_of(database, name).splitlines() if line.startswith("SCAN")]
    bounded = ("cli", "CONSTANT", "json_each")  # json_each: the few agent CLIs that are closed
    assert all(any(word in line for word in bounded) for line in scans), scans


@pytest.mark.parametrize(
    "name",
    ["task_page", "task_page_of_status", "claim_task", "events_since", "events_newest", "problem_groups"],
)
def test_pages_come_in_index_order_without_sorting(database: TaskDatabase, name: str) -> None:
    assert "ORDER BY" not in plan_of(database, name).replace("ORDER BY RIGHT PART", "").replace("LAST TERM", "") or (
        name == "claim_task" and plan_of(database, name).count("TEMP B-TREE") == 1  # over the names of agent CLIs
    )


def test_statement_names_are_unique() -> None:
    with pytest.raises(ValueError, match="twice"):
        split("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n")


@pytest.mark.parametrize(("name", "pick"), [("claim_task", "best.seq"), ("claim_landing", "t.seq")])
def test_a_claim_repeats_its_guard_outside_the_subquery(harness: QueueHarness, name: str, pick: str) -> None:
    """Two claims may pick the same row if several processes write at once: the second must find it taken."""
    harness.add("a")
    harness.take()
    picked_before = re.sub(r"WHERE seq = \(.*LIMIT 1\)\n", "WHERE seq = 1\n", SQL[name], flags=re.DOTALL)
    assert pick not in picked_before
    assert harness.db.connection.row(picked_before, Nothing()) is None
