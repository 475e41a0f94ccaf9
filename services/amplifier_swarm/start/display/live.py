"""The live display: counts, a bar, running tasks and recent events; redrawn in place, and only when needed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import IO

from rich.console import Console, Group, RenderableType
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from amplifier_swarm.start.display.view import View, is_at_work
from swarm_shared.domain.models import Group as TaskGroup
from swarm_shared.program.readable import cut, duration, percent

EVENTS_SHOWN = 6
SAID_KEPT = 20  # lines above the display that are printed again after the terminal was resized
RUNNING_SHOWN = 12
# Elapsed times move once a second; more frames would only flicker.
FRAME_EVERY_S = 1.0
NEWS_FRAME_EVERY_S = 0.25
BAR_WIDTH = 40
WORKER_WIDTH, STAGE_WIDTH, ELAPSED_WIDTH = 9, len("validating"), len("59 m 59 s")
_STYLES = {
    TaskGroup.COMPLETED: "green",
    TaskGroup.IN_PROGRESS: "cyan",
    TaskGroup.NOT_STARTED: "",
    TaskGroup.FAILED: "bold red",
    TaskGroup.HELD: "yellow",
    TaskGroup.CANCELLED: "dim",
}
_WORDS = {TaskGroup.IN_PROGRESS: "running", TaskGroup.NOT_STARTED: "to do"}
_ALWAYS_SHOWN = (TaskGroup.COMPLETED, TaskGroup.IN_PROGRESS, TaskGroup.NOT_STARTED)


class LiveProgress:
    """Draws with rich; texts of tasks are inserted as plain text, never as markup."""

    def __init__(self, stream: IO[str]) -> None:
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._live = self._new_live()
        self._size = self._console.size
        self._said: deque[str] = deque(maxlen=SAID_KEPT)
        self._link_is_said = False
        self._events: deque[str] = deque(maxlen=EVENTS_SHOWN)
        self._drawn_at = 0.0
        self._news = True
        self._gone = False
        self._safely(self._live.start)

    def show(self, view: View) -> None:
        pause_s = NEWS_FRAME_EVERY_S if self._news else FRAME_EVERY_S
        now = time.monotonic()
        if now - self._drawn_at < pause_s:
            return
        self._drawn_at, self._news = now, False
        if view.link and not self._link_is_said:
            self._link_is_said = True
            self._print(f"dashboard  {view.link}")
        if self._console.size != self._size:
            self._safely(self._start_over)
        self._safely(lambda: self._live.update(self._frame(view), refresh=True))

    def event(self, line: str) -> None:
        self._events.append(f"{time.strftime('%H:%M:%S')} {line}")
        self._news = True

    def say(self, text: str) -> None:
        self._print(cut(text, 500))
        self._news = True

    def _new_live(self) -> Live:
        return Live(
            Text("starting …"), console=self._console, auto_refresh=False, transient=True, redirect_stdout=False
        )

    def _print(self, text: str) -> None:
        """Print above the display, without breaking lines, so that links stay whole when the terminal reflows them."""
        self._said.append(text)
        self._safely(lambda: self._console.print(Text(text), soft_wrap=True))

    def _start_over(self) -> None:
        """Draw on a clear screen: after a resize, the lines drawn before are no longer where they were."""
        self._size = self._console.size
        self._live.stop()
        self._console.control(Control.clear(), Control.home())
        for text in self._said:
            self._console.print(Text(text), soft_wrap=True)
        self._live = self._new_live()
        self._live.start()

    def close(self) -> None:
        self._safely(self._live.stop)

    def _safely(self, draw: Callable[[], object]) -> None:
        if self._gone:
            return
        try:
            draw()
        except (OSError, ValueError):
            self._gone = True  # the terminal is closed; the run continues

    def _frame(self, view: View) -> RenderableType:
        parts: list[RenderableType] = [self._head(view), self._bar(view)]
        for text in (view.ending_text(), view.obstacle_text()):
            if text:
                parts.append(Text(text, style="bold yellow"))
        if view.running:
            parts += [Text(""), self._running(view)]
        if self._events:
            parts += [Text(""), *(Text(line, overflow="ellipsis", no_wrap=True) for line in self._events)]
        return Group(*parts)

    def _head(self, view: View) -> Text:
        head = Text()
        for group, number in view.groups().items():
            if number or group in _ALWAYS_SHOWN:
                head.append(f"{number} ", style="bold")
                head.append(f"{_WORDS.get(group, group)}   ", style=_STYLES[group])
        at_work = sum(is_at_work(worker) for worker in view.workers)
        head.append(view.starting_text() or f"{at_work} worker{'' if at_work == 1 else 's'}", style="dim")
        return head

    def _bar(self, view: View) -> RenderableType:
        done = view.groups()[TaskGroup.COMPLETED]
        row = Table.grid(padding=(0, 2))
        row.add_row(
            ProgressBar(total=max(1, view.queue.total), completed=done, width=BAR_WIDTH),
            Text(percent(done / max(1, view.queue.total))),
        )
        times = [f"{duration(view.elapsed_s * 1000)} so far", view.eta_text()]
        return Group(row, Text(", ".join(filter(None, times)), style="dim"))

    def _running(self, view: View) -> RenderableType:
        lines = []
        for task in view.running[:RUNNING_SHOWN]:
            began = task["started_at"]
            elapsed = "" if began is None else duration(view.now_ms - began)
            line = Text(no_wrap=True, overflow="ellipsis")
            line.append(f"{cut(str(task['worker_id'] or ''), WORKER_WIDTH):<{WORKER_WIDTH}}  ", style="dim")
            line.append(f"{task['stage'] or '':<{STAGE_WIDTH}}  ", style="cyan")
            line.append(f"{elapsed:>{ELAPSED_WIDTH}}  {cut(task['id'], 60)}  {cut(task['name'], 120)}")
            lines.append(line)
        if len(view.running) > RUNNING_SHOWN:
            lines.append(Text(f"and {len(view.running) - RUNNING_SHOWN} more", style="dim"))
        return Group(*lines)
