"""A queue of any size, written straight into the tables: a million tasks in seconds instead of minutes."""

from __future__ import annotations

from pathlib import Path

from swarm_shared.database import TaskDatabase

# Every second task needs two of the tasks before it, so half of the queue waits; four priorities are mixed.
_NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)"
_WORDS = "A piece of work with a description. " * 4
_TASKS = f"""
{_NUMBERS}
INSERT INTO tasks (seq, id, name, phase, type, status, priority, chain, blockers, created_at, updated_at)
SELECT n, 'task-' || n, 'Task ' || n, 'phase ' || (n % 10), 'feature',
       iif(n % 2 = 0 AND n > 3, 'blocked', 'not_started'), 1 + n % 4, n % 2, iif(n % 2 = 0 AND n > 3, 2, 0), 0, 0
FROM numbers
"""
_DEFINITIONS = f"""
{_NUMBERS}
INSERT INTO definitions (task, body)
SELECT n, '{{"run":":","description":"' || substr('{_WORDS}', 1, 80 + n % 60) || '"}}'
FROM numbers
"""
_DEPENDENCIES = f"""
{_NUMBERS}
INSERT INTO dependencies (task, needs)
SELECT n, n - offset FROM numbers, (SELECT 1 AS offset UNION ALL SELECT 3) WHERE n % 2 = 0 AND n > 3
"""


_COUNTERS = """
INSERT INTO counters (phase, status, tasks, hours)
SELECT phase, status, count(*), coalesce(sum(estimated_hours), 0) FROM tasks GROUP BY phase, status
"""
# Kept aside while rows are written and made again behind them: in one go they cost a tenth.
_ASIDE = """
SELECT type, name, sql FROM sqlite_schema
WHERE sql IS NOT NULL AND (type = 'index' AND tbl_name IN ('tasks', 'dependencies') OR name = 'tasks_counted_in')
"""


def fill(path: Path, count: int) -> None:
    """Make a database with so many queued tasks, half of them blocked by two others each."""
    with TaskDatabase(path) as database:
        connection = database.connection
        with connection.transaction():
            aside = connection.rows(_ASIDE)
            for kind, name, _ in aside:
                connection.change(f"DROP {kind} {name}")
            for statement in (_TASKS, _DEFINITIONS, _DEPENDENCIES):
                connection.change(statement, {"count": count})
            connection.change(_COUNTERS)
            for *_, statement in aside:
                connection.change(statement)
        connection.checkpoint(truncate=True)
