"""The two output streams of a session: pipes that the process writes and the event loop reads into the capture."""

from __future__ import annotations

import os
from collections.abc import Callable

from swarm_worker.event_loop import Watch
from swarm_worker.session.capture import Capture

STDOUT, STDERR = 1, 2


class Pipes:
    """Reads only after `listen`: a process that has ended within a moment is read once, at its end."""

    def __init__(self, capture: Capture, watch: Watch, now: Callable[[], float]) -> None:
        """Make both pipes.

        Raises:
            OSError: The machine is out of descriptors; none is left open.
        """
        self._capture, self._watch, self._now = capture, watch, now
        self._listening: set[int] = set()
        self._paused: set[int] = set()
        made: list[int] = []
        try:
            made += os.pipe2(os.O_CLOEXEC)
            made += os.pipe2(os.O_CLOEXEC)
        except OSError:
            for descriptor in made:
                os.close(descriptor)
            raise
        self._read = {STDOUT: made[0], STDERR: made[2]}
        self.write_ends: tuple[int, int] = (made[1], made[3])
        for descriptor in self._read.values():
            os.set_blocking(descriptor, False)

    def close_write_ends(self) -> None:
        """Close our copies once the process has its own: the end of what it writes could not be seen otherwise."""
        for descriptor in self.write_ends:
            os.close(descriptor)

    def listen(self) -> None:
        """From now on read output as it arrives."""
        for stream in [*self._read]:
            if stream not in self._listening:
                self._listen_to(stream)

    def resume(self) -> None:
        """Read again what was paused because the database had not taken the output so far."""
        for stream in [*self._paused]:
            self._paused.discard(stream)
            self._listen_to(stream)

    def close(self) -> None:
        """Take what is in the pipes now, and close them; a background process that holds one open is not waited for."""
        for stream in [*self._read]:
            self._capture.drain(stream, self._read[stream], self._now())
            self._close(stream)

    def _listen_to(self, stream: int) -> None:
        descriptor = self._read[stream]

        def read() -> None:
            if self._capture.is_full:
                # The pipe fills and the agent waits until the database takes what is here.
                self._ignore(stream)
                self._paused.add(stream)
            elif not self._capture.read(stream, descriptor, self._now()):
                self._close(stream)

        self._watch.listen(descriptor, read)
        self._listening.add(stream)

    def _ignore(self, stream: int) -> None:
        if stream in self._listening:
            self._listening.discard(stream)
            self._watch.ignore(self._read[stream])

    def _close(self, stream: int) -> None:
        self._ignore(stream)
        self._paused.discard(stream)
        os.close(self._read.pop(stream))


def as_input(data: bytes) -> int:
    """A descriptor to read the prompt from; a file in memory, so that no pipe has to be fed."""
    if not data:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    descriptor = os.memfd_create("prompt", os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
