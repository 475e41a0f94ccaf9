"""Makes standard input, output and error usable even if they are closed, full, or without a reader."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

STDIN, STDOUT, STDERR = range(3)


class Output(io.TextIOWrapper):
    """Standard output that remembers in `error` why it does not take what is written."""

    error: OSError | None = None

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self.error = error
            raise


class Remarks(io.TextIOWrapper):
    """Standard error; what it does not take is dropped, as no message is worth another error."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            discard(self)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            discard(self)


def prepare() -> None:
    """Make the three streams usable, whatever this process was started with.

    A closed one is replaced by /dev/null; left closed, its number would go to the next file that is opened, such as the
    database. A terminal without Unicode shows escapes. Streams that a test has put in their place are left alone.
    """
    for descriptor in (STDIN, STDOUT, STDERR):
        if not _is_open(descriptor):
            _open_null(descriptor)
    if sys.stdin is None:
        sys.stdin = open(STDIN, closefd=False)  # noqa: SIM115  # for the life of the process
    if _is_original(sys.stdout):
        sys.stdout = _wrapped(Output, STDOUT, sys.stdout)
    if _is_original(sys.stderr):
        sys.stderr = _wrapped(Remarks, STDERR, sys.stderr)


def flush(stream: TextIO | None) -> OSError | None:
    """Write what is buffered; the error, if the stream takes nothing or has not taken something before."""
    if stream is None or stream.closed:
        return None
    try:
        stream.flush()
    except OSError as error:
        return error
    return stream.error if isinstance(stream, Output) else None


def discard(stream: TextIO) -> None:
    """Send what is still buffered, and all that follows, to /dev/null."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
    if isinstance(stream, Output):
        stream.error = None


def _is_original(stream: TextIO | None) -> bool:
    return stream is None or type(stream) is io.TextIOWrapper


def _wrapped(kind: type[io.TextIOWrapper], descriptor: int, old: TextIO | None) -> io.TextIOWrapper:
    if old is not None:
        old.flush()
    binary = open(descriptor, "wb", closefd=False)  # noqa: SIM115
    line_buffering = kind is Remarks or binary.isatty()
    encoding = None if old is None else old.encoding
    return kind(binary, encoding=encoding, errors="backslashreplace", line_buffering=line_buffering)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _open_null(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)  # the lowest free number, so usually the right one at once
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
    os.set_inheritable(descriptor, True)
