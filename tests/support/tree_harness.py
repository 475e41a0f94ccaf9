"""A process tree for a test: a separate process starts commands through it and reports what happens.

It is separate because a tree takes the statuses of all children of its process, and ends them.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn, TypeVar

import trees

from swarm_worker.processes import extinction
from swarm_worker.processes.session_tree import CannotStart, Event, Launch, Tree

E = TypeVar("E", bound=Event)


class Harness:
    """The output of what was started, and the events in the order they came. `pid` is the tree's process."""

    def __init__(self, folder: Path) -> None:
        self.seen: list[Event] = []
        self._out = folder / "out"
        self._out.touch()
        self._line, theirs = Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._line.close()  # only the test's own end may keep the line open
            _serve(theirs)
        theirs.close()

    def start(
        self, *argv: str, env: dict[str, str] | None = None, cwd: str = "/", stdin: Path | None = None, out: str = ""
    ) -> int:
        """Start a process, its pid; its output goes to a file, see `output`, or to `out`.

        Raises:
            CannotStart: It was not started.
        """
        launch = Launch(argv=argv, env=dict(os.environ) if env is None else env, cwd=cwd)
        self._line.send(("start", launch, str(stdin or os.devnull), out or str(self._out)))
        while True:
            kind, data = self._hear()
            match kind:
                case "pid":
                    return int(data)
                case "failed":
                    number, text, of_program = data
                    raise CannotStart(number, text, of_program=of_program)
                case _:
                    self.seen.append(data)

    def leave_behind(self, *argv: str) -> None:
        """Start a process next to the tree, as our own git does with a filter that does not end."""
        self._line.send(("leave", argv))

    def end(self, grace_s: float) -> None:
        self._line.send(("end", grace_s))

    def kill(self) -> None:
        self.end(0.0)

    def wait(self, kind: type[E]) -> E:
        """The first event of this kind that was not given yet."""
        while True:
            for event in self.seen:
                if isinstance(event, kind):
                    self.seen.remove(event)
                    return event
            self.seen.append(self._hear(kind.__name__)[1])

    def _hear(self, what: str = "answer") -> tuple[str, object]:
        assert self._line.poll(trees.DEADLINE_S), f"no {what}; so far {self.seen}"
        return self._line.recv()

    def output(self) -> str:
        """The output of the started processes so far."""
        return self._out.read_text()

    def close(self) -> None:
        """End everything, and the process."""
        self._line.close()
        trees.wait_until(lambda: os.waitpid(self.pid, os.WNOHANG)[0] == self.pid, "the tree's process ended")


@contextmanager
def open_harness(folder: Path) -> Iterator[Harness]:
    """A tree for the time of a test, with everything in it ended afterwards."""
    harness = Harness(folder)
    try:
        yield harness
    finally:
        harness.close()


def _serve(line: Connection) -> NoReturn:
    try:
        os.setsid()
        extinction.become_subreaper()
        wakeup = _wake_up_on_children()
        tree = Tree()
        is_open = True
        while is_open:
            due = tree.due_in()
            ready, _, _ = select.select([line, wakeup], [], [], due)
            if wakeup in ready:
                wakeup.recv(512)
            if line in ready:
                is_open = _obey(line, tree)
            for event in tree.events():
                line.send(("event", event))
    except (EOFError, BrokenPipeError):
        pass
    finally:
        deadline = time.monotonic() + trees.DEADLINE_S
        while extinction.extinguish() and time.monotonic() < deadline:
            pass
        os._exit(0)


def _wake_up_on_children() -> socket.socket:
    wakeup, signals = socket.socketpair()
    signals.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(signals.detach(), warn_on_full_buffer=False)
    return wakeup


def _obey(line: Connection, tree: Tree) -> bool:
    try:
        order, *values = line.recv()
    except EOFError:
        return False
    if order == "end":
        tree.end(*values)
        return True
    if order == "leave":
        (argv,) = values
        os.posix_spawn(argv[0], argv, {}, setsid=True)
        return True
    line.send(_started(tree, *values))  # with its descriptors closed again: a test may count them now
    return True


def _started(tree: Tree, launch: Launch, stdin: str, out: str) -> tuple[str, object]:
    source, target = os.open(stdin, os.O_RDONLY), os.open(out, os.O_WRONLY | os.O_APPEND)
    try:
        return ("pid", tree.start(launch, source, target, target))
    except CannotStart as failure:
        return ("failed", (failure.errno, str(failure), failure.of_program))
    finally:
        os.close(source)
        os.close(target)
