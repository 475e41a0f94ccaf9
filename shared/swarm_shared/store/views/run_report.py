"""The results of a queue for a report: tasks, time, cost, retries and the most common problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from swarm_shared.domain.models import GROUP_OF, Group, Status
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.sql import SQL

PROBLEMS = 10


class TaskLine(Struct, frozen=True, kw_only=True):
    """One task. `busy_ms` is the time of its attempts; tokens and cost are None if no attempt reported them.

    `retries` counts its failed attempts that another one followed, or could have; `refused` its refused landings;
    `costless` its attempts with a session that reported no cost.
    """

    id: str
    name: str
    phase: str
    status: Status
    hold_reason: str | None
    last_error: str | None
    completed_at: int | None
    landed_as: str | None
    attempts: int
    retries: int
    refused: int
    busy_ms: int | None
    tokens: int | None
    cost_usd: float | None
    costless: int

    @property
    def group(self) -> Group:
        return GROUP_OF[self.status]


class Effort(Struct, frozen=True, kw_only=True):
    """Sums over tasks. Tokens and cost are lower bounds; None if nothing was reported.

    `costless`: attempts with a session that reported no cost, which is unknown, not zero.
    """

    tasks: Mapping[Group, int]
    attempts: int
    retries: int
    refused: int
    busy_ms: int
    tokens: int | None
    cost_usd: float | None
    costless: int

    @classmethod
    def of(cls, lines: Iterable[TaskLine]) -> Effort:
        lines = list(lines)
        tokens = [each.tokens for each in lines if each.tokens is not None]
        costs = [each.cost_usd for each in lines if each.cost_usd is not None]
        counts = Counter(each.group for each in lines)
        return cls(
            tasks={group: counts[group] for group in Group if counts[group]},
            attempts=sum(each.attempts for each in lines),
            retries=sum(each.retries for each in lines),
            refused=sum(each.refused for each in lines),
            busy_ms=sum(each.busy_ms or 0 for each in lines),
            tokens=sum(tokens) if tokens else None,
            cost_usd=sum(costs) if costs else None,
            costless=sum(each.costless for each in lines),
        )

    def number(self, *groups: Group) -> int:
        return sum(self.tasks.get(group, 0) for group in groups)

    @property
    def total(self) -> int:
        return sum(self.tasks.values())


class ProblemLine(Struct, frozen=True, kw_only=True):
    """Failures that are alike but for numbers, times and ids: one line of one of them, and how often."""

    cause: str
    sample: str
    attempts: int
    tasks: int


class RunReport(Struct, frozen=True, kw_only=True):
    """Everything that a report shows; times are wall ms.

    `began_at` and `ended_at` span all attempts, None before the first. `failures` are the ends of failed attempts.
    `phases` are in the order of their first tasks.
    """

    made_at: int
    began_at: int | None
    ended_at: int | None
    lines: tuple[TaskLine, ...]
    whole: Effort
    phases: Mapping[str, Effort]
    objections: tuple[ProblemLine, ...]
    problems: tuple[ProblemLine, ...]
    failures: tuple[int, ...]
    waits: Mapping[str, tuple[str, ...]]

    def of(self, *groups: Group) -> list[TaskLine]:
        return [each for each in self.lines if each.group in groups]


class RunReports(DataAccess):
    """Reads only: the whole queue, once."""

    def now(self) -> RunReport:
        """The report of this moment."""
        lines = tuple(
            TaskLine(
                id=row[0],
                name=row[1],
                phase=row[2],
                status=Status(row[3]),
                hold_reason=row[4],
                last_error=row[5],
                completed_at=row[6],
                landed_as=row[7],
                attempts=row[8],
                retries=row[9],
                refused=row[10],
                busy_ms=row[11],
                tokens=row[12],
                cost_usd=row[13],
                costless=row[14],
            )
            for row in self._db.rows(SQL["report_tasks"])
        )
        wall = self._clock.wall_ms()
        began, ended = self._db.row(SQL["report_span"], {"wall": wall}) or (None, None)
        by_phase: dict[str, list[TaskLine]] = {}
        for line in lines:
            by_phase.setdefault(line.phase, []).append(line)
        return RunReport(
            made_at=wall,
            began_at=began,
            ended_at=ended,
            lines=lines,
            whole=Effort.of(lines),
            phases={phase: Effort.of(its) for phase, its in by_phase.items()},
            objections=self._problems(objections=True),
            problems=self._problems(objections=False),
            failures=tuple(row[0] for row in self._db.rows(SQL["report_ends"])),
            waits=self._waits(),
        )

    def _problems(self, *, objections: bool) -> tuple[ProblemLine, ...]:
        rows = self._db.rows(SQL["report_problems"], {"objections": objections, "limit": PROBLEMS})
        return tuple(ProblemLine(cause=c, sample=s, attempts=n, tasks=t) for c, s, n, t in rows)

    def _waits(self) -> dict[str, tuple[str, ...]]:
        """What blocked tasks wait for: ids of tasks that are not completed, by the blocked task's id."""
        found: dict[str, tuple[str, ...]] = {}
        for task, needed in self._db.rows(SQL["report_blocked"]):
            found[task] = (*found.get(task, ()), needed)
        return found
