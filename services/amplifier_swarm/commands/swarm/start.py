"""`amplifier-swarm start`: becomes the orchestrator process, so that the documented signals find it by name."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.start.options import arguments_from, run_options


@command("start", example="start --workers 3 --project-root ~/project\nstart --no-dashboard --no-validation")
@run_options
def start(app: App, **values: Any) -> None:
    """Run the swarm in the foreground until nothing is left to do.

    First runs checks, then starts the workers, the reaper and the dashboard, shows the progress, exits on its own and
    prints a summary. Ctrl+C or SIGTERM once: finish running tasks, then exit. Twice, or SIGUSR1: stop everything
    immediately.
    """
    settings = app.settings({name: value for name, value in values.items() if name != "keep_running"})
    # Passed as arguments, because the orchestrator has no settings when started directly.
    values["dashboard"] = settings.dashboard
    words = arguments_from(click.get_current_context().command.params, values)
    verbose = ["--verbose"] if app.verbose else []
    # -P: modules must not be imported from the current folder, whatever Python files it contains.
    program = [sys.executable, "-P", "-m", "amplifier_swarm.orchestrator"]
    sys.stdout.flush()
    # The process and terminal stay the same, so signals sent by pid or by name still arrive.
    os.execv(program[0], [*program, "--db", str(settings.db), *words, *verbose])
