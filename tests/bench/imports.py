"""Importing a large file with dependencies, compared with the bare YAML parser in C on the same file."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.children import Used, run_measured
from bench.figure import Bars, Cell, Figure, Scale, Table, Target, percentile
from bench.harness import bench_folder
from swarm_shared.database import TaskDatabase

TITLE = "Import of a large file"
MOST_TIMES_PARSER = 2.0
PROBE_EVERY_S = 0.005
_EVENTS = "import sys, yaml\nfor event in yaml.parse(open(sys.argv[1], 'rb'), Loader=yaml.CSafeLoader): pass"
_OBJECTS = "import sys, yaml\nyaml.load(open(sys.argv[1], 'rb'), Loader=yaml.CSafeLoader)"
MOST_PLAN_S = 5.0
PLAN = "plan"
IMPORT, EVENTS, OBJECTS = "import-tasks", "C parser, events", "C parser, objects"


def measure(scale: Scale) -> Figure:
    """Parse and import the same file in turns, each in its own process."""
    count = scale.pick(5_000, 100_000)
    found: dict[str, list[Used]] = {EVENTS: [], OBJECTS: [], IMPORT: [], PLAN: []}
    waits_ms: list[float] = []
    with bench_folder() as folder:
        file, errors = folder / "tasks.yaml", folder / "errors"
        write_tasks(file, count)
        size_mib = file.stat().st_size / 1024**2
        for turn in range(scale.pick(1, 2)):
            # Building objects takes as long as an import and is there for comparison only: once is enough.
            for name, program in ((EVENTS, _EVENTS), (OBJECTS, _OBJECTS))[: 2 if turn == 0 else 1]:
                found[name].append(run_measured([sys.executable, "-c", program, str(file)], errors=errors))
            db = folder / f"tasks-{turn}.db"
            command = [sys.executable, "-m", "amplifier_swarm", "import-tasks", str(file), "--db", str(db)]
            with lock_probe(db, waits_ms):
                found[IMPORT].append(run_measured(command, errors=errors))
            _expect_all(db, count)
            plan = [sys.executable, "-m", "amplifier_swarm", "plan", str(file), "--db", str(folder / "no.db")]
            found[PLAN].append(run_measured(plan, errors=errors))
    base = _wall_s(found[EVENTS])
    return Figure(
        how=(
            f"A file of {count:,} tasks ({size_mib:.1f} MiB), each with a description, criteria, files and one or two "
            "dependencies. Each line is a separate process, including the start of Python. The parser is libyaml in "
            "PyYAML: only its events, or the objects that `yaml.load` builds from them. During the import another "
            f"process's connection asks for the write lock every {PROBE_EVERY_S * 1000:.0f} ms."
        ),
        tables=(
            Table(
                columns=("what", "seconds", "× events", "tasks/s", "CPU s", "peak MiB"),
                rows=tuple(_row(name, runs, count, base) for name, runs in found.items()),
            ),
        ),
        targets=(
            Target(
                text=f"import of {count:,} tasks, beside a bare yaml.load of the file by the C parser",
                value=_wall_s(found[IMPORT]) / _wall_s(found[OBJECTS]),
                limit=MOST_TIMES_PARSER,
                unit="×",
            ),
            Target(
                text=f"plan of {count:,} tasks: critical path, waiting for files, estimate",
                value=_wall_s(found[PLAN]),
                limit=MOST_PLAN_S,
                unit="s",
            ),
        ),
        plots={
            "import": Bars(
                title=f"Reading {count:,} tasks",
                unit="s",
                bars=tuple((name, _wall_s(runs)) for name, runs in found.items()),
                accented=frozenset({IMPORT}),
            )
        },
        notes=(_waits_told(waits_ms),),
        raw={
            **{name: [[used.wall_s, used.cpu_s, used.peak_mib] for used in runs] for name, runs in found.items()},
            "lock_waits_ms": waits_ms,
        },
    )


def write_tasks(file: Path, count: int) -> None:
    """A task file as users write them: texts, lists, and dependencies on earlier tasks."""
    with file.open("w") as out:
        out.write("tasks:\n")
        for n in range(count):
            out.write(
                f'  - id: "{n // 100}.{n % 100}"\n'
                f"    name: Build part {n}\n"
                f"    phase: phase {n // 1000}\n"
                "    type: feature\n"
                f"    priority: {1 + n % 4}\n"
                "    estimated_hours: 1.5\n"
                "    description: |\n"
                f"      Implement part {n} as the design says: read its chapter first,\n"
                "      then write the code with tests, then the documentation.\n"
                "    acceptance_criteria:\n"
                "      - All tests pass\n"
                "      - The manual has a section on it\n"
                f"    files: [src/part_{n}.py, tests/test_part_{n}.py]\n"
            )
            needs = [n - 1] if n % 10 else []
            needs += [n - 37] if n % 3 == 0 and n >= 37 else []
            if needs:
                out.write("    dependencies: [" + ", ".join(f'"{m // 100}.{m % 100}"' for m in needs) + "]\n")


@contextmanager
def lock_probe(db: Path, waits_ms: list[float]) -> Iterator[None]:
    """Meanwhile request the write lock now and then, and record how long it took to get it."""
    over = threading.Event()

    def probe() -> None:
        with TaskDatabase(db) as database:
            while not over.wait(PROBE_EVERY_S):
                began = time.monotonic()
                with database.connection.transaction(durable=False):
                    waits_ms.append((time.monotonic() - began) * 1000)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _expect_all(db: Path, count: int) -> None:
    with TaskDatabase(db, create=False) as database:
        imported = database.connection.value("SELECT count(*) FROM tasks")
    if imported != count:
        raise RuntimeError(f"{imported} tasks arrived instead of {count}")


def _wall_s(runs: list[Used]) -> float:
    return median(used.wall_s for used in runs)


def _waits_told(waits_ms: list[float]) -> str:
    p99 = percentile(waits_ms, 0.99)
    return f"another writer waited up to {max(waits_ms):.0f} ms for the lock (p99 {p99:.0f} ms, {len(waits_ms)} tries)"


def _row(name: str, runs: list[Used], count: int, base: float) -> tuple[Cell, ...]:
    wall_s = _wall_s(runs)
    return (
        name,
        wall_s,
        wall_s / base,
        count / wall_s,
        median(used.cpu_s for used in runs),
        max(used.peak_mib for used in runs),
    )
