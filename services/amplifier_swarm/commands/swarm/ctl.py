"""`ctl`: run supervisorctl for this swarm, however it was started."""

from __future__ import annotations

import os
import sys

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.command_line.supervision import supervision

_ACTIONS = ("help", "pid", "restart", "scale", "shutdown", "signal", "start", "status", "stop", "tail")


def _complete_action(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The supervisorctl actions that are useful for a swarm; nothing after the first word."""
    return [] if ctx.params.get("words") else [action for action in _ACTIONS if action.startswith(incomplete)]


@command(
    "ctl",
    example="ctl status\nctl tail -f swarm-worker:swarm-worker-1",
    short_help="Run supervisorctl for this swarm.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", metavar="[WORD]...", nargs=-1, type=click.UNPROCESSED, shell_complete=_complete_action)
def ctl(app: App, words: tuple[str, ...]) -> None:
    """Run supervisorctl for this swarm's supervisord: that of `start`, or of ./supervisord.conf.

    Without arguments it is interactive; `help` lists its commands. The exit codes are those of supervisorctl.
    """
    configuration = str(supervision(app).configuration)
    sys.stdout.flush()
    program = [sys.executable, "-P", "-m", "supervisor.supervisorctl"]
    os.execv(program[0], [*program, "-c", configuration, *words])
