"""The queue and the workers as a whole: `pause`, `resume`, `scale`, `drain`, `restart-worker`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from amplifier_swarm.app import App, command, json_option
from amplifier_swarm.asking import Standing, ask, conclude
from swarm_shared.domain.errors import NotFound
from swarm_shared.domain.models import Verb
from swarm_shared.program.settings import MAX_WORKERS

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase


@command("pause", example='pause --reason "the provider is down"', short_help="Start no new tasks.")
@click.option("--reason", help="Shown wherever it is explained why nothing moves.  [default: none]")
@json_option
def pause(app: App, reason: str | None, as_json: bool) -> int:
    """Start no new tasks until `resume`; running tasks continue. Survives restarts."""
    with app.open() as database:
        return conclude(ask(app, database, Verb.PAUSE, reason=reason), as_json=as_json)


@command("resume", example="resume", short_help="Start tasks again.")
@json_option
def resume(app: App, as_json: bool) -> int:
    """Start tasks again after a pause, a drain of the swarm or of a worker, an emergency stop or a provider hold."""
    with app.open() as database:
        return conclude(ask(app, database, Verb.RESUME), as_json=as_json)


@command("scale", example="scale 5\nscale 0 --now", short_help="Change the number of workers.")
@click.argument("workers", metavar="N", type=click.IntRange(0, MAX_WORKERS))
@click.option(
    "--now",
    is_flag=True,
    help="Interrupt surplus workers after the graceful timeout.  [default: they finish their task]",
)
@json_option
def scale(app: App, workers: int, now: bool, as_json: bool) -> int:
    """Run N workers. Surplus ones finish their task, however long it takes, and leave; the others are not disturbed.

    Scale up again at any time: workers that have not left yet stay.
    """
    with app.open() as database:
        return conclude(ask(app, database, Verb.SCALE, workers=workers, now=now), as_json=as_json)


@command("drain", example="drain\ndrain worker-2", short_help="Let workers finish their task, and leave.")
@click.argument("worker", required=False)
@json_option
def drain(app: App, worker: str | None, as_json: bool) -> int:
    """Let all workers finish their task within the graceful timeout and leave; or one worker, without a limit.

    `resume` undoes it, also for workers that have left.
    """
    with app.open() as database:
        if worker:
            _check_known(database, worker)
        return conclude(ask(app, database, Verb.DRAIN, (worker or "",)), as_json=as_json)


@command(
    "restart-worker",
    example="restart-worker worker-2\nrestart-worker worker-2 --now",
    short_help="Restart a worker's process.",
)
@click.argument("worker")
@click.option("--now", is_flag=True, help="Interrupt its task, which costs no retry.  [default: it finishes first]")
@json_option
def restart_worker(app: App, worker: str, now: bool, as_json: bool) -> int:
    """Restart a worker's process. It finishes its task first, however long that takes."""
    with app.open() as database:
        _check_known(database, worker)
        return conclude(ask(app, database, Verb.RESTART_WORKER, (worker,), now=now or None), as_json=as_json)


def _check_known(database: TaskDatabase, worker: str) -> None:
    """A name that no worker ever had is a typing error, which the reaper could only refuse.

    Raises:
        NotFound: There is no such worker.
    """
    if Standing.of(database).reaper and all(row["worker_id"] != worker for row in database.workers.shown()):
        raise NotFound(f"no worker '{worker}'", hint="amplifier-swarm workers lists them")
