"""A keeper at hand for a test: starts commands through it and waits for its events."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import trees

from swarm_worker.keeper import Event, Keeper, Launch

E = TypeVar("E", bound=Event)


class Desk:
    """A keeper, the output of what it starts, and its events in the order they came."""

    def __init__(self, keeper: Keeper, folder: Path) -> None:
        self.keeper = keeper
        self.seen: list[Event] = []
        self._null = os.open(os.devnull, os.O_RDWR)
        self._out = folder / "out"
        self._output = os.open(self._out, os.O_RDWR | os.O_CREAT | os.O_APPEND)

    def start(self, *argv: str, env: dict[str, str] | None = None, cwd: str = "/") -> int:
        """Ask for a process; its output goes to a file, see `output`."""
        launch = Launch(argv=argv, env=dict(os.environ) if env is None else env, cwd=cwd)
        return self.keeper.start(launch, self._null, self._output, self._output)

    def wait(self, kind: type[E], request: int | None = None) -> E:
        """The first event of this kind, and of this request where one is named; each is given once."""
        while True:
            for event in self.seen:
                if isinstance(event, kind) and request in (None, getattr(event, "request", None)):
                    self.seen.remove(event)
                    return event
            ready, _, _ = select.select([self.keeper], [], [], trees.DEADLINE_S)
            assert ready, f"no {kind.__name__} for {request}; so far {self.seen}"
            fresh = self.keeper.events()
            assert fresh or not self.keeper.lost, f"the keeper is lost; so far {self.seen}"
            self.seen += fresh

    def output(self) -> str:
        """What the started processes have written so far."""
        return self._out.read_text()

    def close(self) -> None:
        """Leave the keeper and see it end."""
        os.close(self._null)
        os.close(self._output)
        self.keeper.close()
        assert self.keeper.join(trees.DEADLINE_S), "the keeper did not end"


@contextmanager
def open_desk(folder: Path, on_orphaned: Callable[[], None] = lambda: None) -> Iterator[Desk]:
    """A keeper for the time of a test, with everything below it ended afterwards."""
    desk = Desk(Keeper.fork(on_orphaned=on_orphaned), folder)
    try:
        yield desk
    finally:
        desk.close()
