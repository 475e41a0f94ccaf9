"""The queue and the workers as a whole: `pause`, `resume`, `scale`, `drain`, `restart-worker`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from amplifier_swarm.app import App, command, json_option
from amplifier_swarm.asking import Standing, ask, conclude
from swarm_shared.config import MAX_WORKERS
from swarm_shared.errors import NotFound
from swarm_shared.models import Verb

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase


@command("pause", example='pause --reason "the provider is down"', short_help="Give out no more tasks.")
@click.option("--reason", help="Shown to everybody who asks why nothing moves.  [default: none]")
@json_option
def pause(app: App, reason: str | None, as_json: bool) -> int:
    """Give out no more tasks until `resume`; what runs goes on. Survives restarts."""
    with app.open() as database:
        return conclude(ask(app, database, Verb.PAUSE, reason=reason), as_json=as_json)


@command("resume", example="resume", short_help="Give out tasks again.")
@json_option
def resume(app: App, as_json: bool) -> int:
    """Give out tasks again after a pause, a drain, an emergency stop or a provider's hold."""
    with app.open() as database:
        return conclude(ask(app, database, Verb.RESUME), as_json=as_json)


@command("scale", example="scale 5\nscale 0 --now", short_help="Change the number of workers.")
@click.argument("workers", metavar="N", type=click.IntRange(0, MAX_WORKERS))
@click.option("--now", is_flag=True, help="Interrupt surplus workers.  [default: they finish what they run]")
@json_option
def scale(app: App, workers: int, now: bool, as_json: bool) -> int:
    """Run N workers. The others are not disturbed; surplus ones finish what they run and leave."""
    with app.open() as database:
        return conclude(ask(app, database, Verb.SCALE, workers=workers, now=now), as_json=as_json)


@command("drain", example="drain\ndrain worker-2", short_help="Let workers finish what they run, and leave.")
@click.argument("worker", required=False)
@json_option
def drain(app: App, worker: str | None, as_json: bool) -> int:
    """Let all workers, or one, finish what they run within the graceful timeout and leave. `resume` takes it back."""
    with app.open() as database:
        if worker:
            _check_known(database, worker)
        return conclude(ask(app, database, Verb.DRAIN, (worker or "",)), as_json=as_json)


@command("restart-worker", example="restart-worker worker-2", short_help="Restart a worker's process.")
@click.argument("worker")
@json_option
def restart_worker(app: App, worker: str, as_json: bool) -> int:
    """Restart a worker's process: it finishes what it runs within the graceful timeout first."""
    with app.open() as database:
        _check_known(database, worker)
        return conclude(ask(app, database, Verb.RESTART_WORKER, (worker,)), as_json=as_json)


def _check_known(database: TaskDatabase, worker: str) -> None:
    """A name that no worker ever had is a slip of the pen, which the reaper could only refuse.

    Raises:
        NotFound: There is no such worker.
    """
    if Standing.of(database).reaper and all(row["worker_id"] != worker for row in database.workers.shown()):
        raise NotFound(f"no worker '{worker}'", hint="amplifier-swarm workers lists them")
