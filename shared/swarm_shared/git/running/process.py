"""Runs one git process: in its own session, limited in time and in output."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from msgspec import Struct

from swarm_shared.git.running.git_errors import GitTimeout, GitUnusable

_READ_BYTES = 65_536
TEND_EVERY_S = 0.25


class Completed(Struct, frozen=True, kw_only=True):
    """The result of a command: exit code, all bytes of its output (`truncated` at a limit), its standard error."""

    code: int
    out: bytes
    err: str = ""
    truncated: bool = False


class Run(Protocol):
    """How `Git` starts its processes; `run_process` is the real one."""

    def __call__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: bytes | None,
        timeout_s: float,
        limit_bytes: int | None,
        keep_open: Sequence[int],
        tend: Callable[[], None] = ...,
        meanwhile: Callable[[], None] = ...,
    ) -> Completed: ...


def run_process(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes | None = None,
    timeout_s: float,
    limit_bytes: int | None = None,
    keep_open: Sequence[int] = (),
    tend: Callable[[], None] = lambda: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Completed:
    """Run a command to its end.

    It gets its own session without a terminal: neither git nor ssh can prompt, and on a timeout whatever it
    started (filters, fetches) dies with it.

    Args:
        stdin: Bytes for its standard input.
        limit_bytes: Stop reading after so much output and kill it; the rest is not needed.
        keep_open: Descriptors it inherits, so that a lock on them lasts as long as the command does.
        tend: Called every `TEND_EVERY_S` while it runs.
        meanwhile: Called once, when it has been started: work of ours that does not need its result.

    Raises:
        GitTimeout: It was killed after `timeout_s`.
        GitUnusable: The program cannot be started.
    """
    with tempfile.TemporaryFile() as errors, _as_input(stdin) as source:
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(env),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                pass_fds=tuple(keep_open),
            )
        except OSError as error:
            raise _cannot_start(error, cwd) from error
        try:
            meanwhile()
            if limit_bytes is None:
                out, truncated = _read_all(process, timeout_s, tend), False
            else:
                out, truncated = _read_start(process, limit_bytes, timeout_s, tend)
        except subprocess.TimeoutExpired as error:
            raise GitTimeout(command[1:], timeout_s, cwd) from error
        finally:
            _end(process)
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")
    return Completed(code=0 if truncated else process.returncode, out=out, err=said, truncated=truncated)


@contextmanager
def _as_input(data: bytes | None) -> Iterator[IO[bytes] | int]:
    """A file to read from: a pipe would have to be fed while the command runs."""
    if data is None:
        yield subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file


def _read_all(process: subprocess.Popen[bytes], timeout_s: float, tend: Callable[[], None]) -> bytes:
    deadline = time.monotonic() + timeout_s
    while True:
        left = max(deadline - time.monotonic(), 0)
        try:
            return process.communicate(timeout=min(left, TEND_EVERY_S))[0]  # nothing is lost between two calls
        except subprocess.TimeoutExpired:
            if left <= TEND_EVERY_S:
                raise
            tend()


def _read_start(
    process: subprocess.Popen[bytes], limit_bytes: int, timeout_s: float, tend: Callable[[], None]
) -> tuple[bytes, bool]:
    """Up to so many bytes, and whether there would have been more."""
    assert process.stdout is not None
    deadline = time.monotonic() + timeout_s
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    got = bytearray()
    while len(got) <= limit_bytes:
        left = max(deadline - time.monotonic(), 0)
        if not poll.poll(min(left, TEND_EVERY_S) * 1000):
            if left <= TEND_EVERY_S:
                raise subprocess.TimeoutExpired(process.args, timeout_s)
            tend()
            continue
        piece = os.read(process.stdout.fileno(), _READ_BYTES)
        if not piece:
            process.wait(max(deadline - time.monotonic(), 0))
            return bytes(got), False
        got += piece
    return bytes(got[:limit_bytes]), True


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:  # not waited for yet, so the number is still its own
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _cannot_start(error: OSError, cwd: Path) -> GitUnusable:
    if not cwd.is_dir():
        return GitUnusable(f"the folder {cwd} does not exist", hint="is the disk mounted?")
    return GitUnusable(f"git cannot be started: {error.strerror}", hint="install git 2.38 or newer")
