"""Follows containers. Only the engine's report that there is no such container counts as proof that one is gone, and
only when it is the engine that had the container.
"""

from __future__ import annotations

from collections.abc import Generator

from swarm_shared.domain.runners import Run
from swarm_shared.runners.asking import LOOK_TIMEOUT_S, Answer, Question, Said
from swarm_shared.runners.containers.engines import ENGINE_CODES, OVER, Engine


class ContainerFollower:
    """Follows the containers of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def end(self, run: Run) -> Generator[Question, Said, Answer]:
        engine = self._engine
        removed = yield ask(engine, engine.remove, name=run.name)
        asked = yield ask(engine, engine.exists, name=run.name)
        if asked.code != engine.absent_code or asked.printed:
            text = f"container {run.name} is still there" if asked.code in (0, 1) else asked.text
            return Answer(gone=False, text=f"{engine.name}: {text if removed.code == 0 else removed.text}")
        if removed.code != 0 and not engine.remove_fails_on_absent:
            return Answer(gone=False, text=f"{engine.name}: {removed.text}")
        who = yield ask(engine, engine.identify)
        if who.code != 0 or not who.printed:
            return Answer(gone=False, text=f"{engine.name}: {who.text}")
        if who.printed != run.engine:
            text = f"another engine answers now ({who.printed}) than the one that ran it ({run.engine})"
            return Answer(gone=False, text=f"{engine.name}: {text}")
        return Answer(gone=True)

    def runs(self, run: Run) -> Generator[Question, Said, bool]:
        said = yield ask(self._engine, self._engine.inspect, name=run.name, timeout_s=LOOK_TIMEOUT_S)
        return said.code == 0 and said.printed.partition(" ")[0] not in OVER

    def failed(self, run: Run, exit_code: int | None) -> Generator[Question, Said, str | None]:
        """A command may well exit with a code of the engine itself: then the engine knows a container that has."""
        if exit_code not in ENGINE_CODES:
            return None
        said = yield ask(self._engine, self._engine.inspect, name=run.name)
        return None if said.printed == f"exited {exit_code}" else ""

    def removal(self, run: Run) -> str:
        engine = self._engine
        return " ".join((engine.name, *(word.replace("{name}", run.name) for word in engine.remove)))


def ask(engine: Engine, words: tuple[str, ...], *, name: str = "", timeout_s: float | None = None) -> Question:
    """One command of an engine, about the container of that name."""
    return Question(engine.name, tuple(word.replace("{name}", name) for word in words), timeout_s=timeout_s)


def identity_of(engine: Engine) -> Said:
    """Which engine answers; `printed` is empty if none does."""
    return ask(engine, engine.identify).wait()
