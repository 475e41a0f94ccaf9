"""The cost of a worktree and of landing: compared with the same tasks in one folder, with git's own share."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from live_swarm import LiveSwarm

from bench.figure import Bars, Figure, Scale, Table, Target, percentile
from bench.harness import bench_swarm
from bench.one_worker import let_work, measured_worker
from swarm_shared.domain.models import TaskSpec

TITLE = "Cost of a worktree and of landing"
FILES, MANY_FILES, FILES_IN_FOLDER = 10_000, 42_000, 100
FILE_BYTES = 2_000
FIRST = 2  # tasks that do not count: the first worktree of a fresh repository is a whole checkout
LIMIT_MS = 150.0
LIMIT_PROCESSES = 14
LANDING_LIMIT_MS = 200.0  # 95 of 100 landings, from claim to end
BARS = 12
WITHIN_S = 600.0
TIMING = "git_timed_worker.py"
_PERSON = "[user]\n\tname = Ada Person\n\temail = ada@example.org\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Milliseconds of a task: the median of them from one completion to the next, and processor time of the worker.

    `verbs` by git's verb: how often per task, milliseconds from start to end, and of processor time. `landings_ms`
    from claim to end, one by one.
    """

    wall_ms: float
    worker_ms: float
    verbs: dict[str, tuple[float, float, float]]
    landings_ms: tuple[float, ...]

    @property
    def git_ms(self) -> float:
        return sum(ms for _, ms, _ in self.verbs.values())

    @property
    def git_cpu_ms(self) -> float:
        return sum(ms for _, _, ms in self.verbs.values())

    @property
    def processes(self) -> float:
        return sum(count for count, _, _ in self.verbs.values())


def measure(scale: Scale) -> Figure:
    """Both kinds in turns, so that changes in the speed of the machine affect both."""
    many = FIRST + scale.pick(8, 20)
    sizes = scale.pick((FILES,), (FILES, FILES, MANY_FILES))
    rounds = [(files, _spent(many, files, "none"), _spent(many, files, "worktree")) for files in sizes]
    bare = {files: _bare_checkouts(files, scale.pick(2, 5)) for files in dict.fromkeys(sizes)}
    small = [(plain, landed) for files, plain, landed in rounds if files == FILES]
    extra_ms = median(landed.wall_ms - plain.wall_ms for plain, landed in small)
    git_ms = median(landed.git_ms for _, landed in small)
    verbs = small[-1][1].verbs
    by_time = sorted(verbs, key=lambda verb: -verbs[verb][1])
    return Figure(
        how=(
            f"One worker, {many} tasks that write one file each, in a repository of files of {FILE_BYTES:,} bytes, "
            "without checks and gate: once with a worktree per task and landing, once all in the project folder. Per "
            f"task: the median time from one completion to the next without the first {FIRST}, and the mean of "
            "processor time. Git's share is the time from the start of its processes to their end."
        ),
        tables=(
            Table(
                columns=(
                    *("files", "project folder, ms", "worktree and landing, ms", "difference, ms"),
                    *(
                        "processor time of git, ms",
                        "of the worker, ms",
                        "git worktree add, ms",
                        "its processor time, ms",
                    ),
                ),
                rows=tuple(
                    (
                        *(f"{files:,}", plain.wall_ms, landed.wall_ms, landed.wall_ms - plain.wall_ms),
                        *(landed.git_cpu_ms, landed.worker_ms, *bare[files]),
                    )
                    for files, plain, landed in rounds
                ),
            ),
            Table(
                columns=("git per task", "commands", "ms", "processor ms"),
                rows=tuple((verb, *verbs[verb]) for verb in by_time),
            ),
        ),
        targets=(
            Target(text="worktree and landing, per task", value=extra_ms, limit=LIMIT_MS, unit="ms"),
            Target(text="git processes, per task", value=small[-1][1].processes, limit=LIMIT_PROCESSES),
            Target(
                text="one landing, 95th percentile",
                value=percentile([ms for _, landed in small for ms in landed.landings_ms], 0.95),
                limit=LANDING_LIMIT_MS,
                unit="ms",
            ),
        ),
        plots={
            "landing": Bars(
                title="Where a worktree and landing spend their time",
                unit="ms",
                bars=(
                    ("the swarm itself", max(0.0, extra_ms - git_ms)),
                    *((f"git {verb}", verbs[verb][1]) for verb in by_time[:BARS]),
                ),
                accented=frozenset({"the swarm itself"}),
            )
        },
        raw={
            "bare": bare,
            "rounds": [(files, asdict(plain), asdict(landed)) for files, plain, landed in rounds],
        },
    )


def _bare_checkouts(files: int, count: int) -> tuple[float, float]:
    """What git alone takes to check the same files out on this disk: from start to end, and of processor time."""
    with bench_swarm() as swarm:
        fill(swarm, files)
        found = [bare_checkout(swarm, swarm.folder / f"bare-{number}") for number in range(count)]
        return median(wall_ms for wall_ms, _ in found), median(cpu_ms for _, cpu_ms in found)


def bare_checkout(swarm: LiveSwarm, at: Path) -> tuple[float, float]:
    """Milliseconds of one `git worktree add` from start to end, and of its processor time."""
    began, used = time.monotonic(), os.times()
    command = ["git", "worktree", "add", "--quiet", "--detach", str(at)]
    subprocess.run(command, cwd=swarm.project, env={**os.environ, **swarm.settings}, check=True)
    after = os.times()
    cpu_s = after.children_user - used.children_user + after.children_system - used.children_system
    return 1000 * (time.monotonic() - began), 1000 * cpu_s


def _spent(count: int, files: int, isolation: str) -> Spent:
    """The time of a task in a queue of so many, without the first ones."""
    with bench_swarm() as swarm:
        fill(swarm, files)
        swarm.settings |= {"SWARM_ISOLATION": isolation}
        report = swarm.folder / "report"
        tasks = [TaskSpec(id=f"t{n}", name=f"task {n}", run=f"echo {n} > own-{n}.txt") for n in range(count)]
        let_work(swarm, tasks, measured_worker(TIMING, report), within_s=WITHIN_S)
        ends = [ms for (ms,) in swarm.db.connection.rows("SELECT completed_at FROM tasks ORDER BY completed_at")]
        landed = swarm.db.connection.rows("SELECT ended_at - claimed_at FROM attempts WHERE kind = 'landing'")
        ran = json.loads(report.read_text())
    counted = ends[FIRST - 1 :]
    each = len(counted) - 1
    found = [one for one in ran if counted[0] <= one[0] < counted[-1]]
    verbs: dict[str, tuple[float, float, float]] = {}
    for _, verb, wall_ms, cpu_ms, _ in found:
        number, wall, cpu = verbs.get(verb, (0.0, 0.0, 0.0))
        verbs[verb] = (number + 1 / each, wall + wall_ms / each, cpu + cpu_ms / each)
    return Spent(
        wall_ms=median(after - before for before, after in pairwise(counted)),
        worker_ms=(found[-1][-1] - found[0][-1]) / each if found else 0.0,
        verbs=verbs,
        landings_ms=tuple(float(ms) for (ms,) in landed),
    )


def fill(swarm: LiveSwarm, files: int = FILES) -> None:
    """Make the project a repository with as many files as a large one has."""
    for number in range(files):
        path = swarm.project / f"folder-{number // FILES_IN_FOLDER}" / f"file-{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{number}\n" * (FILE_BYTES // (len(str(number)) + 1)))
    commit_all(swarm)


def commit_all(swarm: LiveSwarm) -> None:
    """Make a repository of the contents of the project's folder."""
    settings = swarm.folder / "gitconfig"
    settings.write_text(_PERSON)
    swarm.settings |= {"GIT_CONFIG_GLOBAL": str(settings), "GIT_CONFIG_NOSYSTEM": "1"}
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "first")):
        subprocess.run(["git", *words], cwd=swarm.project, env={**os.environ, **swarm.settings}, check=True)
