"""The workers as the commands show them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from amplifier_swarm.command_line.app import App
from amplifier_swarm.output.terminal import table
from swarm_shared.domain.clock import iso
from swarm_shared.program.readable import cut, duration

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase


UNKNOWN = "unknown"  # it started on another machine


def workers_shown(database: TaskDatabase) -> list[dict[str, Any]]:
    """Workers in the format of the JSON documents. A worker whose process has died counts as crashed and one of another
    machine as unknown, whatever its row says.
    """
    absent = {
        each.run: UNKNOWN if each.process.is_foreign else "crashed"
        for each in database.workers.alive()
        if each.is_absent
    }
    return [
        {
            "worker_id": row["worker_id"],
            "pid": row["pid"],
            "hostname": row["hostname"],
            "status": absent.get(row["run"], row["status"]),
            "started_at": iso(row["started_at"]),
            "stopped_at": iso(row["stopped_at"]),
            "last_heartbeat": iso(row["last_heartbeat"]),
            "current_task_id": row["current_task_id"],
            "stage": row["stage"],
            "tasks_completed": row["tasks_completed"],
            "tasks_failed": row["tasks_failed"],
            "restarts": row["restarts"],
            "reason": row["reason"],
        }
        for row in database.workers.shown()
    ]


def workers_table(app: App, shown: list[dict[str, Any]]) -> None:
    now = app.clock.wall_ms()
    rows = [
        (
            worker["worker_id"],
            worker["status"],
            worker["pid"],
            duration(now - ms(worker["last_heartbeat"])),
            worker["tasks_completed"],
            worker["tasks_failed"],
            worker["current_task_id"] or (cut(worker["reason"] or "") if worker["reason"] != worker["status"] else ""),
        )
        for worker in shown
    ]
    columns = ("worker", "status", "pid", "heartbeat", "completed", "failed", "task")
    numbers = ("pid", "heartbeat", "completed", "failed")
    table(columns, rows, right=numbers, spare=("pid", "failed", "completed", "heartbeat"))


def ms(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() * 1000
