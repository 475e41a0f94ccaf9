"""Follows what a runner started outside of our process tree: ends it, and asks its engine whether it is gone.

*Unknown* is a separate answer. Only the engine's report that there is no such container counts as proof, and only
when it is the engine that had the container.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Iterable
from typing import IO

from msgspec import Struct

from swarm_shared.domain.runners import Run
from swarm_shared.runners.engines import ENGINE_CODES, ENGINES, OVER, Engine

ANSWER_TIMEOUT_S = 30.0  # removing takes seconds where a container's supervisor was killed
LOOK_TIMEOUT_S = 5.0  # short enough for the reaper, which is restarted where it shows no sign of life
LOOK_S = 0.02
_SHOWN_CHARS = 300


class Answer(Struct, frozen=True, kw_only=True):
    """What came of ending a run: `gone` is proven; otherwise unknown, and `text` says why."""

    gone: bool
    text: str = ""


class Said(Struct, frozen=True, kw_only=True):
    """How one command of an engine ended; `code` None: it could not be started, or did not answer in time."""

    code: int | None
    printed: str
    text: str  # what to show of it


class Question:
    """One command of an engine, started at once. Nothing here waits."""

    def __init__(
        self, engine: Engine, words: tuple[str, ...], *, name: str = "", timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self._engine, self._timeout_s = engine, timeout_s
        self._said: Said | None = None
        self._until = time.monotonic() + timeout_s
        program = shutil.which(engine.name)
        if program is None:
            self._said = Said(code=None, printed="", text=f"the program {engine.name} was not found")
            return
        argv = [program, *(word.replace("{name}", name) for word in words)]
        try:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            self._said = Said(code=None, printed="", text=f"{program} cannot be started: {error.strerror}")

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
                self._close(
                    Said(code=None, printed="", text=f"{self._engine.name} did not answer in {self._timeout_s:g} s")
                )
        return self._said

    def wait(self, tend: Callable[[], None] = lambda: None) -> Said:
        """How it ended; waits for that and calls `tend` meanwhile."""
        while (said := self.said()) is None:
            time.sleep(LOOK_S)
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


class Effort:
    """One effort to end a run. Call `answer` again and again; None: the engine has not said yet."""

    def __init__(self, run: Run) -> None:
        self._steps = _end(run)
        self._question: Question | None = next(self._steps)
        self._answer: Answer | None = None

    def answer(self) -> Answer | None:
        """What came of it; never waits."""
        while self._answer is None and self._question is not None and (said := self._question.said()) is not None:
            try:
                self._question = self._steps.send(said)
            except StopIteration as ended:
                self._answer = ended.value
        return self._answer


def end(run: Run, tend: Callable[[], None] = lambda: None) -> Answer:
    """End it, and wait for the engine's answer; `tend` is called meanwhile."""
    effort = Effort(run)
    while (answer := effort.answer()) is None:
        time.sleep(LOOK_S)
        tend()
    return answer


def seen_running(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Those that their engine knows and does not report as over; waits for a few seconds at most.

    It ends nothing, and an engine that does not answer reports nothing.
    """
    asked = [
        (run, Question(engine, engine.inspect, name=run.name, timeout_s=LOOK_TIMEOUT_S))
        for run in runs
        if (engine := ENGINES.get(run.runner)) is not None
    ]
    answers = [(run, question.wait()) for run, question in asked]
    return tuple(run for run, said in answers if said.code == 0 and said.printed.partition(" ")[0] not in OVER)


def removal(run: Run) -> str:
    """The command with which the user removes it."""
    engine = ENGINES[run.runner]
    return " ".join((engine.name, *(word.replace("{name}", run.name) for word in engine.remove)))


def engine_failure(run: Run, exit_code: int | None, tend: Callable[[], None] = lambda: None) -> bool:
    """Whether the exit code of the engine's client speaks of the engine and not of the command.

    To be asked before the run is ended. A command may well exit with one of these codes itself: then the engine knows a
    container that has exited with it.
    """
    if exit_code not in ENGINE_CODES:
        return False
    engine = ENGINES[run.runner]
    return Question(engine, engine.inspect, name=run.name).wait(tend).printed != f"exited {exit_code}"


def identity_of(engine: Engine) -> Said:
    """Which engine answers; `printed` is empty where none does."""
    return Question(engine, engine.identify).wait()


def _end(run: Run) -> Generator[Question, Said, Answer]:
    engine = ENGINES[run.runner]
    removed = yield Question(engine, engine.remove, name=run.name)
    asked = yield Question(engine, engine.exists, name=run.name)
    if asked.code != engine.absent_code or asked.printed:
        text = f"container {run.name} is still there" if asked.code in (0, 1) else asked.text
        return Answer(gone=False, text=f"{engine.name}: {text if removed.code == 0 else removed.text}")
    if removed.code != 0 and not engine.remove_fails_on_absent:
        return Answer(gone=False, text=f"{engine.name}: {removed.text}")
    who = yield Question(engine, engine.identify)
    if who.code != 0 or not who.printed:
        return Answer(gone=False, text=f"{engine.name}: {who.text}")
    if who.printed != run.engine:
        text = f"another engine answers now ({who.printed}) than the one that ran it ({run.engine})"
        return Answer(gone=False, text=f"{engine.name}: {text}")
    return Answer(gone=True)
