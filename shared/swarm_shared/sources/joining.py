"""Combines several plans into one import: joins files, keeps ids distinct, reports unresolved dependencies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence

from msgspec.structs import replace

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.sources.plans.keys import FreeIds
from swarm_shared.sources.plans.plan import Became, Entry, Place, Plan, cut
from swarm_shared.taskfile.graph import find_cycles
from swarm_shared.taskfile.problems import Problem, shown

# Each file of these is one task: those of one folder are one plan.
JOINED = frozenset({"backlog.md"})
WANTED = dict.fromkeys(["spec-kit", "kiro", "openspec", "checklist"], "write each task as a line such as `- [ ] text`")


def join(plans: Sequence[Plan]) -> list[Plan]:
    """The plans, files of one plan as one, with prefixes on the ids where there are several."""
    joined: dict[tuple[str, str], Plan] = {}
    for plan in plans:
        is_part = plan.format in JOINED and plan.place.on_disk is not None
        key = (plan.format, plan.place.path.rpartition("/")[0] if is_part else plan.place.file)
        whole = joined.get(key)
        if whole is None:
            joined[key] = plan
            continue
        whole.tasks += plan.tasks
        whole.entries += plan.entries
        whole.warnings += plan.warnings
        whole.errors += plan.errors
    found = list(joined.values())
    names = Counter(plan.name for plan in found)
    if len(found) > 1:
        for plan in found:
            if plan.name:
                plan.prefix = plan.name if names[plan.name] == 1 else f"{plan.format}.{plan.name}"
                plan.tasks = _prefixed(plan.tasks, plan.prefix)
    for plan in found:
        if plan.format in JOINED:
            plan.tasks = _by_any_spelling(_told_apart(plan))
    return found


def _told_apart(plan: Plan) -> list[TaskSpec]:
    """The tasks of several files, of which the second with the same id gets a number, with a warning."""
    first: dict[str, TaskSpec] = {}
    tasks, free = [], FreeIds()
    for task in plan.tasks:
        task_id = free.of(task.id, first)
        if task_id != task.id:
            what = f"the id {shown(task.id)} is also that of {_file_of(first[task.id], plan.place)}"
            advice = f"it becomes {task_id} here; change one of the two ids"
            file = _file_of(task, plan.place)
            plan.warnings.append(Problem(file=file, line=task.line, column=0, message=what, advice=advice))
            task = replace(task, id=task_id)
        first[task_id] = task
        tasks.append(task)
    return tasks


def leave_out_loose_ends(plan: Plan, known: Container[str]) -> None:
    """Take out dependencies on tasks that are neither in the plan nor known, or that are cancelled; reported."""
    states = {task.id: task.status for task in plan.tasks}
    warnings: list[Problem] = []
    for number, task in enumerate(plan.tasks):
        loose = [need for need in task.dependencies if need not in states and need not in known]
        ended = [need for need in task.dependencies if states.get(need) is Status.CANCELLED]
        if not loose and not ended:
            continue
        kept = tuple(need for need in task.dependencies if need not in loose and need not in ended)
        plan.tasks[number] = replace(task, dependencies=kept)
        for need, why in [(each, "is not in the plan") for each in loose] + [(each, "is cancelled") for each in ended]:
            warnings.append(
                Problem(
                    file=_file_of(task, plan.place),
                    line=task.line,
                    column=0,
                    message=f"{shown(task.id)} depends on {shown(need)}, which {why}",
                    advice="the dependency was dropped; import that plan too if it matters",
                )
            )
            plan.entries.append(
                Entry(
                    file=_file_of(task, plan.place),
                    line=task.line,
                    last=task.line,
                    became=Became.LEFT_OUT,
                    detail=f"a dependency of {task.id}: {need} {why}",
                )
            )
    plan.warnings += warnings


def open_circles(plan: Plan) -> None:
    """Take out the dependencies of completed tasks in a circle, which hold up nothing any more; reported."""
    completed = {task.id for task in plan.tasks if task.status is Status.COMPLETED}
    if not completed:
        return
    at = {task.id: number for number, task in enumerate(plan.tasks)}
    while circles := find_cycles({task.id: task.dependencies for task in plan.tasks}):
        ended = {task_id for circle in circles for task_id in circle if task_id in completed}
        if not ended:
            return
        for task_id in ended:
            task = plan.tasks[at[task_id]]
            plan.tasks[at[task_id]] = replace(task, dependencies=())
            plan.entries.append(
                Entry(
                    file=_file_of(task, plan.place),
                    line=task.line,
                    last=task.line,
                    became=Became.LEFT_OUT,
                    detail=f"the dependencies of {task_id}, which is completed: they form a cycle",
                    text=cut(", ".join(task.dependencies)),
                )
            )


def note_empty(plan: Plan) -> None:
    """Warn of a plan in which nothing was a task."""
    if not plan.tasks and not plan.errors:
        plan.warnings.append(
            Problem(
                file=plan.place.file,
                line=0,
                column=0,
                message=f"no tasks were found (read as {plan.format})",
                advice=WANTED.get(plan.format, "run import-tasks --dry-run to see what each part became"),
            )
        )


def _file_of(task: TaskSpec, place: Place) -> str:
    return task.source.path if task.source is not None and task.source.path != place.path else place.file


def _prefixed(tasks: Sequence[TaskSpec], prefix: str) -> list[TaskSpec]:
    own = {task.id for task in tasks}
    return [
        replace(
            task,
            id=f"{prefix}.{task.id}",
            dependencies=tuple(f"{prefix}.{need}" if need in own else need for need in task.dependencies),
        )
        for task in tasks
    ]


def _by_any_spelling(tasks: Sequence[TaskSpec]) -> list[TaskSpec]:
    """Dependencies as the ids are written: users write BACK-9, back-9 and, after a change of the prefix, task-9."""
    by_case = {task.id.casefold(): task.id for task in tasks}
    by_number = {task.id.rpartition("-")[2]: task.id for task in tasks}

    def own(need: str) -> str:
        return by_case.get(need.casefold()) or by_number.get(need.rpartition("-")[2]) or need

    return [
        replace(task, dependencies=tuple(dict.fromkeys(map(own, task.dependencies)))) if task.dependencies else task
        for task in tasks
    ]
