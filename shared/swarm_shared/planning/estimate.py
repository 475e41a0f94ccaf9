"""An estimate of a list of tasks: its critical path, which tasks wait for files, hours, sessions and money.

The workers' part is played through: each takes the task that a real one would take, and a task whose files overlap
those of one that is being worked on waits until that one has ended.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from msgspec import Struct, structs

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.store.views.estimates.critical_path import HOUR_S, Link, critical_way
from swarm_shared.store.views.estimates.experience import Experience
from swarm_shared.taskfile.globs import overlap
from swarm_shared.taskfile.graph import levels

UNKNOWN_HOURS = 1.0  # of a task without an estimate, where neither other tasks nor past runs say more
_WILD = frozenset("*?[")
_ENDED = (Status.COMPLETED, Status.CANCELLED)


class Wait(Struct, frozen=True, kw_only=True):
    """A task that will wait for another one's files, although it does not depend on it."""

    task: str
    holder: str
    pattern: str
    hours: float


class Plan(Struct, frozen=True, kw_only=True):
    """The estimate; `open_tasks` are those that are not completed or cancelled yet. Hours are of wall time.

    `work_hours` is the sum of all tasks, `path_hours` that of the critical path: no number of workers makes it shorter.
    `cost_usd` is None if no past run says what an attempt costs.
    """

    tasks: int
    open_tasks: int
    estimated: int
    workers: int
    critical_path: list[str]
    path_hours: float
    work_hours: float
    hours: float
    waits: list[Wait]
    without_files: int
    sessions: int
    cost_usd: float | None

    def shown(self) -> dict[str, Any]:
        """In the shape of the JSON output."""
        return structs.asdict(self) | {"waits": [structs.asdict(wait) for wait in self.waits]}


class _Task(Struct, frozen=True, kw_only=True):
    status: Status
    estimated_hours: float
    claimed_at: int | None = None


def estimate(
    specs: Sequence[TaskSpec], *, workers: int, validation: bool = True, experience: Experience | None = None
) -> Plan:
    """The estimate for a whole list; dependencies on tasks outside it count as completed.

    Args:
        workers: At least one.
        validation: Whether a validator's session follows each builder's.
    """
    known = experience or Experience()
    work = [spec for spec in specs if spec.status not in _ENDED]
    place = {spec.id: number for number, spec in enumerate(work)}
    given = [spec.estimated_hours for spec in work if spec.estimated_hours is not None]
    usual = known.hours if known.hours is not None else fmean(given) if given else UNKNOWN_HOURS
    hours = [usual if spec.estimated_hours is None else spec.estimated_hours for spec in work]
    links = [(place[needed], n) for n, spec in enumerate(work) for needed in set(spec.dependencies) if needed in place]
    tasks = [_Task(status=Status.NOT_STARTED, estimated_hours=each) for each in hours]
    way = critical_way(tasks, links, usual_s=usual * HOUR_S, now=0)
    took, waits = _play(work, hours, links, workers)
    attempts = len(work) * known.attempts_per_task
    return Plan(
        tasks=len(specs),
        open_tasks=len(work),
        estimated=len(given),
        workers=workers,
        critical_path=[work[n].id for n in way.places],
        path_hours=round(way.seconds / HOUR_S, 2),
        work_hours=round(sum(hours), 2),
        hours=round(took, 2),
        waits=waits,
        without_files=sum(not spec.files for spec in work),
        sessions=round(attempts * (2 if validation else 1)),
        cost_usd=None if known.cost_usd is None else round(attempts * known.cost_usd, 2),
    )


def _play(
    work: Sequence[TaskSpec], hours: Sequence[float], links: Sequence[Link], workers: int
) -> tuple[float, list[Wait]]:
    """Hours until the last task has ended, and the tasks that waited for files on the way, in the order of the list."""
    behind: list[list[int]] = [[] for _ in work]
    needs = [0] * len(work)
    for needed, dependent in links:
        behind[needed].append(dependent)
        needs[dependent] += 1
    chain = levels(dict(enumerate(behind)))
    order = [(spec.priority, -chain.get(place, 0), place) for place, spec in enumerate(work)]
    ready = [order[place] for place in range(len(work)) if not needs[place]]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []  # when it ends, and which
    parked: dict[int, list[int]] = {}  # behind the task whose files they wait for
    since: dict[int, tuple[float, int, str]] = {}
    waits: dict[int, Wait] = {}
    files = _Files(work)
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            place = heapq.heappop(ready)[2]
            held = next(((other, p) for _, other in running if (p := files.shared(place, other)) is not None), None)
            if held is not None:
                parked.setdefault(held[0], []).append(place)
                since.setdefault(place, (now, *held))
                continue
            heapq.heappush(running, (now + hours[place], place))
            if place in since:
                began, holder, pattern = since.pop(place)
                waits[place] = Wait(
                    task=work[place].id, holder=work[holder].id, pattern=pattern, hours=round(now - began, 2)
                )
        if not running:
            break
        now, ended = heapq.heappop(running)
        for place in parked.pop(ended, ()):
            heapq.heappush(ready, order[place])
        for place in behind[ended]:
            needs[place] -= 1
            if not needs[place]:
                heapq.heappush(ready, order[place])
    return now, [waits[place] for place in sorted(waits)]


class _Covered:
    """What a task may change: its paths without wildcards, these with all folders above, and its other patterns."""

    __slots__ = ("paths", "wild", "with_folders")

    def __init__(self, files: Sequence[str]) -> None:
        self.wild: list[str] = []
        self.paths: set[str] = set()
        self.with_folders: set[str] = set()
        for pattern in files:
            if not _WILD.isdisjoint(pattern):
                self.wild.append(pattern)
                continue
            path = ""
            for part in pattern.split("/"):
                if part not in ("", "."):
                    path = f"{path}/{part}" if path else part
                    self.with_folders.add(path)
            self.paths.add(path)


class _Files:
    """Which tasks may change the same files. Paths are compared as sets; patterns are compared once."""

    def __init__(self, work: Sequence[TaskSpec]) -> None:
        self._files = [spec.files for spec in work]
        self._covered: dict[int, _Covered] = {}
        self._known: dict[tuple[str, str], bool] = {}

    def shared(self, one: int, other: int) -> str | None:
        """A pattern of the first that overlaps one of the other; None when none does."""
        if not self._files[one] or not self._files[other]:
            return None
        mine, theirs = self._of(one), self._of(other)
        if not (mine.with_folders.isdisjoint(theirs.paths) and mine.paths.isdisjoint(theirs.with_folders)):
            return min((mine.with_folders & theirs.paths) | (mine.paths & theirs.with_folders))
        if not mine.wild and not theirs.wild:
            return None
        pairs = [(a, b) for a in mine.wild for b in self._files[other]]
        pairs += [(a, b) for a in mine.paths for b in theirs.wild]
        return next((a for a, b in pairs if self._overlap(a, b)), None)

    def _of(self, place: int) -> _Covered:
        found = self._covered.get(place)
        if found is None:
            found = self._covered[place] = _Covered(self._files[place])
        return found

    def _overlap(self, mine: str, theirs: str) -> bool:
        found = self._known.get((mine, theirs))
        if found is None:
            found = self._known[mine, theirs] = overlap(mine, theirs)
        return found
