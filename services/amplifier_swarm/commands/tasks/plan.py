"""`plan`: estimate the hours, sessions and cost of task files, before anything is spent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.progress import Bar
from amplifier_swarm.output.terminal import notice, print_json, say
from amplifier_swarm.plans.options import PlanOptions, plan_options
from amplifier_swarm.plans.task_files import read_all
from swarm_shared.domain.errors import SwarmError
from swarm_shared.program.collection import without_collection
from swarm_shared.program.terminal_text import safe
from swarm_shared.settings.number_types import WholeNumber
from swarm_shared.settings.settings import MAX_WORKERS

if TYPE_CHECKING:
    from swarm_shared.planning.estimate import Plan
    from swarm_shared.store.views.estimates.experience import Experience

SHOWN = 20


@command(
    "plan", example="plan tasks.yaml --workers 4", short_help="Estimate the hours, sessions and cost of task files."
)
@click.argument("files", metavar="PATH...", nargs=-1, required=True)
@plan_options
@click.option("--workers", type=WholeNumber(1, MAX_WORKERS), default=3, show_default=True, help="Workers.")
@json_option
def plan(app: App, files: tuple[str, ...], plan: PlanOptions, workers: int, as_json: bool) -> None:
    """Print the critical path, which tasks will wait for files, and an estimate of hours, sessions and money.

    Nothing is imported. If the database has past runs, the estimate uses their times, number of attempts and cost per
    attempt.
    """
    from swarm_shared.planning.estimate import estimate

    with without_collection():
        with Bar(app.clock) as bar:
            bar.phase("reading")
            read = read_all(files, how=plan.how(app), progress=bar.step)
        experience = _experience(app)
        found = estimate(read.tasks, workers=workers, validation=app.settings().validation, experience=experience)
    if as_json:
        print_json(found.shown())
        return
    _print(found, has_cost=experience is not None and experience.cost_usd is not None)


def _experience(app: App) -> Experience | None:
    if not os.path.exists(app.database_path()):
        return None
    from swarm_shared.store.views.estimates.experience import Experiences

    try:
        with app.open(read_only=True) as database:
            return Experiences(database.connection, app.clock).all()
    except SwarmError as error:
        notice(f"past runs are not used: {error.message}")
        return None


def _print(found: Plan, *, has_cost: bool) -> None:
    number = found.open_tasks
    say(f"{number:,} task{'' if number == 1 else 's'} to run, {found.estimated:,} with an estimate of hours")
    path = found.critical_path
    left_out = len(path) - SHOWN
    ids = " → ".join(path if left_out <= 0 else [*path[: SHOWN - 1], f"… {left_out:,} more …", path[-1]])
    say(f"critical path: {found.path_hours:g} h, {len(path):,} tasks: {safe(ids)}")
    say(f"work: {found.work_hours:g} h; with {found.workers} workers: {found.hours:g} h")
    cost = f"${found.cost_usd:,.2f}" if has_cost else "unknown: no past run reported its cost"
    say(f"sessions: {found.sessions:,}; money: {cost}")
    waits = len(found.waits)
    say(f"waiting for files: {waits:,} task{'' if waits == 1 else 's'}")
    for wait in found.waits[:SHOWN]:
        say(f"  {safe(wait.task)} waits {wait.hours:g} h for {safe(wait.holder)}: both change {safe(wait.pattern)}")
    if waits > SHOWN:
        say(f"  … and {waits - SHOWN:,} more; --json lists all")
    if found.without_files:
        notice(f"{found.without_files:,} tasks name no files: they never wait, and may conflict when they land")
