"""Shared by the commands on tasks: selecting tasks, confirmations, the request, the outcomes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from amplifier_swarm.command_line.app import App, json_option
from amplifier_swarm.command_line.names import check_phase, complete_phase, complete_problem
from amplifier_swarm.command_line.status_option import status_option
from amplifier_swarm.command_line.submit import report_outcomes, submit
from amplifier_swarm.output.terminal import is_terminal, notice
from swarm_shared.domain.errors import NotFound, SwarmError
from swarm_shared.domain.models import Status, Verb
from swarm_shared.program.readable import cut
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


def task_selection(function: F) -> F:
    """The tasks to act on: ids, all tasks in a status or phase, or all tasks with one problem."""
    for decorate in (
        json_option,
        click.option("--yes", is_flag=True, help="Apply to all matching tasks without asking.  [default: off]"),
        click.option(
            "--phase", shell_complete=complete_phase, help="All tasks of this phase.  [default: only those named]"
        ),
        click.option(
            "--failure",
            metavar="FINGERPRINT",
            shell_complete=complete_problem,
            help="All tasks with this problem; `failures` lists them.  [default: only those named]",
        ),
        status_option("All tasks with this status. [default: only those named]"),
    ):
        function = decorate(function)
    return function


def run_verb(
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
    """Request one action for the selected tasks and print the outcomes. Returns the exit code."""
    by_filter = bool(statuses) or phase is not None
    if [by_filter, bool(ids), failure is not None].count(True) != 1:
        raise click.UsageError(
            "Give task ids, or select tasks by --status and --phase, or by --failure.",
            click.get_current_context(),
        )
    with app.open() as database:
        if failure is not None:
            stopped = database.failures.task_ids(failure, limit=MAX_BULK + 1)
            if not stopped:
                raise NotFound(f"no task has the problem '{failure}'", hint="amplifier-swarm failures")
            ids = _agreed(app, verb, stopped, yes)
        elif by_filter:
            check_phase(database, phase)
            found = database.tasks.matching(statuses or MEANT[verb], phase, limit=MAX_BULK + 1)
            ids = _agreed(app, verb, found, yes)
        else:
            ids = tuple(dict.fromkeys(ids))
            for task_id in ids:
                database.tasks.get(task_id)  # a misspelled id must not leave the others half done
        if not ids and not as_json:
            notice("no task matches; nothing was changed")
        return report_outcomes(submit(app, database, verb, ids, **argument) if ids else [], as_json=as_json)


def _agreed(app: App, verb: Verb, ids: Sequence[str], yes: bool) -> tuple[str, ...]:
    count = f"more than {MAX_BULK:,}" if len(ids) > MAX_BULK else f"{len(ids):,}"
    if not yes:
        raise NeedsYes(
            f"{count} {'task matches' if len(ids) == 1 else 'tasks match'}, and nothing was changed",
            hint=f"to {verb} them: amplifier-swarm {shlex.join([*app.arguments, '--yes'])}",
        )
    # The first ones now; running the same command again continues with the next ones.
    return tuple(ids[:MAX_BULK])


gone_option = click.option(
    "--gone", is_flag=True, help="I confirm that nothing from the last attempt is still running.  [default: off]"
)


def confirm_gone(app: App, ids: tuple[str, ...]) -> None:
    """Explain the risk, and ask; without a terminal, `--yes` must have been given."""
    with app.open(read_only=True) as database:
        held = [(task_id, str(database.tasks.get(task_id)["last_error"])) for task_id in ids]
    for task_id, seen in held:
        notice(f"{safe(task_id)}: {cut(seen)}")
    notice(_AT_STAKE)
    if not is_terminal(sys.stdin):
        raise NeedsYes(
            "nothing was changed",
            hint=f"if you have made sure that they have ended: amplifier-swarm {shlex.join([*app.arguments, '--yes'])}",
        )
    click.confirm("Have all processes of these attempts ended?", abort=True, err=True)
