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
SELECT n, '{{"id":"task-' || n || '","name":"Task ' || n || '","run":":",' ||
       '"description":"' || substr('{_WORDS}', 1, 80 + n % 60) || '"}}'
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
# Dropped while rows are written and recreated afterwards: in one go they cost a tenth.
_ASIDE = """
SELECT type, name, sql FROM sqlite_schema
WHERE sql IS NOT NULL AND (type = 'index' AND tbl_name IN ('tasks', 'dependencies') OR name = 'tasks_counted_in')
"""


_WORKERS = f"""
{_NUMBERS}
INSERT INTO workers (run, worker_id, status, pid, pid_start, boot_id, pid_ns, hostname, started_at, heartbeat_at,
                     lease_until_mono)
SELECT n, 'worker-' || n, 'idle', 100000 + n, 1, 'bench', 1, 'bench', :until, :until, 0 FROM numbers
"""
# Attempt n is a try at task n, its ids rise with the time as those of real ones do; each tenth was refused.
_ATTEMPTS = f"""
{_NUMBERS}
INSERT INTO attempts (id, task, number, token, run, worker_id, agent_cli, claimed_at, started_at, ended_at, progress_at,
                      progress_mono, outcome, failure_class, builder_result, validator_result)
SELECT printf('%012x-%08x', :until - (:count - n) * :apart_ms, n), n, 1, 1, 1 + n % :workers,
       'worker-' || (1 + n % :workers), 'command', :until - (:count - n) * :apart_ms,
       :until - (:count - n) * :apart_ms, :until - (:count - n) * :apart_ms + :apart_ms * :workers * 9 / 10,
       :until, 0, iif(n % 10 = 0, 'failed', 'passed'), iif(n % 10 = 0, 'quality', NULL),
       '{{"status":"success","summary":"' || substr('{_WORDS}', 1, 140) || '"}}', '{{"verdict":"PASS"}}'
FROM numbers
"""
_ENDED = """
UPDATE tasks SET status = iif(seq % 10 = 0, 'failed', 'completed'), attempt_count = 1, blockers = 0 WHERE seq <= :count
"""


def add_history(path: Path, count: int, *, workers: int, until: int, apart_ms: int) -> None:
    """Let the first tasks of a queue have been tried once each, one claim every `apart_ms` up to a moment (wall ms)."""
    with TaskDatabase(path) as database:
        connection = database.connection
        with connection.transaction():
            connection.change(_WORKERS, {"count": workers, "until": until})
            values = {"count": count, "workers": workers, "until": until, "apart_ms": apart_ms}
            connection.change(_ATTEMPTS, values)
            connection.change(_ENDED, {"count": count})
        connection.checkpoint(truncate=True)


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
