"""The worker's process tree: starts one agent at a time and reports reliably how it ended and that nothing is left.

Whatever an agent leaves behind becomes the worker's child, a child subreaper. Nothing here waits: the worker's loop
wakes up on SIGCHLD, or when `due_in` is over, and reads `events`.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Mapping, Sequence

from msgspec import Struct

from swarm_shared.domain.errors import SwarmError
from swarm_worker.processes import extinction

_STANDARD_DESCRIPTORS = 3  # input, output and error


class Launch(Struct, frozen=True, kw_only=True):
    """A process to start: `argv[0]` is an absolute path, `env` all it gets, `cwd` an absolute folder."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str


class Exited(Struct, frozen=True, kw_only=True):
    """The process has ended, by itself (`exit_code`) or by a signal (`signal`); the other is None.

    `alone`: the kernel said that nothing of the whole tree is left, so no `end` is needed.
    """

    exit_code: int | None
    signal: int | None
    alone: bool


class Gone(Struct, frozen=True, kw_only=True):
    """The result of `end`: the kernel has reported that nothing is left below this process."""


class Unproven(Struct, frozen=True, kw_only=True):
    """After all effort something is still there; the next events may yet say that it is gone."""

    survivors: Sequence[str]


Event = Exited | Gone | Unproven


class TreeUnproven(SwarmError):
    """Processes below the worker could not be ended; nothing must be started next to them, and nothing settled."""


class CannotStart(Exception):
    """The process was not started: `errno` from the system, the text is for the user.

    `of_program`: its program is missing or cannot be run; neither its arguments nor its folder are the cause.
    """

    def __init__(self, number: int, text: str, *, of_program: bool = False) -> None:
        super().__init__(text)
        self.errno, self.of_program = number, of_program


class Tree:
    """Everything below this process, which must be a subreaper and have no other children while an agent runs."""

    def __init__(self, *, handed_on: int | None = None) -> None:
        """Take over the calling process.

        Args:
            handed_on: A descriptor that everything which is started inherits.
        """
        self._home = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        # What this process handles is reset by exec; what it ignores, as Python does with SIGPIPE, would be inherited.
        self._ignored = [n for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN]
        # An inherited descriptor must not have the number that another one is moved to.
        while (descriptor := os.open(os.devnull, os.O_RDWR)) < _STANDARD_DESCRIPTORS:
            pass
        os.close(descriptor)
        _keep_inherited_descriptors()
        if handed_on is not None:
            os.set_inheritable(handed_on, True)
        self._running: int | None = None
        self._ending: extinction.Extinction | None = None
        self._due_at = 0.0
        self._told_unproven = False

    def start(self, launch: Launch, stdin: int, stdout: int, stderr: int) -> int:
        """Start a process with these three descriptors, which stay the caller's to close; its pid.

        Raises:
            CannotStart: It was not started.
            TreeUnproven: What is left of something else could not be ended.
        """
        try:
            if self._running is not None or self._ending is not None:
                raise OSError(errno.EBUSY, "the processes of the last session are not gone yet")
            self.clear()
            os.chdir(launch.cwd)
            try:
                # vfork inside: half the price of fork and exec. Our own descriptors close on exec. A process
                # in its own session is out of the terminal's reach; it starts with no signal ignored or blocked.
                self._running = os.posix_spawn(
                    launch.argv[0],
                    launch.argv,
                    launch.env,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate((stdin, stdout, stderr))
                    ],
                    setsid=True,
                    setsigmask=(),
                    setsigdef=self._ignored,
                )
            finally:
                os.fchdir(self._home)
        except (OSError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) and error.errno is not None else errno.EINVAL
            of_program = isinstance(error, OSError) and error.filename == launch.argv[0] and number != errno.E2BIG
            raise CannotStart(number, _explain(launch, error), of_program=of_program) from error
        return self._running

    def end(self, grace_s: float) -> None:
        """End everything that was started and all it left behind: TERM, at most the grace, then KILL.

        `Gone` follows, or `Unproven`. A shorter grace overtakes a longer one.
        """
        now = time.monotonic()
        if self._ending is None or self._ending.is_past_effort(now):
            self._ending = extinction.Extinction(now=now, grace_s=grace_s)
        else:
            self._ending.hasten(now=now, grace_s=grace_s)
        self._told_unproven = False
        self._due_at = now

    def kill(self) -> None:
        """`end` without a grace."""
        self.end(0.0)

    def due_in(self) -> float | None:
        """Seconds until `events` has the next round of an ending to do; None while there is none."""
        return None if self._ending is None else max(0.0, self._due_at - time.monotonic())

    def events(self) -> list[Event]:
        """What has happened since the last call; never waits."""
        statuses, nothing_left = extinction.reap()
        events: list[Event] = []
        for pid, status in statuses:
            if pid != self._running:
                continue  # adopted: not started here
            self._running = None
            code = os.waitstatus_to_exitcode(status)
            events.append(
                Exited(
                    exit_code=code if code >= 0 else None,
                    signal=-code if code < 0 else None,
                    alone=nothing_left,
                )
            )
        if self._ending is not None:
            events += self._go_on_ending(self._ending, nothing_left)
        return events

    def clear(self) -> None:
        """Return only when the kernel says that nothing is below this process, which ends what is.

        To be called if the proof of an earlier scan could be outdated: our own git may have started a filter that
        left something behind. No session may run. Costs one system call when all is well.

        Raises:
            TreeUnproven: Something could not be ended.
        """
        if not extinction.reap()[1] and (left := extinction.extinguish()):
            raise TreeUnproven("processes below this worker could not be ended: " + ", ".join(left[:5]))

    def extinguish(self) -> tuple[str, ...]:
        """End everything at once and wait for the proof, for up to `extinction.EFFORT_S`; what is left."""
        left = extinction.extinguish()
        self._running = self._ending = None
        return left

    def _go_on_ending(self, ending: extinction.Extinction, nothing_left: bool) -> list[Event]:
        if nothing_left:
            self._ending = None
            return [Gone()]
        now = time.monotonic()
        if now >= self._due_at:
            self._due_at = now + ending.round(now)
        if ending.is_past_effort(now) and not self._told_unproven:
            self._told_unproven = True
            return [Unproven(survivors=extinction.survivors())]
        return []


def _keep_inherited_descriptors() -> None:
    """Descriptors that our parent left open for its children must not be passed on; Python's own never are."""
    for descriptor in map(int, os.listdir("/dev/fd")):
        if descriptor >= _STANDARD_DESCRIPTORS:
            try:
                os.set_inheritable(descriptor, False)
            except OSError:
                continue  # the one that listed the folder


def _explain(launch: Launch, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    if isinstance(error, OSError) and error.filename == launch.cwd:
        return f"the working directory {launch.cwd} cannot be entered: {reason}"
    if isinstance(error, FileNotFoundError) and os.path.exists(launch.argv[0]):
        reason = "the interpreter that its first line names was not found"
    return f"{launch.argv[0]} cannot be started: {reason}"
