"""How long a task waits for its worktree, from a spare and without one, and how many checkouts a run leaves on disk."""

from __future__ import annotations

import os
import shutil
import sysconfig
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from live_swarm import LiveSwarm

from bench.figure import Figure, Scale, Table, Target
from bench.harness import bench_swarm, crew, resume, wait_idle, wait_until
from bench.landings import bare_checkout, commit_all, fill
from swarm_shared.domain.models import TaskSpec
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.recycle import recycle
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.runner import Git
from swarm_shared.git.snapshots.snapshot import take_snapshot
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees

TITLE = "Worktrees at hand"
SMALL, BIG = 10_000, 42_000  # files of the repository
LIMIT_MS, LIMIT_BIG_MS = 100.0, 300.0
WORKERS = 4
LIMIT_CHECKOUTS = 9
LIMIT_SETUPS = 8  # a worker and a spare for each


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Milliseconds, each the median of some rounds: with a spare, without, and git's own command by itself."""

    files: int
    spare: float
    fresh: float
    bare: float
    recycling: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """After a run: the most checkouts at a time, those at its end, and how often its setup command ran."""

    files: int
    most: int
    at_end: int
    setups: int


def measure(scale: Scale) -> Figure:
    """All of a size within the same minutes."""
    projects = scale.pick(_FEW_PROJECTS, _PROJECTS)
    waits = {name: _waits(make, scale.pick(3, 7)) for name, make in projects.items()}
    tasks = scale.pick(24, 100)
    left = {name: _left(tasks, make) for name, make in projects.items()}
    return Figure(
        how=(
            "A worktree opened for a task whose base has one more landed file than the spare, beside one without a "
            f"spare and `git worktree add`; and {tasks} landed tasks of {WORKERS} workers with a setup command that "
            "keeps its folder. The real project is the Python packages that are installed beside the benchmark."
        ),
        tables=(
            Table(
                columns=(
                    "project",
                    "files",
                    "from a spare, ms",
                    "without, ms",
                    "git worktree add, ms",
                    "recycling, ms",
                ),
                rows=tuple(
                    (name, f"{each.files:,}", each.spare, each.fresh, each.bare, each.recycling)
                    for name, each in waits.items()
                ),
            ),
            Table(
                columns=("project", "files", "tasks", "checkouts at most", "at the end", "setup commands"),
                rows=tuple((name, f"{n.files:,}", tasks, n.most, n.at_end, n.setups) for name, n in left.items()),
            ),
        ),
        targets=(
            *(
                Target(
                    text=f"claim to files ready, {name}, {each.files:,} files",
                    value=each.spare,
                    limit=LIMIT_MS if each.files < BIG else LIMIT_BIG_MS,
                    unit="ms",
                )
                for name, each in waits.items()
            ),
            Target(
                text=f"checkouts at a time, {tasks} tasks, any project",
                value=max(each.most for each in left.values()),
                limit=LIMIT_CHECKOUTS,
            ),
            Target(
                text=f"setup commands, {tasks} tasks, any project",
                value=max(each.setups for each in left.values()),
                limit=LIMIT_SETUPS,
            ),
        ),
        raw={
            "waits": {name: asdict(each) for name, each in waits.items()},
            "left": {name: asdict(each) for name, each in left.items()},
        },
    )


def _waits(make: Callable[[LiveSwarm], None], rounds: int) -> Waits:
    with bench_swarm() as swarm:
        make(swarm)
        git = Git(cwd=swarm.project, environ={**os.environ, **swarm.settings})
        repository = Repository.find(swarm.project, git=git)
        assert repository is not None
        integration = Integration(repository=repository)
        assert repository.head_sha is not None
        integration.begin(repository.head_sha)
        trees = TaskWorktrees(repository, swarm.folder / "state" / "worktrees")
        times: dict[str, list[float]] = {"spare": [], "fresh": [], "bare": [], "recycling": []}
        for number in range(rounds):
            times["fresh"].append(_task(trees, integration, f"fresh-{number}"))
            times["recycling"].append(_ms(lambda name=f"fresh-{number}": recycle(trees, integration, name, spares=1)))
            _land_one(trees, integration, f"other-{number}")
            times["spare"].append(_task(trees, integration, f"warm-{number}"))
            recycle(trees, integration, f"warm-{number}", spares=0)
            times["bare"].append(bare_checkout(swarm, swarm.folder / f"bare-{number}")[0])
        return Waits(files=_files_in(swarm), **{name: median(found) for name, found in times.items()})


def _task(trees: TaskWorktrees, integration: Integration, safe: str) -> float:
    """Milliseconds until a task's files are ready; then it lands."""
    tip = str(integration.tip())
    began = time.monotonic()
    opened = trees.open(safe, tip, holder_is_dead=lambda _: True)
    waited = 1000 * (time.monotonic() - began)
    (opened.cwd / f"{safe}.txt").write_text(safe)
    made = take_snapshot(opened.checkout, safe=safe, base_sha=tip, message="work\n")
    merge = integration.plan_landing(made.head_sha, tip=tip, task_id=safe, attempt_id="1", name=safe)
    assert merge.new is not None
    integration.advance(merge.new, old=tip)
    return waited


def _land_one(trees: TaskWorktrees, integration: Integration, name: str) -> None:
    """Move the integration branch by a file, as others do meanwhile."""
    tip = str(integration.tip())
    git = trees.repository.git
    blob = git.ask("hash-object", "-w", "--stdin", stdin=name.encode()).out.decode().strip()
    index = git.with_index(trees.root.parent / "index")
    index.ask("read-tree", tip)
    index.ask("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}.txt")
    made = git.line("commit-tree", index.line("write-tree"), "-p", tip, "-m", name)
    integration.advance(made, old=tip)


def _ms(call: object) -> float:
    began = time.monotonic()
    call()  # type: ignore[operator]
    return 1000 * (time.monotonic() - began)


def _real(swarm: LiveSwarm) -> None:
    """Some thousand files of all sizes, in folders as people make them."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".git*")
    shutil.copytree(sysconfig.get_path("purelib"), swarm.project, ignore=ignored, dirs_exist_ok=True)
    commit_all(swarm)


_FEW_PROJECTS: dict[str, Callable[[LiveSwarm], None]] = {"synthetic, small": lambda swarm: fill(swarm, SMALL)}
_PROJECTS = _FEW_PROJECTS | {"synthetic, big": lambda swarm: fill(swarm, BIG), "real": _real}


def _left(tasks: int, make: Callable[[LiveSwarm], None]) -> Left:
    with bench_swarm() as swarm:
        (swarm.project / "lock.json").write_text("1\n")
        make(swarm)
        files = _files_in(swarm)
        swarm.settings |= {"SWARM_ISOLATION": "worktree"}
        ran = swarm.folder / "ran"
        ran.touch()
        setup = f"{{run: 'mkdir -p deps && echo ran >> {ran}', inputs: [lock.json], keep: [deps]}}"
        (swarm.folder / "swarm.yaml").write_text(f"setup: {setup}\n")
        swarm.add(*(TaskSpec(id=f"t{n}", name=f"task {n}", run=f"echo {n} > own-{n}.txt") for n in range(tasks)))
        state, most = swarm.folder / "tasks.db.swarm", 0
        crew(swarm, WORKERS)
        resume(swarm)

        def done() -> bool:
            nonlocal most
            most = max(most, _checkouts(state))
            return swarm.db.connection.value("SELECT sum(tasks) FROM counters WHERE status = 'completed'") == tasks

        wait_until(done, "the end of all tasks", swarm=swarm, s=900)
        wait_idle(swarm, WORKERS)
        wait_until(lambda: not _folders(state / "worktrees"), "an end of recycling", swarm=swarm, s=300)
        return Left(files=files, most=most, at_end=_checkouts(state), setups=len(ran.read_text().split()))


def _files_in(swarm: LiveSwarm) -> int:
    return sum(len(names) for at, _, names in os.walk(swarm.project) if ".git" not in Path(at).parts)


def _checkouts(state: Path) -> int:
    """Each counted once, including one that is just being renamed from a task's path to a spare's."""
    return len({one.inode() for name in ("worktrees", "spares") for one in _folders(state / name)})


def _folders(root: Path) -> list[os.DirEntry[str]]:
    if not root.is_dir():
        return []
    with os.scandir(root) as entries:
        return list(entries)
