"""Asks an engine by its command line, without ever waiting: what others start outside our process tree is only
known there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import IO

from msgspec import Struct

ANSWER_TIMEOUT_S = 30.0  # removing takes seconds where a container's supervisor was killed
LOOK_TIMEOUT_S = 5.0  # short enough for the reaper, which is restarted where it shows no sign of life
POLL_S = 0.02
_SHOWN_CHARS = 300


class Answer(Struct, frozen=True, kw_only=True):
    """What came of ending a run: `gone` is proven; otherwise unknown, and `text` says why.

    `healthy`: the engine works; only the end of this run is not proven yet.
    """

    gone: bool
    text: str = ""
    healthy: bool = False


class Said(Struct, frozen=True, kw_only=True):
    """How one command of an engine ended; `code` None: it could not be started, or did not answer in time."""

    code: int | None
    printed: str
    text: str  # what to show of it


class Question:
    """One command of an engine, started at once. Nothing here waits."""

    def __init__(self, program: str, words: tuple[str, ...], *, timeout_s: float | None = None) -> None:
        """Ask.

        Args:
            program: Of the engine: a name to look for, or an absolute path.
            words: The words that follow it.
            timeout_s: How long it may take; None: `ANSWER_TIMEOUT_S`.
        """
        self._name, self._timeout_s = os.path.basename(program), ANSWER_TIMEOUT_S if timeout_s is None else timeout_s
        self._said: Said | None = None
        self._until = time.monotonic() + self._timeout_s
        found = shutil.which(program)
        if found is None:
            self._said = Said(code=None, printed="", text=f"the program {program} was not found")
            return
        try:
            self._process = subprocess.Popen(
                [found, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            self._said = Said(code=None, printed="", text=f"{found} cannot be started: {error.strerror}")

    def said(self) -> Said | None:
        """How it ended; None while it runs."""
        if self._said is None:
            if self._process.poll() is not None:
                # A helper that outlives it may hold its pipes; what it said itself is short and there already.
                printed, complained = (_read_now(pipe) for pipe in self._pipes())
                shown = (complained or printed or f"exit code {self._process.returncode}")[-_SHOWN_CHARS:]
                self._close(Said(code=self._process.returncode, printed=printed, text=shown))
            elif time.monotonic() > self._until:
                self._process.kill()
                self._close(Said(code=None, printed="", text=f"{self._name} did not answer in {self._timeout_s:g} s"))
        return self._said

    def wait(self, tend: Callable[[], None] = lambda: None) -> Said:
        """How it ended; waits for that and calls `tend` meanwhile."""
        while (said := self.said()) is None:
            time.sleep(POLL_S)
            tend()
        return said

    def _close(self, said: Said) -> None:
        self._said = said
        for pipe in self._pipes():
            pipe.close()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        return self._process.stdout, self._process.stderr


def _read_now(pipe: IO[bytes]) -> str:
    os.set_blocking(pipe.fileno(), False)
    try:
        return os.read(pipe.fileno(), 1 << 16).decode("utf-8", "replace").strip()
    except BlockingIOError:
        return ""
