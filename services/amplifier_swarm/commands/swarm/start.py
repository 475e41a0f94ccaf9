"""`amplifier-swarm start`: becomes the orchestrator, under whose name the README's signals find it."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from amplifier_swarm.app import App, command
from amplifier_swarm.start.options import arguments_from, run_options


@command("start", example="start --workers 3 --project-root ~/project\nstart --no-dashboard --no-validation")
@run_options
def start(app: App, **values: Any) -> None:
    """Run the swarm in the foreground until nothing is left to do.

    Checks first, then starts the workers, the reaper and the dashboard, shows the progress, ends by itself and says
    how it went. Ctrl+C or SIGTERM once: finish what runs, then end. Twice, or SIGUSR1: stop everything now.
    """
    settings = app.settings({name: value for name, value in values.items() if name != "keep_running"})
    # Passed as arguments, because the orchestrator has no settings when started directly.
    values["dashboard"] = settings.dashboard
    words = arguments_from(click.get_current_context().command.params, values)
    verbose = ["--verbose"] if app.verbose else []
    # -P: the folder that you are in is no place to look for modules, whatever Python files it holds.
    program = [sys.executable, "-P", "-m", "amplifier_swarm.orchestrator"]
    sys.stdout.flush()
    # The same process and terminal: what was sent to us by pid, or by the name, arrives.
    os.execv(program[0], [*program, "--db", str(settings.db), *words, *verbose])
