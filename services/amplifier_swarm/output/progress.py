"""A progress bar on standard error, shown only on a terminal and only if the work takes a while."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from amplifier_swarm.output.terminal import console, is_terminal
from swarm_shared.domain.clock import Clock

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

APPEARS_AFTER_MS = 1_000


class Bar:
    """Several phases one after another; `step(done, total)` of a phase is cheap until the bar appears."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.mono_ms()
        self._words = ""
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._possible = is_terminal(sys.stderr)

    def phase(self, words: str) -> None:
        """Name the phase that the following steps belong to."""
        self._words = words
        if self._bar is not None:
            self._task = self._bar.add_task(words, total=None)

    def step(self, done: int, total: int) -> None:
        if not self._possible or self._clock.mono_ms() - self._began < APPEARS_AFTER_MS:
            return
        if self._bar is None:
            from rich.progress import Progress

            self._bar = Progress(console=console(error=True), transient=True)
            self._bar.start()
        if self._task is None:
            self._task = self._bar.add_task(self._words, total=total)
        self._bar.update(self._task, completed=done, total=total)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
