"""Problems of a task file with their places and advice, collected so that all are reported at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from swarm_shared.domain.errors import InputError

# A file that is wrong in more places than this is wrong in one way; the rest is counted, not listed.
MAX_PROBLEMS = 1000


class Mark(Protocol):
    """A place in a file as the parser gives it: line and column count from 0."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or odd; line and column count from 1, and 0 means not known."""

    file: str
    line: int
    column: int
    message: str
    advice: str

    def __str__(self) -> str:
        """`file:line:column: what is wrong → what to do`."""
        place = ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])
        return f"{place}: {self.message} → {self.advice}"


class TaskFileErrors(InputError):
    """A task file that cannot be taken, with all its problems in the order of their lines.

    `omitted` counts the problems beyond `MAX_PROBLEMS`, which are not listed.
    """

    def __init__(self, problems: Sequence[Problem], *, omitted: int = 0) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.line, problem.column))
        self.omitted = omitted
        lines = [str(problem) for problem in self.problems]
        if omitted:
            lines.append(f"… and {omitted} more")
        super().__init__("\n".join(lines), hint="Correct the file and try again; nothing has been changed.")


class ProblemList:
    """Collects the problems of one file up to a limit, and counts those beyond it."""

    def __init__(self, file: str, *, limit: int = MAX_PROBLEMS) -> None:
        self.file = file
        self._limit = limit
        self.omitted = 0
        self._problems: list[Problem] = []

    def __len__(self) -> int:
        return len(self._problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._problems)

    @property
    def full(self) -> bool:
        """Whether a further problem would only be counted, so that advice need not be searched for."""
        return len(self._problems) >= self._limit

    def add(self, mark: Mark | None, message: str, advice: str) -> None:
        """Note one problem at a place that the parser gave."""
        if mark is None:
            self.add_at(0, 0, message, advice)
        else:
            self.add_at(mark.line + 1, mark.column + 1, message, advice)

    def add_at(self, line: int, column: int, message: str, advice: str) -> None:
        """Note one problem at a line and column that count from 1; 0 if unknown."""
        if self.full:
            self.omitted += 1
            return
        problem = Problem(file=self.file, line=line, column=column, message=message, advice=advice)
        self._problems.append(problem)


MAX_SHOWN = 60


def shown(text: str) -> str:
    """A piece of the file for a message: in quotes, cut, on one line, nothing that moves a cursor."""
    cut = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
    return '"' + "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in cut) + '"'
