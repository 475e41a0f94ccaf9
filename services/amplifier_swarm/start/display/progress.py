"""Shows a running run: as plain lines with the time, or as a live display on a terminal."""

from __future__ import annotations

import sys
import time
from typing import IO, Protocol

from amplifier_swarm.output.terminal import is_terminal
from amplifier_swarm.start.display.view import View
from swarm_shared.program.terminal_text import safe

STATUS_LINE_EVERY_S = 60.0


class Progress(Protocol):
    """The reporting interface of a run. Nothing here may end a run, not even a reader that has gone away."""

    def show(self, view: View) -> None:
        """Show the current state; called often."""
        ...

    def event(self, line: str) -> None:
        """Something happened to a task or a worker."""
        ...

    def say(self, text: str) -> None:
        """Print a message that the user should not miss."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class PlainProgress:
    """One line with the time of day for each event, and one a minute for the whole."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._next_status = time.monotonic() + STATUS_LINE_EVERY_S
        self._link: str | None = None
        self._starting = ""

    def show(self, view: View) -> None:
        if view.starting_text() and not self._starting:
            self._starting = view.starting_text()
            self.say(self._starting)
        if view.link and view.link != self._link:
            self._link = view.link
            self.say(f"dashboard: {view.link}")
        if time.monotonic() < self._next_status:
            return
        self._next_status = time.monotonic() + STATUS_LINE_EVERY_S
        ending, obstacle = view.ending_text(), view.obstacle_text()
        parts = (view.counts_text(), view.starting_text(), view.eta_text(), ending, obstacle)
        self.say("; ".join(part for part in parts if part))

    def event(self, line: str) -> None:
        self.say(line)

    def say(self, text: str) -> None:
        try:
            print(f"{time.strftime('%H:%M:%S')} {safe(text)}", file=self._stream, flush=True)
        except (OSError, ValueError):
            pass  # the terminal or the pipe is closed; the run continues

    def close(self) -> None:
        """Nothing to put back."""


def progress_for(stream: IO[str], *, plain: bool) -> Progress:
    """The live display on a terminal, else plain lines."""
    if plain or not is_terminal(stream):
        return PlainProgress(stream)
    from amplifier_swarm.start.display.live import LiveProgress  # rich costs more to load than the whole rest

    return LiveProgress(stream)
