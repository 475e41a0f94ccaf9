"""How often workers poll the database: all together at a bounded rate, however many there are."""

from __future__ import annotations

from swarm_shared.domain.errors import DatabaseError
from swarm_shared.settings.settings import MAX_WORKERS
from swarm_worker.pace import BUSY_POLL_S, COUNT_EVERY_S, IDLE_POLL_S, MOST_POLLS_PER_S, Pace


def test_all_workers_together_poll_at_a_bounded_rate() -> None:
    for workers in range(1, MAX_WORKERS + 1):
        pace = Pace(lambda count=workers: count)
        assert min(pace.idle_s(), pace.busy_s()) >= workers / MOST_POLLS_PER_S


def test_a_few_workers_notice_a_commit_at_once_and_many_within_a_second() -> None:
    assert (Pace(lambda: 16).idle_s(), Pace(lambda: 16).busy_s()) == (IDLE_POLL_S, BUSY_POLL_S)
    assert Pace(lambda: MAX_WORKERS).idle_s() < 1.0
    assert Pace(lambda: MAX_WORKERS).busy_s() < 1.0


def test_workers_are_counted_now_and_then_and_a_failing_database_changes_nothing() -> None:
    now, counts = [0.0], iter([100, 200])
    failing = False

    def count() -> int:
        if failing:
            raise DatabaseError("locked")
        return next(counts)

    pace = Pace(count, now=lambda: now[0])
    assert pace.idle_s() == pace.idle_s() == 100 / MOST_POLLS_PER_S
    now[0] += COUNT_EVERY_S
    assert pace.idle_s() == 200 / MOST_POLLS_PER_S
    now[0] += COUNT_EVERY_S
    failing = True
    assert pace.idle_s() == 200 / MOST_POLLS_PER_S
