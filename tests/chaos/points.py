"""Named points in the programs, at a wrapped method each, at which a process kills itself.

The wrapping is done in the test's own launcher, after importing and before `main`: the programs know nothing of it.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

WORKER, KEEPER, REAPER, IMPORT = "worker", "keeper", "reaper", "import"
DAWDLE_S = 0.3
_TREE = "swarm_worker.processes.session_tree:Tree"
_CONNECTION = "swarm_shared.store.engine.connection:Connection"
_QUEUE = "swarm_shared.store.queue.queue:Queue"
_WORKERS = "swarm_shared.store.swarm.workers:Workers"
_RECOVERY = "swarm_shared.store.queue.recovery:Recovery"
_REAPING = "swarm_shared.reaping:Reaping"
_IMPORTS = "swarm_shared.store.importing.imports:Imports"
_LANDINGS = "swarm_shared.store.queue.landings:Landings"
_SPARES = "swarm_shared.git.worktrees.spares"
_PROCESS = "swarm_shared.git.running.process"
_FILLING = "swarm_shared.git.worktrees.filling"
_SETTLE = "swarm_shared.store.queue.settlement:Settlement.settle"

Picks = Callable[[tuple[Any, ...], Any], bool]


def _any(arguments: tuple[Any, ...], result: Any) -> bool:
    return True


def _gave_something(arguments: tuple[Any, ...], result: Any) -> bool:
    return bool(result)


def _told(name: str) -> Picks:
    """Calls that returned a list with such an event in it."""
    return lambda arguments, result: any(type(event).__name__ == name for event in result)


def _of_a_new_spare(arguments: tuple[Any, ...], result: Any) -> bool:
    """Calls whose first argument is a checkout without a task."""
    checkout = arguments[1]
    return bool(checkout.path.parent.name == "filling")


def _is_a_gentle_checkout(arguments: tuple[Any, ...], result: Any) -> bool:
    """The process that writes files at low priority, which is already running."""
    command = arguments[0].args
    return command[0] == "nice" and "reset" in command


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where a process of `program` ends.

    Args:
        target: `module:Class.method`, or `module:function`.
        after: Once the call has returned; else before it begins.
        picks: Which calls count, by their arguments (the object first) and, after it, what it gave.
        latest: The pass at which it happens is drawn from 1 to this.
    """

    program: str
    target: str
    after: bool
    picks: Picks = _any
    latest: int = 3


def _before(program: str, target: str, picks: Picks = _any, latest: int = 3) -> Point:
    return Point(program=program, target=target, after=False, picks=picks, latest=latest)


def _after(program: str, target: str, picks: Picks = _any, latest: int = 3) -> Point:
    return Point(program=program, target=target, after=True, picks=picks, latest=latest)


POINTS: Mapping[str, Point] = MappingProxyType(
    {
        "worker: registered": _after(WORKER, f"{_WORKERS}.register", latest=1),
        "worker: between two statements": _before(WORKER, f"{_CONNECTION}.change", latest=80),
        "worker: before a commit": _before(WORKER, f"{_CONNECTION}.finish", latest=40),
        "worker: after a commit, before its sync": _after(WORKER, f"{_CONNECTION}.finish", latest=40),
        "worker: claim committed": _after(WORKER, f"{_QUEUE}.claim", _gave_something),
        "worker: before the spawn": _before(WORKER, f"{_TREE}.start"),
        "worker: just spawned": _after(WORKER, f"{_TREE}.start"),
        "worker: agent exited, nothing done about it": _after(WORKER, f"{_TREE}.events", _told("Exited"), 6),
        "worker: tree ended, nothing done about it": _after(WORKER, f"{_TREE}.events", _told("Gone")),
        "worker: spawned, pid not recorded": _before(WORKER, f"{_QUEUE}.session_runs"),
        "worker: spawned, pid recorded": _after(WORKER, f"{_QUEUE}.session_runs"),
        "worker: session over, not settled": _before(WORKER, f"{_QUEUE}.settle"),
        "worker: inside the settling transaction": _after(WORKER, _SETTLE),
        "worker: settled": _after(WORKER, f"{_QUEUE}.settle"),
        "keeper: worker dead, tree not ended": _before(
            KEEPER, "swarm_worker.processes.keeper:_end_all_whatever_fails", latest=1
        ),
        "keeper: worker dead, proof not written": _before(KEEPER, f"{_WORKERS}.record_tree_gone", latest=1),
        "keeper: worker dead, proof written": _after(KEEPER, f"{_WORKERS}.record_tree_gone", latest=1),
        "reaper: registered": _after(REAPER, "swarm_shared.store.swarm.swarm:Swarm.register_service", latest=1),
        "reaper: between two statements": _before(REAPER, f"{_CONNECTION}.change", latest=40),
        "reaper: before a commit": _before(REAPER, f"{_CONNECTION}.finish", latest=20),
        "reaper: orphan found, not fenced": _before(REAPER, f"{_RECOVERY}.fence"),
        "reaper: fenced": _after(REAPER, f"{_RECOVERY}.fence", _gave_something),
        "reaper: tree not gone yet": _after(REAPER, f"{_REAPING}._clear_the_way", _gave_something),
        "reaper: in the sweep by marks": _after(REAPER, f"{_REAPING}._sweep", latest=1),
        "reaper: tree gone, not settled": _before(REAPER, f"{_RECOVERY}.close"),
        "reaper: inside the settling transaction": _after(REAPER, _SETTLE),
        "reaper: settled": _after(REAPER, f"{_RECOVERY}.close"),
        "reaper: worker's row not ended": _before(REAPER, f"{_WORKERS}.end"),
        "reaper: worker's row ended": _after(REAPER, f"{_WORKERS}.end"),
        "import: schema made, not committed": _before(IMPORT, "swarm_shared.store.engine.schema:_stamp", latest=1),
        "import: schema committed": _after(IMPORT, "swarm_shared.store.engine.schema:prepare", latest=1),
        "import: between two statements": _before(IMPORT, f"{_CONNECTION}.change", latest=100),
        "import: before a commit": _before(IMPORT, f"{_CONNECTION}.finish", latest=20),
        "import: after a commit, before its sync": _after(IMPORT, f"{_CONNECTION}.finish", latest=20),
        "import: opened, nothing staged": _after(IMPORT, f"{_IMPORTS}._open", latest=1),
        "import: staged, not published": _after(IMPORT, f"{_IMPORTS}._stage", latest=1),
        "import: inside a publishing transaction": _after(
            IMPORT, "swarm_shared.store.importing.writing:Writing.apply", latest=60
        ),
        "import: published": _after(IMPORT, f"{_IMPORTS}._publish", latest=1),
    }
)

# With worktrees a worker's points are those of landing, so that it lives to reach them.
LANDING_POINTS: Mapping[str, Point] = MappingProxyType(
    {
        "lander: head noted": _after(WORKER, f"{_LANDINGS}.note_head", latest=2),
        "lander: landing claimed": _after(WORKER, f"{_LANDINGS}.claim", _gave_something, 2),
        "lander: before the point of no return": _before(WORKER, f"{_LANDINGS}.pass_point_of_no_return", latest=2),
        "lander: past it, branch not moved": _after(WORKER, f"{_LANDINGS}.pass_point_of_no_return", latest=2),
        "lander: branch moved, tip not noted": _before(WORKER, f"{_LANDINGS}.note_tip", latest=2),
        "lander: tip noted": _after(WORKER, f"{_LANDINGS}.note_tip", latest=2),
        "lander: landed, not recorded": _before(WORKER, f"{_LANDINGS}.record_landed", latest=2),
        "recycler: landed worktree found": _before(WORKER, "swarm_worker.workplaces.recycler:recycle"),
        "recycler: cleaned, no spare yet": _before(WORKER, f"{_SPARES}:Spares.add"),
        "recycler: inside making or taking a spare": _before(WORKER, f"{_SPARES}:_write", latest=4),
        "recycler: at the next step of that": _after(WORKER, f"{_SPARES}:_write", latest=4),
        "recycler: spare made": _after(WORKER, f"{_SPARES}:Spares.add"),
        "recycler: spare taken, not put in order": _after(WORKER, f"{_SPARES}:Spares.take", _gave_something),
        "lander: recorded, not settled": _after(WORKER, f"{_LANDINGS}.record_landed", latest=2),
        **{name: point for name, point in POINTS.items() if point.program in (REAPER, IMPORT)},
    }
)
# In separate rounds with idle workers: there no worker dies before a spare is being made.
REFILL_POINTS: Mapping[str, Point] = MappingProxyType(
    {
        "refiller: nothing made yet": _before(WORKER, f"{_FILLING}:Filling.make", latest=2),
        "refiller: registered, not checked out": _after(WORKER, f"{_FILLING}:add_worktree", latest=2),
        "refiller: checked out, no spare yet": _before(WORKER, f"{_SPARES}:Spares.add", _of_a_new_spare, latest=2),
        "refiller: git is checking out": _before(WORKER, f"{_PROCESS}:_read_all", _is_a_gentle_checkout, latest=2),
        "refiller: spare made": _after(WORKER, f"{_FILLING}:Filling.make", latest=2),
        "refiller: about to remove what another one left": _before(WORKER, f"{_FILLING}:remove_worktree", latest=1),
        "refiller: removed what another one left": _after(WORKER, f"{_FILLING}:remove_worktree", latest=1),
    }
)
ALL_POINTS: Mapping[str, Point] = MappingProxyType({**POINTS, **LANDING_POINTS, **REFILL_POINTS})


def arm(name: str, nth: int, deaths: Path, *, by: signal.Signals) -> None:
    """Let this process, or the worker that a keeper forks, send itself a signal at the point's nth pass.

    Args:
        deaths: A file in which it is written down just before.
        by: KILL ends it there; STOP freezes it.
    """
    point, mine, passes = ALL_POINTS[name], os.getpid(), 0

    def reached(arguments: tuple[Any, ...], result: Any) -> None:
        nonlocal passes
        # A worker is a fork of its keeper, with the same wrapping.
        if (os.getpid() == mine) == (point.program == WORKER):
            return
        passes += 1
        if passes == nth:
            write_down(deaths, name)
            os.kill(os.getpid(), by)

    _wrap(point, reached)


def dawdle() -> None:
    """Let a reaper wake every worker that it has just fenced, and wait, before it continues to kill it."""

    def fenced(arguments: tuple[Any, ...], result: Any) -> None:
        attempt = arguments[1]
        if attempt.worker.kill(signal.SIGCONT):
            time.sleep(DAWDLE_S)

    _wrap(ALL_POINTS["reaper: fenced"], fenced)


def write_down(deaths: Path, what: str) -> None:
    """One line in one write."""
    file = os.open(deaths, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, f"{os.getpid()} {what}\n".encode())
    os.close(file)


def _wrap(point: Point, reached: Callable[[tuple[Any, ...], Any], None]) -> None:
    module_name, _, path = point.target.partition(":")
    owner: Any = importlib.import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        if not point.after and point.picks(arguments, None):
            reached(arguments, None)
        result = original(*arguments, **named)
        if point.after and point.picks(arguments, result):
            reached(arguments, result)
        return result

    setattr(owner, name, wrapped)
