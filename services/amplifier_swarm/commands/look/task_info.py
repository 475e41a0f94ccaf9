"""`task-info`: show everything about a task."""

from __future__ import annotations

from typing import Any

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.output.compare_attempts import print_same_problem
from amplifier_swarm.output.terminal import notice, print_json, say
from swarm_shared.domain.models import FailureClass, Outcome
from swarm_shared.program.readable import cut
from swarm_shared.program.terminal_text import safe
from swarm_shared.store.queue.settlement import LANDING
from swarm_shared.store.views.verdicts import output_end, same_problem

_FACTS = (
    "phase", "type", "priority", "estimated_hours", "attempt_count", "max_retries", "worker_id", "dependencies",
    "files", "design_docs", "hold_reason", "question", "approved_by", "last_error", "note", "created_at", "claimed_at",
    "started_at", "completed_at", "due_at",
)  # fmt: skip
_LANDED = {str(Outcome.PASSED): "landed"}
LOG_LINES_SHOWN = 30
OUTPUT_LINES_SHOWN = 40  # of each failing check


@command("task-info", example="task-info 2.6.1.a", short_help="Show everything about a task.")
@click.argument("task_id", metavar="ID", shell_complete=complete_task)
@json_option
def task_info(app: App, task_id: str, as_json: bool) -> None:
    """Show everything about a task: its text, its attempts, and its log."""
    with app.open(read_only=True) as database:
        task = database.tasks.get(task_id)
        attempts = [_attempt_shown(each) for each in database.tasks.all_attempts(task["seq"])]
        log = database.events.of_task(task["seq"])
    same = same_problem([each for each in attempts if each["kind"] != LANDING])
    if as_json:
        print_json({**task, "attempts": attempts, "same_problem": same, "log": log})
        return
    say(f"{safe(task['id'])}: {safe(task['name'])}")
    stage = f" ({task['stage']})" if task["stage"] else ""
    _fact("status", f"{task['status']}{stage}")
    for name in _FACTS:
        value = task[name]
        if value not in (None, "", []):
            _fact(name.replace("_", " "), ", ".join(value) if isinstance(value, list) else value)
    if task["description"]:
        say(f"\n{task['description'].rstrip()}")
    if task["acceptance_criteria"]:
        say("\nAcceptance criteria")
        for criterion in task["acceptance_criteria"]:
            say(f"  - {safe(criterion)}")
    for attempt in attempts:
        _print_attempt(attempt)
    if same:
        print_same_problem(same)
    if log:
        say("\nLog")
    for line in log[-LOG_LINES_SHOWN:]:
        say(f"  {line['timestamp']}  {line['event_type']:<16} {cut(line['message'])}")
    if len(log) > LOG_LINES_SHOWN:
        notice(f"the last {LOG_LINES_SHOWN} of {len(log)} log lines; --json shows all")


def _attempt_shown(attempt: dict[str, Any]) -> dict[str, Any]:
    # An attempt that never started an agent has no start time; for display it began with the claim.
    return {**attempt, "started_at": attempt["started_at"] or attempt["claimed_at"]}


def _print_attempt(attempt: dict[str, Any]) -> None:
    is_landing = attempt["kind"] == LANDING
    ended = attempt["outcome"] or "running"
    if is_landing:
        ended = "refused" if attempt["failure_class"] == FailureClass.QUALITY else _LANDED.get(ended, ended)
    why = f" ({attempt['failure_class']})" if attempt["failure_class"] else ""
    if attempt["question"]:
        ended, why = "stopped with a question", ""
    if attempt["same_as"] is not None:
        why += f", as attempt {attempt['same_as']}"
    what = "Landing of attempt" if is_landing else "Attempt"
    say(f"\n{what} {attempt['number']}: {ended}{why}, {attempt['worker_id']}, {attempt['started_at']}")
    if attempt["resumed_session_id"]:
        _fact("  resumes", f"session {attempt['resumed_session_id']}")
    for name in ("question", "answer"):
        if attempt[name]:
            _fact("  " + name, attempt[name])
    for name in ("error", "exit_code", "models", "tokens", "cached_tokens", "cost_usd"):
        if attempt[name] is not None:
            _fact("  " + name.replace("_", " "), cut(str(attempt[name]), 500))
    for check in attempt["check_results"] or []:
        _fact("  check", _check_shown(check))
        if not check.get("passed"):
            for line in output_end(check, OUTPUT_LINES_SHOWN).splitlines():
                say(f"      {cut(line, 500)}")
    verdict = attempt["validator_result"] or {}
    if verdict.get("verdict"):
        _fact("  verdict", verdict["verdict"])
    for issue in attempt["must_fix"] or []:
        _fact("  must fix", cut(str(issue), 500))


def _check_shown(check: dict[str, Any]) -> str:
    command = cut(str(check.get("command")))
    if not check.get("passed"):
        return f"FAILED: {command}"
    if check.get("warning"):  # a warning blocks nothing, and its name describes the good case
        return f"warning: {command} – violated: {cut(', '.join(str(check.get('output')).splitlines()), 200)}"
    return f"passed: {command}"


def _fact(name: str, value: object) -> None:
    say(f"  {name:<16} {safe(value)}")
