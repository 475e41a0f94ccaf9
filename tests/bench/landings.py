"""What a worktree and landing cost a task: beside the same tasks in one folder, with git's own share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from live_swarm import LiveSwarm

from bench.desk import bench_swarm
from bench.figure import Bars, Figure, Scale, Table, Target, percentile
from bench.one_worker import let_work
from swarm_shared.domain.models import TaskSpec

TITLE = "Cost of a worktree and of landing"
FILES, FILES_IN_FOLDER = 10_000, 100
FILE_BYTES = 2_000
FEW = 2  # subtracted from a longer queue, so that the first worktree of a fresh repository does not count
LIMIT_MS = 150.0
LIMIT_PROCESSES = 14
LANDING_LIMIT_MS = 200.0  # 95 of 100 landings, from claim to end
BARS = 12
_TIMING = Path(__file__).with_name("git_timed_worker.py")
_PERSON = "[user]\n\tname = Ada Person\n\temail = ada@example.org\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Milliseconds per task; `verbs` by git's verb: how often, and milliseconds; `landings` one by one."""

    wall_ms: float
    verbs: dict[str, tuple[float, float]]
    landings_ms: tuple[float, ...] = ()

    @property
    def git_ms(self) -> float:
        return sum(ms for _, ms in self.verbs.values())

    @property
    def processes(self) -> float:
        return sum(count for count, _ in self.verbs.values())


def measure(scale: Scale) -> Figure:
    """Both kinds in turns: what one minute of this machine gives, it gives to both."""
    many = FEW + scale.pick(4, 10)
    rounds = [(_per_task(many, "none"), _per_task(many, "worktree")) for _ in range(scale.pick(1, 2))]
    bare_ms = median(_bare_checkout_ms(scale.pick(2, 5)))
    extras = [landed.wall_ms - plain.wall_ms for plain, landed in rounds]
    git_ms = median(landed.git_ms for _, landed in rounds)
    landings = [ms for _, landed in rounds for ms in landed.landings_ms]
    last = rounds[-1][1].verbs
    verbs = sorted(last, key=lambda verb: -last[verb][1])
    return Figure(
        how=(
            f"One worker, tasks that write one file each, in a repository of {FILES:,} files of {FILE_BYTES:,} bytes, "
            "without checks and gate: once with a worktree per task and landing, once all in the project folder. Per "
            f"task, as the difference between {many} and {FEW} tasks; git's share is the time from the start of its "
            "processes to their end."
        ),
        tables=(
            Table(
                columns=("ms per task", "project folder", "worktree and landing", "difference", "in git"),
                rows=tuple(
                    (f"round {number}", plain.wall_ms, landed.wall_ms, landed.wall_ms - plain.wall_ms, landed.git_ms)
                    for number, (plain, landed) in enumerate(rounds, 1)
                ),
            ),
            Table(
                columns=("git per task", "commands", "ms"),
                rows=tuple((verb, *last[verb]) for verb in verbs),
            ),
        ),
        targets=(
            Target(text="worktree and landing, per task", value=median(extras), limit=LIMIT_MS, unit="ms"),
            Target(text="git processes, per task", value=rounds[-1][1].processes, limit=LIMIT_PROCESSES),
            Target(
                text="one landing, 95th percentile", value=percentile(landings, 0.95), limit=LANDING_LIMIT_MS, unit="ms"
            ),
        ),
        plots={
            "landing": Bars(
                title="Where a worktree and landing spend their time",
                unit="ms",
                bars=(
                    ("the swarm itself", max(0.0, median(extras) - git_ms)),
                    *((f"git {verb}", last[verb][1]) for verb in verbs[:BARS]),
                ),
                accented=frozenset({"the swarm itself"}),
            )
        },
        notes=(
            f"of the difference, {git_ms:.0f} ms are spent waiting for git ({git_ms / median(extras):.0%})",
            f"a bare `git worktree add` of the same repository, by hand, in the same minutes: {bare_ms:.0f} ms",
        ),
        raw={
            "bare_ms": bare_ms,
            "rounds": [(asdict(plain), asdict(landed)) for plain, landed in rounds],
        },
    )


def _per_task(many: int, isolation: str) -> Spent:
    few, more = _whole(FEW, isolation), _whole(many, isolation)
    each = many - FEW
    verbs = {
        verb: tuple((value - less) / each for value, less in zip(found, few.verbs.get(verb, (0.0, 0.0)), strict=True))
        for verb, found in more.verbs.items()
    }
    wall_ms = (more.wall_ms - few.wall_ms) / each
    return Spent(wall_ms=wall_ms, verbs=verbs, landings_ms=more.landings_ms)  # type: ignore[arg-type]  # pairs stay pairs


def _bare_checkout_ms(count: int) -> list[float]:
    """What git alone takes to check the same files out on this disk."""
    with bench_swarm() as swarm:
        fill(swarm)
        times: list[float] = []
        for number in range(count):
            began = time.monotonic()
            subprocess.run(
                ["git", "worktree", "add", "--quiet", "--detach", str(swarm.folder / f"bare-{number}")],
                cwd=swarm.project,
                env={**os.environ, **swarm.settings},
                check=True,
            )
            times.append(1000 * (time.monotonic() - began))
    return times


def _whole(count: int, isolation: str) -> Spent:
    """A whole queue, from the first claim to the last completion."""
    with bench_swarm() as swarm:
        fill(swarm)
        swarm.settings |= {"SWARM_ISOLATION": isolation}
        report = swarm.folder / "report"
        tasks = [TaskSpec(id=f"t{n}", name=f"task {n}", run=f"echo {n} > own-{n}.txt") for n in range(count)]
        let_work(swarm, tasks, [sys.executable, str(_TIMING), str(report)])
        wall_ms = swarm.db.connection.value(
            "SELECT max(completed_at) - (SELECT min(claimed_at) FROM attempts) FROM tasks"
        )
        verbs = {verb: (number, 1000 * s) for verb, (number, s) in json.loads(report.read_text()).items()}
        landed = swarm.db.connection.rows("SELECT ended_at - claimed_at FROM attempts WHERE kind = 'landing'")
    return Spent(wall_ms=float(wall_ms), verbs=verbs, landings_ms=tuple(float(ms) for (ms,) in landed))


def fill(swarm: LiveSwarm, files: int = FILES) -> None:
    """Make the project a repository with as many files as a big one has."""
    for number in range(files):
        path = swarm.project / f"folder-{number // FILES_IN_FOLDER}" / f"file-{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{number}\n" * (FILE_BYTES // (len(str(number)) + 1)))
    commit_all(swarm)


def commit_all(swarm: LiveSwarm) -> None:
    """Make a repository of what lies in the project's folder."""
    settings = swarm.folder / "gitconfig"
    settings.write_text(_PERSON)
    swarm.settings |= {"GIT_CONFIG_GLOBAL": str(settings), "GIT_CONFIG_NOSYSTEM": "1"}
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "first")):
        subprocess.run(["git", *words], cwd=swarm.project, env={**os.environ, **swarm.settings}, check=True)
