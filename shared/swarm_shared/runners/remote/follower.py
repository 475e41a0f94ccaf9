"""Follows runs on other machines. Each question is one run of a program, since the cluster and the disk may hang.

The program is the module `ending` of a runner, whose `main` is `reply`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from typing import TypeVar

import msgspec
from msgspec import Struct

from swarm_shared.domain.runners import Run
from swarm_shared.runners.asking import LOOK_TIMEOUT_S, Answer, Question, Said

T = TypeVar("T")


class RemoteFollower:
    """What another process reports about a run; without its answer nothing is known."""

    def __init__(self, runner: str, *, removal: Callable[[Run], str]) -> None:
        """Follow the runs of a runner.

        Args:
            removal: The command with which the user removes a run.
        """
        self._runner, self._removal = runner, removal

    def end(self, run: Run) -> Generator[Question, Said, Answer]:
        said = yield self._ask("end", run)
        return _read(said, Answer) or Answer(gone=False, text=f"{self._runner}: {said.text}")

    def runs(self, run: Run) -> Generator[Question, Said, bool]:
        said = yield self._ask("runs", run, timeout_s=LOOK_TIMEOUT_S)
        return _read(said, bool) is True

    def failed(self, run: Run, exit_code: int | None) -> Generator[Question, Said, str | None]:
        words = () if exit_code is None else (str(exit_code),)
        said = yield self._ask("failure", run, *words)
        return said.text if said.code != 0 else msgspec.json.decode(said.printed, type=str | None)

    def removal(self, run: Run) -> str:
        return self._removal(run)

    def _ask(self, verb: str, run: Run, *words: str, timeout_s: float | None = None) -> Question:
        module = f"swarm_shared.runners.{self._runner}.ending"
        argv = ("-P", "-m", module, verb, msgspec.json.encode(run).decode(), *words)
        return Question(sys.executable, argv, timeout_s=timeout_s)


class Replies(Struct, frozen=True, kw_only=True):
    """What the program of a runner replies with, by question."""

    end: Callable[[Run], Answer]
    runs: Callable[[Run], bool]
    failure: Callable[[Run, int | None], str | None]


def reply(words: list[str], replies: Replies) -> int:
    """Print the reply to one question, as JSON."""
    verb, run = words[0], msgspec.json.decode(words[1], type=Run)
    answer: object
    match verb:
        case "end":
            answer = replies.end(run)
        case "runs":
            answer = replies.runs(run)
        case _:
            answer = replies.failure(run, int(words[2]) if words[2:] else None)
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 0


def _read(said: Said, kind: type[T]) -> T | None:
    return msgspec.json.decode(said.printed, type=kind) if said.code == 0 else None
