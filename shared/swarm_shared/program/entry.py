"""The entry point of all programs: runs a click command, returns an exit code, and prints errors in a line or two,
never a traceback.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

import click

from swarm_shared.domain.errors import EXIT_INTERRUPTED, EXIT_OUTPUT_LOST, EXIT_READER_GONE, InputError, SwarmError
from swarm_shared.program import standard_streams
from swarm_shared.program.terminal_text import safe

EXIT_BUG = SwarmError.exit_code
VERBOSE = frozenset({"-v", "--verbose"})


def exit_code_of(command: click.Command, argv: Sequence[str] | None, *, name: str, obj: object = None) -> int:
    """Run a click command; its exit code, which is what it returns when that is an integer.

    Args:
        argv: Arguments without the program's name; the process's own unless given.
        name: The program's name in messages.
        obj: The click context's object.
    """
    if argv is None:
        _use_utf8()
    standard_streams.prepare()
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        code = _run(command, arguments, name, obj)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as bug:
        if standard_streams.flush(sys.stdout) is None:
            return _report_bug(bug, verbose=bool(VERBOSE.intersection(arguments)))
        code = EXIT_BUG
    return _end_output(code)


def report(error: SwarmError) -> None:
    """Print an error to standard error: what is wrong, what to do."""
    many = "\n" in error.message  # a report of several lines
    _say(safe(error.message, lines=True) if many else "error: " + safe(error.message), error.hint)


def _run(command: click.Command, arguments: list[str], name: str, obj: object) -> int:
    try:
        _refuse_undecodable(arguments)
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
        advice = f"{wrong.ctx.command_path if wrong.ctx else name} --help"
        _say(f"error: {safe(wrong.format_message())}", advice)
        _document(arguments, wrong.format_message(), advice, wrong.exit_code)
        return wrong.exit_code
    except click.ClickException as wrong:
        _say(f"error: {safe(wrong.format_message())}", None)
        _document(arguments, wrong.format_message(), None, wrong.exit_code)
        return wrong.exit_code
    except SwarmError as error:
        report(error)
        _document(arguments, error.message, error.hint, error.exit_code)
        return error.exit_code


def _document(arguments: Sequence[str], message: str, hint: str | None, exit_code: int) -> None:
    """With `--json`, the error as the document on standard output that a program waits for."""
    if "--json" in arguments:
        import json

        click.echo(json.dumps({"error": message, "hint": hint, "exit_code": exit_code}))


def _use_utf8() -> None:
    """Start this program again in UTF-8 mode if the locale asks for another encoding, such as the C locale's ASCII.

    Names of files and tasks are UTF-8 in the database and in everything that this suite writes for other programs.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"  # for the programs that this one starts, too
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _refuse_undecodable(arguments: Sequence[str]) -> None:
    """Refuse paths that are not UTF-8: neither SQLite nor JSON nor supervisord can hold them.

    Raises:
        InputError: An argument, a variable of ours, or the current folder.
    """
    variables = [(value, f"{name} =") for name, value in os.environ.items() if name.startswith("SWARM_")]
    named = [*((argument, "the argument") for argument in arguments), *variables, (_current_folder(), "the folder")]
    for text, what in named:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{what} {safe(text)} is not valid UTF-8",
                hint="rename the file or folder, or reach it through a symbolic link whose name is UTF-8",
            ) from error


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # deleted; code that needs it will report that


def _report_bug(bug: Exception, *, verbose: bool) -> int:
    if verbose:
        import traceback

        traceback.print_exc()
    words = " ".join(f"{type(bug).__name__}: {bug}".split())
    _say(f"error: unexpected {safe(words)}", None if verbose else "this is a bug; --verbose shows where")
    return EXIT_BUG


def _end_output(code: int) -> int:
    """Write what is buffered, here rather than while Python ends; the exit code of the whole.

    A failure of the command counts for more than one of its output.
    """
    # A live view that could not end has put others in the place of those that Python flushes at its end.
    for stream in (sys.stderr, sys.__stderr__, sys.stdout, sys.__stdout__):
        error = standard_streams.flush(stream)
        if error is None or stream is None:
            continue
        standard_streams.discard(stream)
        if isinstance(error, BrokenPipeError):
            code = code if code > EXIT_BUG else EXIT_READER_GONE
        elif error.errno != errno.EIO:  # a closed terminal
            _say(f"error: standard output could not be written: {error.strerror}", "free some space, then try again")
            code = code if code > EXIT_BUG else EXIT_OUTPUT_LOST
    return code


def _say(text: str, hint: str | None) -> None:
    standard_streams.flush(sys.stdout)
    click.echo(text if hint is None else f"{text}\nhint: {safe(hint)}", err=True)
