"""How every program ends: a click command in, an exit code out, errors in a line or two, never a traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import TextIO

import click

from swarm_shared.errors import SwarmError
from swarm_shared.plain import safe

EXIT_BUG = 1
EXIT_INTERRUPTED = 130
EXIT_READER_GONE = 141  # as a shell reports SIGPIPE
VERBOSE = frozenset({"-v", "--verbose"})


def exit_code_of(command: click.Command, argv: Sequence[str] | None, *, name: str, obj: object = None) -> int:
    """Run a click command; its exit code, which is what it returns when that is an integer.

    Args:
        argv: Arguments without the program's name; the process's own unless given.
        name: The program's name in messages.
        obj: The click context's object.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        code = _run(command, arguments, name, obj)
        _flush()  # here, so that a reader that left is met below and not while Python ends
        return code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _send_nowhere(sys.stdout)  # nobody reads any more
        return EXIT_READER_GONE
    except Exception as bug:
        verbose = bool(VERBOSE.intersection(arguments))
        if verbose:
            import traceback

            traceback.print_exc()
        told = " ".join(f"{type(bug).__name__}: {bug}".split())
        _say(f"error: unexpected {safe(told)}", None if verbose else "this is a bug; --verbose shows where")
        return EXIT_BUG


def tell(error: SwarmError) -> None:
    """Print an error as a person reads it: what is wrong, what to do."""
    many = "\n" in error.message  # a report, which stands for itself
    _say(safe(error.message, lines=True) if many else "error: " + safe(error.message), error.hint)


def _run(command: click.Command, arguments: list[str], name: str, obj: object) -> int:
    _write_anything()
    try:
        with command.make_context(name, arguments, obj=obj) as ctx:
            code = command.invoke(ctx)
            return code if isinstance(code, int) else 0
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.Abort:
        return EXIT_INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as asked:
        asked.show()
        return asked.exit_code
    except click.UsageError as wrong:
        _say(f"error: {safe(wrong.format_message())}", f"{wrong.ctx.command_path if wrong.ctx else name} --help")
        return wrong.exit_code
    except click.ClickException as wrong:
        _say(f"error: {safe(wrong.format_message())}", None)
        return wrong.exit_code
    except SwarmError as error:
        tell(error)
        return error.exit_code


def _say(text: str, hint: str | None) -> None:
    _flush()
    click.echo(text if hint is None else f"{text}\nhint: {safe(hint)}", err=True)


def _flush() -> None:
    """Write what is buffered; what a terminal that is gone does not take goes nowhere and changes no exit code."""
    # A live view that could not end has put others in the place of those that Python flushes at its end.
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            _send_nowhere(stream)


def _send_nowhere(stream: TextIO) -> None:
    """What is still buffered, and all that follows, goes nowhere, in silence."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _write_anything() -> None:
    """A terminal without Unicode shows a stand-in; it must not end a program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
