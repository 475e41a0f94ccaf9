"""How every program ends: a click command in, an exit code out, errors in one or two lines, never a traceback."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

import click

from swarm_shared.errors import SwarmError

EXIT_BUG = 1
EXIT_INTERRUPTED = 130


def exit_code_of(command: click.Command, argv: Sequence[str] | None, *, name: str) -> int:
    """Run a click command and return its exit code; what it returns as an integer is the code.

    Args:
        argv: Arguments without the program's name; the process's own unless given.
        name: The program's name in messages.
    """
    try:
        outcome = command.main(args=None if argv is None else list(argv), prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except SwarmError as error:
        tell(error)
        return error.exit_code
    except BrokenPipeError:
        # The reader has gone; the interpreter must not complain about it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BUG
    except Exception as error:
        logging.getLogger("swarm").debug("unexpected", exc_info=True)
        click.echo(f"error: {type(error).__name__}: {error}", err=True)
        click.echo("hint: this is a bug; run again with --verbose and report what it prints", err=True)
        return EXIT_BUG
    return outcome if isinstance(outcome, int) else 0


def tell(error: SwarmError) -> None:
    """Print an error as a person reads it: what is wrong, what to do."""
    click.echo(f"error: {error.message}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)
