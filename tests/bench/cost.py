"""The cost of one no-op task: time, processor time, commits, syncs and system calls."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from bench import system_calls, tools
from bench.baselines import COMMAND, command_cpu_ms, xargs_rate
from bench.figure import Bars, Cell, Figure, Scale, Table, Target
from bench.harness import bench_swarm, noop_tasks
from bench.one_worker import let_work, measured_worker

TITLE = "Cost of a task"
FEW = 20  # subtracted from a longer run, so that starting and stopping do not count
BARS = 12
MOST_SYNCS = 2.0  # one makes the result durable, and now and then a checkpoint has some
LEAST_SHOWN = 0.05
COUNTING = "counted_worker.py"
_MODES = (("builder only", False), ("builder + validator", True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one task: time, processor time and waiting in milliseconds, commits as numbers."""

    wall_ms: float
    worker_ms: float
    keeper_ms: float
    agents_ms: float
    commits: float
    durable: float  # commits that were synced before the worker continued
    in_commits_ms: float
    in_syncs_ms: float
    for_lock_ms: float

    @property
    def in_database_ms(self) -> float:
        return self.for_lock_ms + self.in_commits_ms + self.in_syncs_ms


def measure(scale: Scale) -> Figure:
    """One worker, a short and a longer queue, without and with a validator."""
    many = FEW + scale.pick(80, 500)
    costs = {name: _cost(many, validation=validation) for name, validation in _MODES}
    commands = scale.pick(300, 2000)
    bare_ms, bare_wall_ms = command_cpu_ms(commands), 1000 / xargs_rate(commands, 1)
    calls: dict[str, system_calls.Calls] = {}
    if tools.STRACE.is_there():
        traced = FEW + scale.pick(40, 200)
        for name, validation in _MODES:
            calls[name] = system_calls.per_task(FEW, traced, validation=validation, whole_tree=False)
        calls["tree"] = system_calls.per_task(FEW, traced, validation=False, whole_tree=True)
        calls["bare"] = system_calls.of_bare_command()
    return Figure(
        how=(
            f"One worker, alone, with {FEW} and with {many} no-op tasks; the difference per task. Commits are counted "
            "inside the worker, system calls by strace in separate runs. Agents are what the worker started and "
            "waited for; xargs with the same command, one at a time, is shown for comparison. A result is synced "
            "before the worker claims again."
        ),
        tables=(
            _time_table(costs, bare_wall_ms),
            _cpu_table(costs, bare_ms),
            _commit_table(costs, calls),
            *_call_tables(calls),
        ),
        targets=tuple(_targets(calls)),
        plots=_plots(costs, bare_ms, calls),
        notes=() if calls else (f"{tools.STRACE.missing_text()}: no syncs, no system calls",),
        raw={
            "costs": {name: asdict(cost) for name, cost in costs.items()},
            "bare_ms": bare_ms,
            "bare_wall_ms": bare_wall_ms,
            "calls": calls,
        },
    )


def _cost(many: int, *, validation: bool) -> Cost:
    few, more = (_spent(count, validation=validation) for count in (FEW, many))
    return Cost(**{name: (more[name] - few[name]) / (many - FEW) for name in more})


def _spent(count: int, *, validation: bool) -> dict[str, float]:
    """What a worker's whole life took, by the names of a cost."""
    with bench_swarm(validation=validation) as swarm:
        report = swarm.folder / "report"
        used = let_work(swarm, noop_tasks(count), measured_worker(COUNTING, report))
        measured = json.loads(report.read_text())
        wall_ms = swarm.db.connection.value(
            "SELECT max(completed_at) - (SELECT min(claimed_at) FROM attempts) FROM tasks"
        )
    return {
        "wall_ms": float(wall_ms),
        **asdict(used),
        "commits": measured["commits"],
        "durable": measured["syncs"],
        "in_commits_ms": 1000 * measured["commit_s"],
        "in_syncs_ms": 1000 * measured["sync_s"],
        "for_lock_ms": 1000 * measured["lock_s"],
    }


def _time_table(costs: dict[str, Cost], bare_wall_ms: float) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (name, cost.wall_ms, cost.for_lock_ms, cost.in_commits_ms, cost.in_syncs_ms, cost.wall_ms - cost.in_database_ms)
        for name, cost in costs.items()
    ]
    rows.append(("xargs -P1, one such command", bare_wall_ms, None, None, None, bare_wall_ms))
    columns = ("ms per task, one worker", "in all", "for the lock", "commits", "syncs", "agents and all else")
    return Table(columns=columns, rows=tuple(rows))


def _cpu_table(costs: dict[str, Cost], bare_ms: float) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (name, cost.worker_ms, cost.keeper_ms, cost.agents_ms, cost.worker_ms + cost.keeper_ms + cost.agents_ms)
        for name, cost in costs.items()
    ]
    rows.append(("xargs, one such command", None, None, None, bare_ms))
    return Table(columns=("CPU ms per task", "worker", "keeper", "agents", "together"), rows=tuple(rows))


def _commit_table(costs: dict[str, Cost], calls: dict[str, system_calls.Calls]) -> Table:
    return Table(
        columns=("per task", "commits", "durable", "all syncs"),
        rows=tuple(
            (
                f"commits, {name}",
                cost.commits,
                cost.durable,
                _syncs(calls[name]) if calls else None,
            )
            for name, cost in costs.items()
        ),
    )


def _syncs(calls: system_calls.Calls) -> float:
    return sum(calls.get(call, 0.0) for call in system_calls.SYNCS)


def _targets(calls: dict[str, system_calls.Calls]) -> Iterator[Target]:
    for name, _ in _MODES if calls else ():
        yield Target(text=f"syncs of a task, {name}", value=_syncs(calls[name]), limit=MOST_SYNCS)


def _call_tables(calls: dict[str, system_calls.Calls]) -> list[Table]:
    if not calls:
        return []
    rows: list[tuple[Cell, ...]] = [(f"the worker, {name}", sum(calls[name].values())) for name, _ in _MODES]
    rows.append(("worker and agent, builder only", sum(calls["tree"].values())))
    rows.append((f"of these the bare agent, {' '.join(COMMAND)}", sum(calls["bare"].values())))
    return [Table(columns=("system calls per task", "number"), rows=tuple(rows))]


def _plots(costs: dict[str, Cost], bare_ms: float, calls: dict[str, system_calls.Calls]) -> dict[str, Bars]:
    cost = costs["builder only"]
    parts = (("worker", cost.worker_ms), ("keeper", cost.keeper_ms))
    plots = {
        "cpu": Bars(
            title="Processor time of a no-op task",
            unit="ms",
            bars=(*parts, ("agent", cost.agents_ms), ("xargs, one such command", bare_ms)),
            accented=frozenset(name for name, _ in parts),
        )
    }
    if calls:
        most = Counter(calls["builder only"]).most_common(BARS)
        shown = tuple((call, number) for call, number in most if number >= LEAST_SHOWN)
        plots["calls"] = Bars(title="System calls of a worker per task", unit="", bars=shown)
    return plots
