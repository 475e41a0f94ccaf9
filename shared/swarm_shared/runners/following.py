"""Follows what a runner started outside our process tree: ends it, and asks its engine whether it is gone.

*Unknown* is a separate answer. What counts as proof is the business of each kind of runner (`Follower`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from swarm_shared.domain.runners import Run
from swarm_shared.runners.asking import POLL_S, Answer, Question, Said
from swarm_shared.runners.containers.engines import ENGINES
from swarm_shared.runners.containers.follower import ContainerFollower
from swarm_shared.runners.kubernetes.cluster import removal as removal_of_pod
from swarm_shared.runners.remote.follower import RemoteFollower
from swarm_shared.runners.slurm.jobs import removal as removal_of_job

T = TypeVar("T")


class Follower(Protocol):
    """How the runs of one runner are followed. The steps yield questions to the engine, and get what it said."""

    def end(self, run: Run) -> Generator[Question, Said, Answer]:
        """End it, and prove it gone; may be repeated."""

    def runs(self, run: Run) -> Generator[Question, Said, bool]:
        """Whether the engine knows it and does not report it as over; ends nothing and takes seconds at most."""

    def failed(self, run: Run, exit_code: int | None) -> Generator[Question, Said, str | None]:
        """Why the exit code of the process that was started is none of the command's; None: it is the command's.

        Asked before the run is ended. An empty text: what that process has printed says why.
        """

    def removal(self, run: Run) -> str:
        """The command with which the user removes it."""


FOLLOWERS: Mapping[str, Follower] = {
    **{name: ContainerFollower(engine) for name, engine in ENGINES.items()},
    "kubernetes": RemoteFollower("kubernetes", removal=removal_of_pod),
    "slurm": RemoteFollower("slurm", removal=removal_of_job),
}


class _Steps(Generic[T]):
    """Questions asked one after the other; `result` never waits."""

    def __init__(self, steps: Generator[Question, Said, T]) -> None:
        self._steps = steps
        self._ended: tuple[T] | None = None
        self._question: Question | None = None
        self._advance(None)

    def result(self) -> tuple[T] | None:
        """What came of it; None: the engine has not answered yet."""
        while self._ended is None and self._question is not None and (said := self._question.said()) is not None:
            self._advance(said)
        return self._ended

    def wait(self, tend: Callable[[], None] = lambda: None) -> T:
        while (ended := self.result()) is None:
            time.sleep(POLL_S)
            tend()
        return ended[0]

    def _advance(self, said: Said | None) -> None:
        try:
            self._question = next(self._steps) if said is None else self._steps.send(said)
        except StopIteration as ended:
            self._ended = (ended.value,)


class Effort:
    """One effort to end a run. Call `answer` again and again; None: the engine has not said yet."""

    def __init__(self, run: Run) -> None:
        self._steps = _Steps(FOLLOWERS[run.runner].end(run))

    def answer(self) -> Answer | None:
        """What came of it; never waits."""
        ended = self._steps.result()
        return None if ended is None else ended[0]


def end(run: Run, tend: Callable[[], None] = lambda: None) -> Answer:
    """End it, and wait for the engine's answer; `tend` is called meanwhile."""
    return _Steps(FOLLOWERS[run.runner].end(run)).wait(tend)


def seen_running(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Those that their engine knows and does not report as over; waits for a few seconds at most.

    It ends nothing, and an engine that does not answer reports nothing.
    """
    asked = [(run, _Steps(FOLLOWERS[run.runner].runs(run))) for run in runs if run.runner in FOLLOWERS]
    return tuple(run for run, steps in asked if steps.wait())


def removal(run: Run) -> str:
    """The command with which the user removes it."""
    return FOLLOWERS[run.runner].removal(run)


def engine_failure(run: Run, exit_code: int | None, tend: Callable[[], None] = lambda: None) -> str | None:
    """Why the exit code of the started process speaks of the engine and not of the command; None: of the command.

    An empty text: what that process has printed says why.
    """
    return _Steps(FOLLOWERS[run.runner].failed(run, exit_code)).wait(tend)
