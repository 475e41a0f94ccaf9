"""The result of a round: the ledger's own history, and then the database compared with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos.ledger import Line, by_task
from chaos.tasks import Expected
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status

SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt as the database has it; `fenced` means that its lease was taken away."""

    id: str
    number: int
    outcome: str | None
    failure_class: str | None
    fenced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTask:
    """A task as the database has it, with its attempts at the work in order."""

    status: Status
    attempts: tuple[Attempt, ...]


@dataclass(slots=True, kw_only=True)
class Verdict:
    """A round in numbers, and in words for everything that must not have happened."""

    name: str
    kills: Counter[str]
    took_s: float
    tasks: int
    attempts: int
    sessions: int
    frozen: int = 0  # workers that were stopped and continued later
    fenced: int = 0  # attempts that were reclaimed from their workers
    refused: int = 0  # results that came from a worker whose attempt had been reclaimed
    lost: list[str] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not any((self.lost, self.overlapping, self.stale, self.left_over, self.damaged, self.faults))

    def in_a_line(self) -> str:
        """What was done, and whether it passed."""
        violence = f"{self.frozen} workers frozen" if self.frozen else f"{self.kills.total()} kills"
        end = "nothing wrong" if self.is_good else "WRONG"
        return f"{self.name}: {violence}, {self.tasks} tasks, {self.attempts} attempts, {self.took_s:.0f} s: {end}"

    def text(self) -> str:
        """What is wrong, for a user."""
        rows = [f"{self.name}:"]
        for name in ("lost", "overlapping", "stale", "left_over", "damaged", "faults"):
            found = getattr(self, name)
            rows += [f"  {name.replace('_', ' ')}: {text}" for text in found[:SHOWN]]
            if len(found) > SHOWN:
                rows.append(f"  … and {len(found) - SHOWN} more")
        return "\n".join(rows)


def lost(expected: Mapping[str, Expected], stored: Mapping[str, StoredTask], lines: Iterable[Line]) -> list[str]:
    """Tasks that are missing, ended in a wrong status, or whose end their agents' records contradict."""
    found = []
    histories = by_task(lines)
    for task, wanted in expected.items():
        its = histories.get(task, [])
        if task not in stored:
            found.append(f"{task} is not in the database")
            continue
        if stored[task].status is not wanted.status:
            found.append(f"{task} is {stored[task].status} and must be {wanted.status}")
            continue
        match wanted.status:
            case Status.COMPLETED:
                found += _unless_done_once(task, wanted, stored[task], its)
            case Status.FAILED:
                found += _unless_tried(task, wanted, stored[task], its)
            case _ if its:
                found.append(f"{task} ran although what it needs had failed")
    found += [f"{task} is in the database and was never imported" for task in stored.keys() - expected.keys()]
    found += [f"{task} ran and was never imported" for task in histories.keys() - expected.keys()]
    return found


def stale(stored: Mapping[str, StoredTask]) -> list[str]:
    """Attempts that passed although their lease had been taken away."""
    return [
        f"{task}: attempt {attempt.number} was taken away, and passed"
        for task, its in stored.items()
        for attempt in its.attempts
        if attempt.fenced and attempt.outcome == "passed"
    ]


def _unless_done_once(task: str, wanted: Expected, stored: StoredTask, its: Sequence[Line]) -> list[str]:
    accepted = [attempt for attempt in stored.attempts if attempt.outcome == "passed"]
    if len(accepted) != 1:
        return [f"{task} is completed by {len(accepted)} attempts"]
    (attempt,) = accepted
    roles = ("builder", "validator") if wanted.validated else ("builder",)
    found = []
    for role in roles:
        ends = [line for line in its if (line.attempt, line.role, line.event) == (attempt.id, role, "end")]
        if [line.saw for line in ends[-1:]] != ["0"]:
            found.append(f"{task} is completed, and the {role} of attempt {attempt.number} never said so")
    if any(line.number > attempt.number for line in its):
        found.append(f"{task} ran again after attempt {attempt.number} had completed it")
    return found


def _unless_tried(task: str, wanted: Expected, stored: StoredTask, its: Sequence[Line]) -> list[str]:
    judged = [attempt for attempt in stored.attempts if attempt.failure_class == "quality"]
    if len(judged) != wanted.tries:
        return [f"{task} failed after {len(judged)} tries and was allowed {wanted.tries}"]
    ended = {line.attempt for line in its if line.event == "end" and line.saw != "0"}
    return [f"{task}: no agent failed in attempt {each.number}" for each in judged if each.id not in ended]


def read_stored(db: Path) -> dict[str, StoredTask]:
    """All tasks with their attempts at the work."""
    with TaskDatabase(db, create=False, read_only=True) as database:
        attempts: dict[str, list[Attempt]] = {}
        for task, attempt, number, outcome, failure, fenced in database.connection.rows(
            "SELECT t.id, a.id, a.number, a.outcome, a.failure_class, a.fenced_at IS NOT NULL"
            " FROM attempts a JOIN tasks t ON t.seq = a.task WHERE a.kind = 'work' ORDER BY a.number"
        ):
            attempts.setdefault(task, []).append(
                Attempt(id=attempt, number=number, outcome=outcome, failure_class=failure, fenced=bool(fenced))
            )
        rows = database.connection.rows("SELECT id, status FROM tasks")
        return {
            task: StoredTask(status=Status(status), attempts=tuple(attempts.get(task, ()))) for task, status in rows
        }


def damage(db: Path) -> list[str]:
    """Faults of the file that SQLite itself, and the counters next to the tasks, report."""
    with TaskDatabase(db, create=False) as database:
        connection = database.connection
        found = [str(row[0]) for row in connection.rows("PRAGMA integrity_check") if row[0] != "ok"]
        found += [f"a row of {row[0]} points nowhere" for row in connection.rows("PRAGMA foreign_key_check")]
        counted = connection.rows("SELECT status, sum(tasks) FROM counters GROUP BY status HAVING sum(tasks) <> 0")
        there = connection.rows("SELECT status, count(*) FROM tasks GROUP BY status")
        if sorted(counted) != sorted(there):
            found.append(f"the counters say {sorted(counted)}, the tasks {sorted(there)}")
        return found


def events(db: Path, kind: str) -> int:
    """How often the swarm wrote this event."""
    with TaskDatabase(db, create=False, read_only=True) as database:
        return int(database.connection.value("SELECT count(*) FROM events WHERE type = ?", (kind,)))


def faults(logs: Path) -> list[str]:
    """Lines of the programs' logs that report a bug in the programs themselves."""
    signs = ("Traceback (most recent call last)", "error: unexpected")
    return [
        f"{log.name}: {line.strip()}"
        for log in sorted(logs.glob("*.log"))
        for line in log.read_text(errors="replace").splitlines()
        if any(sign in line for sign in signs)
    ]
