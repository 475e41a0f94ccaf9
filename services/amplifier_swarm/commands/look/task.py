"""One task: `task-info`, `why`, `prompt`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from amplifier_swarm.app import App, command, json_option
from amplifier_swarm.as_started import as_started
from amplifier_swarm.compare_attempts import tell_same_problem
from amplifier_swarm.terminal import cut, print_json, remark, say
from swarm_shared.domain.errors import NotFound
from swarm_shared.domain.models import GROUP_OF, Group, Role, Status
from swarm_shared.program.terminal_text import safe
from swarm_shared.redaction.redaction import of_process
from swarm_shared.store.queue.verdicts import same_problem

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

_FACTS = (
    "phase", "type", "priority", "estimated_hours", "attempt_count", "max_retries", "worker_id", "dependencies",
    "files", "design_docs", "hold_reason", "question", "approved_by", "last_error", "note", "created_at", "claimed_at",
    "started_at", "completed_at", "due_at",
)  # fmt: skip
LOG_LINES_SHOWN = 30


@command("task-info", example="task-info 2.6.1.a", short_help="Everything about a task.")
@click.argument("task_id", metavar="ID")
@json_option
def task_info(app: App, task_id: str, as_json: bool) -> None:
    """Everything about a task: its text, what was tried, and its log."""
    with app.open(read_only=True) as database:
        task = database.tasks.get(task_id)
        attempts = [_attempt_shown(each) for each in database.tasks.attempts(task["seq"])]
        log = database.events.of_task(task["seq"])
    same = same_problem(attempts)
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
        _tell_attempt(attempt)
    if same:
        tell_same_problem(same)
    if log:
        say("\nLog")
    for line in log[-LOG_LINES_SHOWN:]:
        say(f"  {line['timestamp']}  {line['event_type']:<16} {cut(line['message'])}")
    if len(log) > LOG_LINES_SHOWN:
        remark(f"the last {LOG_LINES_SHOWN} of {len(log)} log lines; --json gives all")


def _attempt_shown(attempt: dict[str, Any]) -> dict[str, Any]:
    # A claim that never got to an agent has no start of its own; for display it began with the claim.
    return {**attempt, "started_at": attempt["started_at"] or attempt["claimed_at"]}


def _tell_attempt(attempt: dict[str, Any]) -> None:
    ended = attempt["outcome"] or "running"
    why = f" ({attempt['failure_class']})" if attempt["failure_class"] else ""
    if attempt["question"]:
        ended, why = "stopped with a question", ""
    if attempt["same_as"] is not None:
        why += f", as attempt {attempt['same_as']}"
    say(f"\nAttempt {attempt['number']}: {ended}{why}, {attempt['worker_id']}, {attempt['started_at']}")
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
    verdict = attempt["validator_result"] or {}
    if verdict.get("verdict"):
        _fact("  verdict", verdict["verdict"])
    for issue in attempt["must_fix"] or []:
        _fact("  must fix", cut(str(issue), 500))


def _check_shown(check: dict[str, Any]) -> str:
    command = cut(str(check.get("command")))
    if not check.get("passed"):
        return f"FAILED: {command}"
    if check.get("warning"):  # it blocks nothing, and its name alone would say that all is well
        return f"warning: {command} – not so: {cut(', '.join(str(check.get('output')).splitlines()), 200)}"
    return f"passed: {command}"


def _fact(name: str, value: object) -> None:
    say(f"  {name:<16} {safe(value)}")


@command("why", example="why 2.6.1.a", short_help="Why a task does not move, and what to do.")
@click.argument("task_id", metavar="ID")
@json_option
def why(app: App, task_id: str, as_json: bool) -> None:
    """What a task waits for, or how it ended, and what can be done about it."""
    from swarm_shared.store.views.why import Why

    with app.open(read_only=True) as database:
        explained = Why(database.connection, app.clock).explain(task_id, default_cli=app.settings().agent_cli)
    if as_json:
        print_json(explained.shown())
        return
    say(f"{safe(explained.id)} is {explained.status}:")
    for reason in explained.reasons:
        say(f"  {safe(reason.text)}")
        if reason.advice:
            say(f"    → {safe(reason.advice)}")
    if explained.same_problem:
        tell_same_problem(explained.same_problem)


@command(
    "prompt",
    example="prompt 2.6.1.a\nprompt 2.6.1.a --attempt 1 --role validator",
    short_help="The prompt of an attempt.",
)
@click.argument("task_id", metavar="ID")
@click.option("--attempt", type=click.IntRange(1), help="A past or running attempt.  [default: the next one]")
@click.option(
    "--role",
    type=click.Choice([Role.BUILDER.value, Role.VALIDATOR.value]),
    default=Role.BUILDER.value,
    show_default=True,
    help="Whose prompt; a validator's only of a past attempt.",
)
@json_option
def prompt(app: App, task_id: str, attempt: int | None, role: str, as_json: bool) -> None:
    """The prompt that the next attempt of a task would get, or that a past one got.

    Of a running or completed task it is the newest attempt's prompt.
    """
    from swarm_shared.next_prompt import next_prompt, place_by_git

    with app.open(read_only=True) as database:
        task = database.tasks.get(task_id)
        if attempt is None and GROUP_OF[Status(task["status"])] in (Group.IN_PROGRESS, Group.COMPLETED):
            attempt = task["attempt_count"] or None
        if attempt is None and role == Role.VALIDATOR:
            raise click.UsageError(
                "A validator's prompt needs the work of an attempt: --attempt N.", click.get_current_context()
            )
        if attempt is None:
            settings = as_started(app.settings(), database)
            place = place_by_git(database, task, settings)
            following = next_prompt(database, task, settings, at=place, environ=os.environ)
            number, text, resumes = following.number, of_process().text(following.text), following.resumes
        else:
            number = attempt
            text, resumes = _stored_prompt(database, task, attempt, role)
    if as_json:
        told = {"id": task_id, "attempt": number, "role": role, "stored": attempt is not None, "resumes": resumes}
        print_json({**told, "prompt": text})
        return
    where = f", in session {resumes}, which it {'went' if attempt else 'goes'} on with" if resumes else ""
    remark(f"attempt {number} {'was' if attempt else 'would be'} told{where}:")
    click.echo(safe(text, lines=True), nl=not text.endswith("\n"))


def _stored_prompt(database: TaskDatabase, task: dict[str, Any], number: int, role: str) -> tuple[str, str | None]:
    """The prompt, and the earlier session that it was given to."""
    for attempt in database.tasks.attempts(task["seq"]):
        if attempt["number"] == number:
            for session in database.tasks.sessions(attempt["id"]):
                if session["role"] == role and session["prompt"] is not None:
                    return str(session["prompt"]), session["resumes"]
            raise NotFound(
                f"attempt {number} of task {task['id']} started no {role} session",
                hint=f"amplifier-swarm task-info {task['id']} shows how far it got",
            )
    raise NotFound(f"task {task['id']} has no attempt {number}", hint=f"it has had {task['attempt_count']} so far")
