"""`stop`: drain the swarm, or stop it immediately, and then shut all programs down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.submit import report_outcomes, submit, wait_for_a_commit
from amplifier_swarm.command_line.supervision import Supervision, supervision
from amplifier_swarm.output.terminal import notice, print_json, say
from swarm_shared.domain.errors import StateError, SupervisorError
from swarm_shared.domain.models import Verb
from swarm_shared.store.swarm.swarm import DRAINED, EMERGENCY_STOP

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

# Added to the graceful timeout, for ending agents and reporting it.
PATIENCE_S = 60.0
# A worker that was idle when the drain began leaves within moments. A worker that was started while the swarm was
# already drained waits for `resume` and leaves only with supervisord.
LEAVES_WITHIN_S = 5.0
SERVICES = ("start", "reaper", "dashboard")


@command("stop", example="stop\nstop --now", short_help="Let running tasks finish, then stop the swarm.")
@click.option("--now", is_flag=True, help="End all sessions immediately. [default: let them finish]")
@json_option
def stop(app: App, now: bool, as_json: bool) -> int:
    """Let the workers finish their tasks, then shut all programs down. With --now, end everything immediately.

    Interrupted tasks lose no attempt. Ctrl+C only stops waiting; the drain continues.
    """
    patience_ms = 1000 * (PATIENCE_S if now else app.settings().graceful_timeout_s + PATIENCE_S)
    with app.open() as database:
        if not _living(database):
            if any(each.process.is_foreign for each in database.workers.alive()):
                hint = "stop it on the machine that it was started on; amplifier-swarm doctor names it"
                raise StateError("this swarm is not running on this machine", hint=hint)
            raise StateError("this swarm is not running", hint="amplifier-swarm status shows its tasks")
        flag = EMERGENCY_STOP if now else DRAINED
        was_set = flag in database.swarm.flags()
        rows = submit(app, database, Verb.EMERGENCY_STOP if now else Verb.DRAIN)
        if any(row.status != "done" for row in rows):
            return report_outcomes(rows, as_json=as_json)
        until = app.clock.mono_ms() + round(patience_ms)
        _wait(app, database, until, "workers")
        found = _supervisord(app)
        if found is not None:
            found.client.shutdown()
        elif (left := _living(database)) and "start" not in left:
            raise SupervisorError(
                f"{', '.join(left)} run without a supervisord", hint="end them where they were started"
            )
        _wait(app, database, until + round(1000 * PATIENCE_S), "services")
        if not was_set:
            # The flag served this stop only; the next start must not find it.
            database.swarm.clear_flag(flag)
    if as_json:
        print_json({"stopped": True})
    else:
        say("stopped")
    return 0


def _supervisord(app: App) -> Supervision | None:
    try:
        found = supervision(app)
    except SupervisorError:
        return None  # its services were started separately, or `start` has already ended it
    return found if found.answers() else None


def _living(database: TaskDatabase) -> list[str]:
    services = database.swarm.services()
    names = [name for name in SERVICES if name in services and services[name].is_up(database.clock.wall_ms())]
    return names + _workers(database)


def _workers(database: TaskDatabase, *, at_work: bool = False) -> list[str]:
    present = database.workers.present()
    return [each.worker_id for each in present if not at_work or each.status != "waiting" or each.task is not None]


def _wait(app: App, database: TaskDatabase, until_ms: int, what: str) -> None:
    printed: list[str] = []
    leave_until_ms = app.clock.mono_ms() + round(1000 * LEAVES_WITHIN_S)

    def left() -> list[str]:
        if what == "services":
            return _living(database)
        return _workers(database, at_work=app.clock.mono_ms() > leave_until_ms)

    while names := left():
        if names != printed:
            notice(f"waiting for {', '.join(names)}")
            printed = names
        if app.clock.mono_ms() > until_ms:
            raise SupervisorError(
                f"still running: {', '.join(names)}", hint="amplifier-swarm stop --now ends everything"
            )
        wait_for_a_commit(database)
