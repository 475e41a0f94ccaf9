"""The six states that every screen of the dashboard must be true and readable in, each as a made-up database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from demo_queue import OBJECTION, WORKERS, Demo, begun, builder_lines, fill, specs

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import FailureClass, HoldReason, Outcome, Role, Stage, TaskSpec, Verb
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.policy import AttemptResult, Budgets
from swarm_shared.store.swarm.swarm import EMERGENCY_STOP

MISSING = "error[E0433]: failed to resolve: use of undeclared crate or module `almanac`"
HOSTILE = (
    '<img src=x onerror="alert(1)"> <script>alert(2)</script>',
    "\x1b[31mred\x1b[0m and \u202eright to left\u202c",
    "a/path/without/any/place/to/break/" + "x" * 150,
    "名前 名前 🦀 Ñandú ﷽",
    "a name that is long: " + "really, " * 40 + "to the end",
)
MANY = 3_000


def empty(path: Path) -> None:
    """A new database, before anything was imported or started."""
    TaskDatabase(path).close()


def failures(path: Path) -> None:
    """Half of it failed for three causes, others ask or are held, a sign-in was rejected, and no worker runs."""
    with begun(path, specs(), hours_ago=2.2) as demo:
        for turn in range(8):
            demo.work(demo.claimants[turn % WORKERS])
            demo.land(demo.claimants[turn % WORKERS])
        for turn in range(12):
            error = MISSING if turn % 3 else OBJECTION if turn % 2 else "no sign of progress for 30 minutes"
            demo.work(demo.claimants[turn % WORKERS], fails=error, retries=0)
        ask(demo, "Which of the two page formats shall I keep? Both are documented.")
        trouble = Trouble(kind=TroubleKind.CREDENTIALS, text="401 Unauthorized: the key was revoked")
        settle(demo, AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.PROVIDER, trouble=trouble))
        demo.clock.pass_s(10**6)
        leave(demo)


def done(path: Path) -> None:
    """Everything passed and landed, and the swarm has left."""
    with begun(path, specs(), hours_ago=9) as demo:
        for turn in range(len(specs())):
            demo.work(demo.claimants[turn % WORKERS])
            demo.land(demo.claimants[turn % WORKERS])
        leave(demo)
        demo.db.swarm.end_service("reaper", ProcessId.mine())


def stopped(path: Path) -> None:
    """Emergency stop was pressed while it was working."""
    with begun(path, specs(), hours_ago=1.6) as demo:
        for turn in range(14):
            demo.work(demo.claimants[turn % WORKERS], fails=OBJECTION if turn == 6 else None)
            demo.land(demo.claimants[turn % WORKERS])
        interrupted: dict[str, Any] = {"failure_class": FailureClass.INTERRUPTED, "error": "the swarm was stopped"}
        settle(demo, AttemptResult(outcome=Outcome.FAILED, **interrupted))
        demo.clock.pass_s(10**6)
        demo.db.swarm.set_flag(EMERGENCY_STOP, actor="dashboard")
        demo.asked(Verb.EMERGENCY_STOP, "emergency stop")
        leave(demo)


def large(path: Path) -> None:
    """Thousands of tasks, with texts that are long, foreign or hostile."""
    tasks = [
        TaskSpec(
            id=f"{HOSTILE[n % 3] if n % 500 == 3 else 'task'}-{n}",
            name=HOSTILE[n % len(HOSTILE)] if n % 7 == 3 else f"Part {n} of the migration",
            phase=f"wave {n // 150}" if n % 600 else HOSTILE[n // 600 % len(HOSTILE)],
            description="\n\n".join(HOSTILE),
            dependencies=(f"task-{n - 150}",) if n > 1_000 and n % 5 == 1 else (),
            estimated_hours=0.25,
        )
        for n in range(MANY)
    ]
    with begun(path, tasks) as demo:
        for turn in range(60):
            fails = HOSTILE[turn % len(HOSTILE)] if turn % 4 == 1 else None
            demo.work(demo.claimants[turn % WORKERS], fails=fails, retries=0)
            demo.land(demo.claimants[turn % WORKERS], refused=HOSTILE[0] if turn == 50 else None)
        ask(demo, HOSTILE[4])
        for claimant in demo.claimants[:3]:
            claim = demo.db.queue.claim(claimant)
            assert claim is not None
            demo.session(claim, Role.BUILDER, Stage.BUILDING, [*HOSTILE, *builder_lines(claim.task_id)])
        demo.clock.pass_s(10**6)


# By name, in the order of a run: how the database is filled.
STATES: Mapping[str, Callable[[Path], None]] = {
    "empty": empty,
    "running": fill,
    "failures": failures,
    "done": done,
    "stopped": stopped,
    "large": large,
}


def settle(demo: Demo, result: AttemptResult) -> None:
    """An attempt that ends with this result."""
    claim = demo.db.queue.claim(demo.claimants[0])
    assert claim is not None
    demo.session(claim, Role.BUILDER, Stage.BUILDING, builder_lines(claim.task_id))
    demo.db.queue.settle(claim, result, Budgets(max_retries=2))


def ask(demo: Demo, question: str) -> None:
    """A builder that cannot continue without an answer."""
    held: dict[str, Any] = {
        "failure_class": FailureClass.INTERRUPTED,
        "hold": HoldReason.QUESTION,
        "question": question,
    }
    settle(demo, AttemptResult(outcome=Outcome.FAILED, error=f"the builder asks: {question}", **held))


def leave(demo: Demo) -> None:
    """The workers end."""
    for claimant in demo.claimants:
        demo.db.workers.end(claimant.run, crashed=False, reason="the swarm was stopped")
