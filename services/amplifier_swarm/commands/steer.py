"""What people do with tasks: `retry`, `cancel`, `hold`, `release`, `kill`, `approve`, `reject`, `prioritize`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from amplifier_swarm.app import App, command, json_option
from amplifier_swarm.asking import ask, conclude
from amplifier_swarm.status_option import status_option
from amplifier_swarm.terminal import cut, is_terminal, remark
from swarm_shared.domain.errors import SwarmError
from swarm_shared.domain.models import PRIORITY_NAMES, Status, Verb, priority_value
from swarm_shared.program.terminal_text import safe
from swarm_shared.store.requests.steering import MEANT

F = TypeVar("F", bound=Callable[..., Any])
MAX_BULK = 10_000


_AT_STAKE = (
    "It cannot be proven from here that the processes of the last attempt are gone. If one still runs, two agents work "
    "on the same task at once, and one may overwrite what the other has done. Check where that worker ran, such as its "
    "container, before you confirm."
)


class NeedsYes(SwarmError):
    """A bulk change without `--yes`."""

    exit_code = click.UsageError.exit_code


def _chosen(function: F) -> F:
    """The tasks a verb is for: ids, everything in a status or phase, or whatever one problem has stopped."""
    for decorate in (
        json_option,
        click.option("--yes", is_flag=True, help="Apply to all matching tasks without asking.  [default: off]"),
        click.option("--phase", help="All tasks of this phase.  [default: only those named]"),
        click.option(
            "--failure",
            metavar="FINGERPRINT",
            help="All tasks that are stopped by this problem; `failures` lists them.  [default: only those named]",
        ),
        status_option("All tasks in it.  [default: only those named]"),
    ):
        function = decorate(function)
    return function


def _verb(
    verb: Verb,
    app: App,
    ids: tuple[str, ...],
    *,
    statuses: tuple[Status, ...],
    phase: str | None,
    failure: str | None,
    yes: bool,
    as_json: bool,
    **argument: Any,
) -> int:
    by_filter = bool(statuses) or phase is not None
    if [by_filter, bool(ids), failure is not None].count(True) != 1:
        raise click.UsageError(
            "Name tasks, or choose them by --status and --phase, or by --failure.",
            click.get_current_context(),
        )
    with app.open() as database:
        if failure is not None:
            ids = _agreed(app, verb, database.failures.task_ids(failure, limit=MAX_BULK + 1), yes)
        elif by_filter:
            found = database.tasks.matching(statuses or MEANT[verb], phase, limit=MAX_BULK + 1)
            ids = _agreed(app, verb, found, yes)
        else:
            ids = tuple(dict.fromkeys(ids))
            for task_id in ids:
                database.tasks.get(task_id)  # a misspelt one must not leave the others half done
        return conclude(ask(app, database, verb, ids, **argument) if ids else [], as_json=as_json)


def _agreed(app: App, verb: Verb, ids: Sequence[str], yes: bool) -> tuple[str, ...]:
    count = f"more than {MAX_BULK:,}" if len(ids) > MAX_BULK else f"{len(ids):,}"
    if not yes:
        raise NeedsYes(
            f"{count} {'task matches' if len(ids) == 1 else 'tasks match'}, and nothing was changed",
            hint=f"to {verb} them: amplifier-swarm {shlex.join([*app.arguments, '--yes'])}",
        )
    # The first ones now; the same command again takes the next ones.
    return tuple(ids[:MAX_BULK])


_gone = click.option(
    "--gone", is_flag=True, help="I confirm that nothing from the last attempt is still running.  [default: off]"
)


@command(
    "retry",
    example='retry 2.6.1.a --note "use the v2 API"\nretry --status failed --phase build --yes',
    short_help="Run tasks again, with their retries reset.",
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--note", help="A note for the next attempt, at the top of its prompt.  [default: none]")
@click.option("--chain", is_flag=True, help="Retry what a blocked task waits for.  [default: off]")
@_gone
@_chosen
def retry(app: App, ids: tuple[str, ...], note: str | None, chain: bool, gone: bool, **chosen: Any) -> int:
    """Queue failed, held, cancelled or completed tasks again, with their retries reset; their history is kept.

    A completed task needs --yes: tasks that depend on it and have not started wait for it again. Its landed work stays.
    """
    if not chosen["yes"]:
        if gone:
            _confirm_gone(app, ids)
        _confirm_completed(app, ids)
    return _verb(Verb.RETRY, app, ids, note=note, chain=chain or None, gone=gone or None, **chosen)


@command("cancel", example="cancel 2.6.1.a 2.6.1.b", short_help="Take tasks out of the queue.")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_chosen
def cancel(app: App, ids: tuple[str, ...], **chosen: Any) -> int:
    """Take tasks out of the queue. The agents of running ones are ended first; completed ones stay."""
    return _verb(Verb.CANCEL, app, ids, **chosen)


@command("hold", example="hold --phase release --yes", short_help="Keep tasks from starting.")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_chosen
def hold(app: App, ids: tuple[str, ...], **chosen: Any) -> int:
    """Keep tasks that have not started from starting until they are released."""
    return _verb(Verb.HOLD, app, ids, **chosen)


@command("release", example="release 2.6.1.a\nrelease 2.6.1.a --gone", short_help="Release held tasks.")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_gone
@_chosen
def release(app: App, ids: tuple[str, ...], gone: bool, **chosen: Any) -> int:
    """Release held tasks: ready, or blocked if they have open dependencies.

    A task that is held because its last attempt is not proven dead, for instance in another container, needs --gone.
    """
    if gone and not chosen["yes"]:
        _confirm_gone(app, ids)
    return _verb(Verb.RELEASE, app, ids, gone=gone or None, **chosen)


def _confirm_gone(app: App, ids: tuple[str, ...]) -> None:
    """Say what is at stake, and ask; without a terminal it must have been said by `--yes`."""
    with app.open(read_only=True) as database:
        held = [(task_id, str(database.tasks.get(task_id)["last_error"])) for task_id in ids]
    for task_id, seen in held:
        remark(f"{safe(task_id)}: {cut(seen)}")
    remark(_AT_STAKE)
    if not is_terminal(sys.stdin):
        raise NeedsYes(
            "nothing was changed",
            hint=f"if you have made sure that they have ended: amplifier-swarm {shlex.join([*app.arguments, '--yes'])}",
        )
    click.confirm("Have all processes of these attempts ended?", abort=True, err=True)


def _confirm_completed(app: App, ids: tuple[str, ...]) -> None:
    """Name what running a completed task again means, and ask; without a terminal `--yes` is needed."""
    with app.open(read_only=True) as database:
        tasks = [database.tasks.get(task_id) for task_id in dict.fromkeys(ids)]
        effects = [
            f"{safe(task['id'])} {'has landed' if task['has_landed'] else 'is completed'}; "
            f"{_depend(database.tasks.behind(task['seq']))} on it"
            for task in tasks
            if task["status"] == Status.COMPLETED
        ]
    if not effects:
        return
    if not is_terminal(sys.stdin):
        raise NeedsYes(
            f"{'; '.join(effects)}; nothing was changed",
            hint=f"to run it again: amplifier-swarm {shlex.join([*app.arguments, '--yes'])}",
        )
    for effect in effects:
        remark(effect)
    click.confirm("Run it again?" if len(effects) == 1 else "Run them again?", abort=True, err=True)


def _depend(number: int) -> str:
    return "1 task depends" if number == 1 else f"{number:,} tasks depend"


@command("kill", example="kill 2.6.1.a", short_help="End the agents of running tasks and hold them.")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_chosen
def kill(app: App, ids: tuple[str, ...], **chosen: Any) -> int:
    """End the agents of running tasks with all their processes, and hold the tasks. Costs no attempt."""
    return _verb(Verb.KILL, app, ids, **chosen)


@command("approve", example="approve 2.6.1.a", short_help="Accept work that the validator objected to.")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_chosen
def approve(app: App, ids: tuple[str, ...], **chosen: Any) -> int:
    """Accept the work of held or failed tasks despite their validator's objection; not while a check fails."""
    return _verb(Verb.APPROVE, app, ids, **chosen)


@command("reject", example='reject 2.6.1.a --note "the API must stay compatible"', short_help="Refuse finished work.")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--note", required=True, help="What must be fixed, for the next attempt.  [default: none]")
@_chosen
def reject(app: App, ids: tuple[str, ...], note: str, **chosen: Any) -> int:
    """Reject the work of held or completed tasks: they run again, with your note on what must be fixed."""
    return _verb(Verb.REJECT, app, ids, note=note, **chosen)


@command("prioritize", example="prioritize 2.6.1.a 2.6.1.b critical", short_help="Change the order of tasks.")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.argument("priority")
@_chosen
def prioritize(app: App, ids: tuple[str, ...], priority: str, **chosen: Any) -> int:
    """Change the order of tasks that have not started.

    PRIORITY is critical, high, medium, low, or a whole number; smaller is sooner.
    """
    try:
        priority_value(priority)
    except ValueError:
        known = ", ".join(PRIORITY_NAMES)
        raise click.BadParameter(
            f"{priority!r} is none of {known}, nor a whole number.", click.get_current_context()
        ) from None
    return _verb(Verb.PRIORITIZE, app, ids, priority=priority, **chosen)
