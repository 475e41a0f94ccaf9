"""Warnings about valid task lists: missing criteria or files, oversized tasks, doubtful dependencies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.taskfile.globs import fixed_head, overlap, segments
from swarm_shared.taskfile.graph import Graph, levels
from swarm_shared.taskfile.problems import Problem, ProblemList, shown

MAX_HOURS_ADVISED = 8
# So many warnings of each kind are listed, the others counted.
MAX_PER_KIND = 100
# Steps along dependencies, and comparisons of patterns, that one run may take: some seconds at most.
WORK_BUDGET = 2_000_000
_STEPS_PER_PAIR = 30
_CHARS_PER_STEP = 50

_SETTLED = frozenset({Status.COMPLETED, Status.CANCELLED})


def lint(tasks: Sequence[TaskSpec], *, file: str) -> list[Problem]:
    """Warnings about tasks that could run, but probably not as meant; in the order of the file.

    Args:
        tasks: All tasks of a file that has been found good: without cycles.
        file: Names the file in the warnings.

    Returns:
        At most `MAX_PER_KIND` of each kind and one that counts the rest. For very large lists the search for
        overlaps and for implied dependencies ends at a budget, and a warning says so.
    """
    unsettled = [task for task in tasks if task.status not in _SETTLED]
    reach = _Reach({task.id: task.dependencies for task in tasks})
    kinds = [
        _size_and_shape(unsettled, file),
        _implied_dependencies(unsettled, file, reach),
        _overlaps(unsettled, file, reach),
    ]
    warnings = [warning for kind in kinds for warnings in kind for warning in _closed(warnings)]
    return sorted(warnings, key=lambda warning: (not warning.line, warning.line))


def _closed(warnings: ProblemList) -> Iterator[Problem]:
    yield from warnings
    if warnings.omitted:
        message = f"{warnings.omitted:,} more warnings like the last ones of this kind"
        yield Problem(file=warnings.file, line=0, column=0, message=message, advice="correct the listed ones first")


def _size_and_shape(tasks: Sequence[TaskSpec], file: str) -> list[ProblemList]:
    criteria, files, hours = (ProblemList(file, limit=MAX_PER_KIND) for _ in range(3))
    for task in tasks:
        name = shown(task.id)
        if not task.acceptance_criteria and not task.run:  # a command knows by itself when it is done
            advice = "say what must be true when it is done: the validator checks nothing else"
            criteria.add_at(task.line, 0, f"task {name} has no acceptance_criteria", advice)
        if not task.files:
            advice = "list the files that it may change, so that no two tasks change the same file at the same time"
            files.add_at(task.line, 0, f"task {name} names no files", advice)
        if task.estimated_hours is not None and task.estimated_hours > MAX_HOURS_ADVISED:
            advice = f"split it: a session that is asked for more than {MAX_HOURS_ADVISED} hours loses its way"
            hours.add_at(task.line, 0, f"task {name} is estimated at {task.estimated_hours:g} hours", advice)
    return [criteria, files, hours]


def _implied_dependencies(tasks: Sequence[TaskSpec], file: str, reach: _Reach) -> list[ProblemList]:
    warnings = ProblemList(file, limit=MAX_PER_KIND)
    reach.work_left = WORK_BUDGET
    for number, task in enumerate(tasks):
        for needed, through in reach.implied(task.dependencies).items():
            message = f"task {shown(task.id)} needs {shown(needed)}, as {shown(through)} does already"
            warnings.add_at(task.line, 0, message, "leave this dependency out")
        if reach.exhausted:
            return [warnings, _end_of_search(file, f"implied dependencies ended after {number:,} tasks")]
    return [warnings]


def _overlaps(tasks: Sequence[TaskSpec], file: str, reach: _Reach) -> list[ProblemList]:
    """Tasks that may change the same file while neither waits for the other."""
    warnings = ProblemList(file, limit=MAX_PER_KIND)
    reach.work_left = WORK_BUDGET
    users: dict[str, list[TaskSpec]] = {}
    for task in tasks:
        for pattern in dict.fromkeys(task.files):
            users.setdefault(pattern, []).append(task)
    pairs: set[tuple[str, str]] = set()
    for one, other, pattern, other_pattern in _neighbours(users, reach):
        reach.work_left -= 1
        pair = (min(one.id, other.id), max(one.id, other.id))
        ordered = one.id == other.id or pair in pairs or reach.depends(*pair) or reach.depends(*pair[::-1])
        if reach.exhausted:
            break
        if ordered:
            continue
        pairs.add(pair)
        both = shown(pattern) if pattern == other_pattern else f"{shown(pattern)} and {shown(other_pattern)}"
        message = f"tasks {shown(one.id)} and {shown(other.id)} may both change {both}"
        warnings.add_at(other.line, 0, message, "let one depend on the other: they cannot run at the same time")
    if reach.exhausted:
        return [warnings, _end_of_search(file, f"overlapping files ended after {len(pairs):,} of them")]
    return [warnings]


def _neighbours(users: dict[str, list[TaskSpec]], reach: _Reach) -> Iterator[tuple[TaskSpec, TaskSpec, str, str]]:
    """Pairs of tasks whose patterns overlap, with these.

    Of the tasks with the very same pattern only neighbours in the order of dependencies: if each waits for
    the one before, all do, and 100,000 tasks that name one file are not five thousand million pairs.
    """
    by_head: dict[tuple[str, ...], list[str]] = {}
    for pattern in users:
        by_head.setdefault(fixed_head(segments(pattern)), []).append(pattern)
    for pattern, tasks in users.items():
        ordered = sorted(tasks, key=lambda task: reach.level(task.id))
        for one, other in pairwise(ordered):
            yield one, other, pattern, pattern
    for pattern, tasks in users.items():
        parts = segments(pattern)
        head = fixed_head(parts)
        for depth in range(len(head) + 1):
            reach.work_left -= depth
            for candidate in by_head.get(head[:depth], ()):
                reach.work_left -= 1
                if reach.exhausted:
                    return
                # Patterns with the same head meet twice; their order decides who reports.
                if candidate == pattern or (depth == len(head) and candidate > pattern):
                    continue
                reach.work_left -= _STEPS_PER_PAIR + len(pattern) * len(candidate) // _CHARS_PER_STEP
                if overlap(pattern, candidate):
                    for one in users[candidate]:
                        for other in tasks:
                            yield one, other, candidate, pattern


def _end_of_search(file: str, what: str) -> ProblemList:
    problem = ProblemList(file)
    problem.add_at(0, 0, f"the search for {what}: the list is too large", "lint a part of the list")
    return problem


class _Reach:
    """Answers who waits for whom, and counts the steps that this takes."""

    def __init__(self, graph: Graph) -> None:
        self.work_left = WORK_BUDGET
        self._graph = graph
        self._levels = levels(graph)

    @property
    def exhausted(self) -> bool:
        return self.work_left <= 0

    def level(self, task_id: str) -> int:
        return self._levels.get(task_id, -1)

    def depends(self, task_id: str, needed: str) -> bool:
        """Whether one task waits for another, directly or through others."""
        floor = self.level(needed)
        open_ids = [task_id] if self.level(task_id) > floor else []
        seen = set(open_ids)
        while open_ids:
            for name in self._graph[open_ids.pop()]:
                self.work_left -= 1
                if name == needed:
                    return True
                # Whatever is on a way there lies above it.
                if name not in seen and self.level(name) > floor:
                    seen.add(name)
                    open_ids.append(name)
        return False

    def implied(self, needs: Sequence[str]) -> dict[str, str]:
        """Those of a task's dependencies that another of them has already, each with that other one."""
        if len(needs) < 2:
            return {}
        found: dict[str, str] = {}
        wanted = set(needs)
        floor = min(map(self.level, needs))
        open_ids = [(name, name) for name in needs if self.level(name) > floor]
        seen = {name for name, _ in open_ids}
        while open_ids:
            name, origin = open_ids.pop()
            for below in self._graph[name]:
                self.work_left -= 1
                if below in wanted:
                    found.setdefault(below, origin)
                if below not in seen and self.level(below) > floor:
                    seen.add(below)
                    open_ids.append((below, origin))
        return found
