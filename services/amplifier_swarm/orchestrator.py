"""`python -m amplifier_swarm.orchestrator`: one foreground run of the swarm; `amplifier-swarm start` becomes this
process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from amplifier_swarm.start.checks.problems import ServiceFailed, Unfit
from amplifier_swarm.start.options import run_options
from swarm_shared.domain.errors import SwarmError
from swarm_shared.program.entry import exit_code_of, report
from swarm_shared.settings.settings import resolve

NAME = "amplifier_swarm.orchestrator"
# Started directly it serves no dashboard; `amplifier-swarm start` passes its own choice.
DEFAULTS: Mapping[str, Any] = {"dashboard": False}


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExample:\n  python -m amplifier_swarm.orchestrator --db tasks.db --workers 3 --graceful-timeout 600",
)
@click.option("--db", type=click.Path(path_type=Path), help="The database.  [default: tasks.db; SWARM_DB]")
@run_options
@click.option("-v", "--verbose", is_flag=True, help="Show the logs of all services.")
def command(keep_running: bool, verbose: bool, **flags: object) -> int:
    """Run the swarm in the foreground until nothing is left to do.

    Ctrl+C or SIGTERM once: finish what runs, then end. Twice, or SIGUSR1: stop everything now.
    """
    settings = resolve(flags, defaults=DEFAULTS)
    from amplifier_swarm.start.run import start  # not for --help, nor for a wrong option

    try:
        return start(settings, os.environ, keep_running=keep_running, verbose=verbose)
    except Unfit as error:
        for problem in error.problems:
            report(SwarmError(problem.text, hint=problem.what_to_do))
        return error.exit_code
    except ServiceFailed as error:
        for line in error.tail:
            click.echo(f"  {line}", err=True)
        report(error)
        return error.exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of the module; returns the exit code."""
    return exit_code_of(command, argv, name=f"python -m {NAME}")


if __name__ == "__main__":
    sys.exit(main())
