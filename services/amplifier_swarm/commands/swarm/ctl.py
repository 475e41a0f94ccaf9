"""`ctl`: supervisorctl of this swarm, whichever way it was started."""

from __future__ import annotations

import os
import sys

import click

from amplifier_swarm.app import App, command
from amplifier_swarm.supervision import supervision


@command(
    "ctl",
    example="ctl status\nctl tail -f swarm-worker:swarm-worker-1",
    short_help="supervisorctl of this swarm.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", metavar="[WORD]...", nargs=-1, type=click.UNPROCESSED)
def ctl(app: App, words: tuple[str, ...]) -> None:
    """Run supervisorctl on the supervisord of this swarm: that of `start`, or ./supervisord.conf.

    Without words it is interactive; `help` lists what it knows. Its exit codes are supervisorctl's.
    """
    configuration = str(supervision(app).configuration)
    sys.stdout.flush()
    program = [sys.executable, "-P", "-m", "supervisor.supervisorctl"]
    os.execv(program[0], [*program, "-c", configuration, *words])
