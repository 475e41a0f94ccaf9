"""The report as a JSON document for programs."""

from __future__ import annotations

from typing import Any

from swarm_shared.domain.clock import iso
from swarm_shared.store.views.run_report import Effort, RunReport


def document(report: RunReport, name: str) -> dict[str, Any]:
    """Everything, with times in ISO 8601 and durations in seconds."""
    return {
        "swarm": name,
        "made_at": iso(report.made_at),
        "began_at": iso(report.began_at),
        "ended_at": iso(report.ended_at),
        **_effort(report.whole),
        "phases": [{"phase": phase, **_effort(its)} for phase, its in report.phases.items()],
        "objections": [_problem(each) for each in report.objections],
        "failures": [_problem(each) for each in report.problems],
        "task_list": [
            {
                "id": line.id,
                "name": line.name,
                "phase": line.phase,
                "status": str(line.status),
                "group": str(line.group),
                "hold_reason": line.hold_reason,
                "error": line.last_error,
                "completed_at": iso(line.completed_at),
                "landed_as": line.landed_as,
                "attempts": line.attempts,
                "failed_attempts": line.retries,
                "refused_landings": line.refused,
                "agent_s": None if line.busy_ms is None else round(line.busy_ms / 1000, 1),
                "tokens": line.tokens,
                "cost_usd": line.cost_usd,
                "waits_for": list(report.waits.get(line.id, ())),
            }
            for line in report.lines
        ],
    }


def _effort(effort: Effort) -> dict[str, Any]:
    return {
        "tasks": {str(group): number for group, number in effort.tasks.items()} | {"total": effort.total},
        "attempts": effort.attempts,
        "failed_attempts": effort.retries,
        "refused_landings": effort.refused,
        "agent_s": round(effort.busy_ms / 1000, 1),
        "tokens": effort.tokens,
        "cost_usd": effort.cost_usd,
        "attempts_without_cost": effort.costless,
    }


def _problem(each: Any) -> dict[str, Any]:
    return {"cause": each.cause, "sample": each.sample, "attempts": each.attempts, "tasks": each.tasks}
