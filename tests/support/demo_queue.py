"""A made-up swarm at work, for screenshots of the dashboard and for trying it manually.

python tests/support/demo_queue.py /some/folder/tasks.db
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.budget import Budget, Caps
from swarm_shared.domain.models import FailureClass, Outcome, Role, Stage, TaskSpec, Verb
from swarm_shared.domain.routes import Route, Routing
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.git.plumbing.diffs import Change, Diff, FileChange
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.claims import Claim, Claimant, ClosedSession, SessionReport
from swarm_shared.store.queue.policy import AttemptResult, Budgets
from swarm_shared.store.swarm.workers import Uses
from swarm_shared.store.views.changes import Since

WORKERS = 4
PHASES = {
    "1": (
        "foundation",
        ["Lexer with positions", "Grammar of expressions", "Error recovery in the parser", "Pretty printer"],
    ),
    "2": (
        "storage",
        ["Page cache with pinning", "Write-ahead log", "Crash recovery", "B-tree splits and merges", "Free list"],
    ),
    "3": (
        "query",
        ["Join ordering", "Predicate pushdown", "Hash aggregation", "Sort with spilling", "Window functions"],
    ),
    "4": ("network", ["Wire protocol", "Connection pool", "TLS and certificates", "Cancellation of queries"]),
    "5": (
        "release",
        ["Upgrade from version 1", "Manual: first steps", "Benchmarks against version 1", "Packages for Debian"],
    ),
}
PARTS = ("design", "implementation", "tests", "documentation")
ROUTING = Routing(
    builder=(
        Route(name="max-plan", agent_cli="claude", account="ada", tier=2),
        Route(name="api", agent_cli="claude", model="sonnet", account="team", tier=2),
        Route(name="codex", agent_cli="codex", tier=1),
    ),
    validator=(Route(name="gemini", agent_cli="gemini", model="gemini-2.5-pro"),),
)
BUDGET = Budget(task=Caps(usd=2.0), run=Caps(usd=20.0, minutes=600), day=Caps(tokens=20_000_000))
USED = {Role.BUILDER: (0.29, 41_000), Role.VALIDATOR: (0.12, 14_000)}
OBJECTION = "recovery is not idempotent: a second crash while it runs loses the last page"


CONFLICT = "src/query/2.rs does not merge with what landed meanwhile: both change fn push_down"
PATCH = """\
diff --git a/src/storage/page.rs b/src/storage/page.rs
index 3f1c2aa..b8e9d10 100644
--- a/src/storage/page.rs
+++ b/src/storage/page.rs
@@ -41,9 +41,12 @@ impl Page {
     /// Merge two neighbours; the order of the keys is kept.
     pub fn merge(&mut self, right: &Page) -> Result<(), Full> {
-        let split = self.slots.len();
-        self.slots.extend(right.slots.iter().cloned());
+        if self.used() + right.used() > CAPACITY {
+            return Err(Full);
+        }
+        let split = self.slots.partition_point(|slot| slot.key < right.first_key());
+        self.slots.splice(split.., right.slots.iter().cloned());
         self.checksum = self.compute();
         Ok(())
     }
diff --git a/tests/merge.rs b/tests/merge.rs
new file mode 100644
index 0000000..52d1b0c
--- /dev/null
+++ b/tests/merge.rs
@@ -0,0 +1,4 @@
+#[test]
+fn merge_keeps_order() {
+    assert_eq!(merged(&[1, 3], &[2, 4]), [1, 2, 3, 4]);
+}
"""


class DemoClock:
    """Starts some hours ago and is moved manually up to the present."""

    def __init__(self, hours_ago: float) -> None:
        self._offset = -round(hours_ago * 3_600_000)

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._offset

    def mono_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000 + self._offset

    def boot_id(self) -> str:
        return "demo"

    def go_to(self, hours_ago: float) -> None:
        self._offset = -round(hours_ago * 3_600_000)

    def pass_s(self, seconds: float) -> None:
        self._offset = min(0, self._offset + round(seconds * 1000))


@dataclass(slots=True)
class Demo:
    """The database while it is filled."""

    db: TaskDatabase
    clock: DemoClock
    rng: random.Random
    claimants: list[Claimant]

    def session(self, claim: Claim, role: Role, stage: Stage, lines: list[str]) -> None:
        """Run a session to its end."""
        name = {"builder": "foundation:modular-builder", "validator": "recipes:result-validator"}.get(role, "pytest -q")
        prompt = (
            f"# Task {claim.task_id}\n\nRead the design first, then build it.\n" if role is not Role.CHECK else None
        )
        session = self.db.queue.open_session(claim, role=role, name=name, stage=stage, prompt=prompt)
        position = 0
        for line in lines:
            position = self.db.output.append(
                session, [(1, (line + "\n").encode())], position=position, limit_bytes=10**7
            )
            self.clock.pass_s(self.rng.uniform(1, 8))
        self.db.queue.note_progress(claim)
        closed = ClosedSession(
            ended_at=self.clock.wall_ms(),
            pid=4000,
            pid_start=1,
            exit_code=0,
            signal=None,
            output_bytes=position,
        )
        self.db.queue.close_session(session, closed)
        if role in USED:
            cost, tokens = USED[role]
            self.db.queue.report_session(session, SessionReport(cost_usd=cost, tokens=tokens))

    def keep_change(self, claim: Claim) -> None:
        """The changes of the attempt, as its worker would have stored them."""
        files = (
            FileChange(path="src/storage/page.rs", change=Change.MODIFIED, old_path=None, added=5, deleted=2),
            FileChange(path="tests/merge.rs", change=Change.ADDED, old_path=None, added=4, deleted=0),
        )
        change = Diff(files=files, text=PATCH, truncated=False)
        for since in Since if claim.number > 1 else (Since.BASE,):
            self.db.changes.keep(claim.attempt, since, base_sha="4be1" * 10, head_sha="97c0" * 10, change=change)

    def work(self, claimant: Claimant, *, fails: str | None = None, retries: int = 2) -> None:
        claim = self.db.queue.claim(claimant)
        if claim is None:
            return
        self.session(claim, Role.BUILDER, Stage.BUILDING, builder_lines(claim.task_id))
        green = ["\x1b[32m............\x1b[0m [100%]", "\x1b[32m12 passed\x1b[0m in 0.84s"]
        self.session(claim, Role.CHECK, Stage.CHECKING, green)
        words = ["Reading the diff", "Running the tests again", "Writing the verdict"]
        self.session(claim, Role.VALIDATOR, Stage.VALIDATING, words)
        self.clock.pass_s(self.rng.uniform(120, 420))
        self.keep_change(claim)
        result = self.passed() if fails is None else failed(fails)
        self.db.queue.settle(claim, result, Budgets(max_retries=retries))

    def passed(self) -> AttemptResult:
        return replace(passed(), base_sha=self.sha(), head_sha=self.sha(), tokens=self.rng.randint(20_000, 90_000))

    def land(self, claimant: Claimant, *, refused: str | None = None) -> None:
        """Land the task whose turn it is, or have it refused."""
        landing = self.db.landings.claim(claimant)
        if landing is None:
            return
        self.clock.pass_s(self.rng.uniform(1, 4))
        result = AttemptResult(outcome=Outcome.PASSED)
        if refused is None:
            self.db.landings.note_tip(tip := self.sha())
            self.db.landings.record_landed(landing, tip)
        else:
            result = AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error=refused)
        self.db.queue.settle(landing.claim, result, Budgets(max_retries=2))

    def asked(self, verb: Verb, outcome: str, *, actor: str = "dashboard") -> None:
        """A request that was carried out."""
        row = self.db.control.request(verb, actor=actor)
        self.db.control.answer(row, "done", outcome, by="reaper")

    def sha(self) -> str:
        return f"{self.rng.getrandbits(160):040x}"


@contextmanager
def begun(path: Path, tasks: list[TaskSpec], *, hours_ago: float = 3.2, seed: int = 7) -> Iterator[Demo]:
    """A new database with these tasks, idle workers, routes, a budget and a branch to land on."""
    rng = random.Random(seed)
    clock = DemoClock(hours_ago=hours_ago)
    with TaskDatabase(path, clock=clock, rng=rng) as db:
        db.imports.run(tasks, source="plan.yaml", actor="demo")
        clock.pass_s(60)
        demo = Demo(db=db, clock=clock, rng=rng, claimants=[enrol(db, n) for n in range(1, WORKERS + 1)])
        db.swarm.note_workplace("worktree")
        db.routes.note(ROUTING)
        db.spending.note(BUDGET)
        db.spending.begin_run()
        demo.db.landings.adopt(
            repository="/home/ada/ledger/.git",
            ref="refs/heads/swarm/integration",
            person_ref="refs/heads/main",
            tip=demo.sha(),
        )
        db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True, "supervisord_answers": True})
        yield demo


def fill(path: Path, *, seed: int = 7) -> None:
    """Fill a new database: most things done, some running, failed and held."""
    with begun(path, specs(), seed=seed) as demo:
        for turn in range(29):
            demo.work(demo.claimants[turn % WORKERS])
            if turn < 27:  # the last ones wait for their turn
                demo.land(demo.claimants[turn % WORKERS], refused=CONFLICT if turn == 11 else None)
            if turn in (5, 13):
                demo.work(demo.claimants[0], fails="tests fail: test_merge_keeps_order (1 of 38)")
            if turn == 9:
                demo.work(demo.claimants[1], fails=OBJECTION, retries=0)
            if turn == 17:
                demo.work(demo.claimants[2], fails="no sign of progress for 30 minutes", retries=0)
            if turn in (19, 20, 22, 25, 26):
                error = f"error: linker `lld` not found ({turn} crates compiled)"
                demo.work(demo.claimants[turn % WORKERS], fails=error, retries=0)
        hold_some(demo)
        demo.asked(Verb.PAUSE, "paused", actor="cli")
        demo.asked(Verb.RESUME, "resumed")
        run_some(demo)
        demo.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True, "supervisord_answers": True})


def keep_alive(path: Path) -> None:
    """Signs of life of the present moment, as those programs would give them that have not ended."""
    with TaskDatabase(path) as db:
        for worker in db.workers.alive():
            db.workers.heartbeat(worker.run, began_mono_ms=db.clock.mono_ms(), lease_s=120)
        if db.swarm.running("reaper") is not None:
            db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True, "supervisord_answers": True})


def specs() -> list[TaskSpec]:
    made = []
    for number, (phase, names) in PHASES.items():
        for place, name in enumerate(names, start=1):
            for letter, part in zip("abcd", PARTS, strict=True):
                needs = (f"{number}.{place}.{chr(ord(letter) - 1)}",) if letter != "a" else ()
                made.append(
                    TaskSpec(
                        id=f"{number}.{place}.{letter}",
                        name=f"{name}: {part}",
                        phase=phase,
                        priority=2 if letter == "a" else 3,
                        estimated_hours={"a": 0.5, "b": 2.0, "c": 1.0, "d": 0.5}[letter],
                        dependencies=needs,
                        description=f"Build the {part} of “{name.lower()}” as the design in docs/{phase}.md says.",
                        acceptance_criteria=("All tests pass", "No public name changes", "The manual describes it"),
                        files=(f"src/{phase}/{place}.rs",),
                    )
                )
    return made


def enrol(db: TaskDatabase, number: int) -> Claimant:
    mine, name = ProcessId.mine(), f"worker-{number}"
    run = db.workers.register(name, mine, mine, lease_s=120)
    db.workers.set_status(run, "idle")
    return Claimant(run=run, worker_id=name, agent_cli="claude", routing=ROUTING)


def builder_lines(task_id: str) -> list[str]:
    return [
        f"\x1b[1mBuilder\x1b[0m on task \x1b[36m{task_id}\x1b[0m",
        "Reading docs and the code around it",
        "  src/storage/page.rs  412 lines",
        "Plan: 3 steps",
        "\x1b[33mwarning\x1b[0m: unused variable `frame`",
        "Editing src/storage/page.rs",
        "cargo test --quiet",
        "\x1b[31mtest result: FAILED\x1b[0m. 37 passed; 1 failed",
        "The order is lost when both pages are full; correcting the split point",
        "\x1b[32mtest result: ok\x1b[0m. 38 passed; 0 failed",
    ]


def passed() -> AttemptResult:
    return AttemptResult(
        outcome=Outcome.PASSED,
        builder_result={"status": "success", "files_modified": ["src/storage/page.rs"], "tests_passed": True},
        check_results=[{"command": "cargo test --quiet", "passed": True, "exit_code": 0}],
        validator_result={"verdict": "PASS", "critical_issues": [], "recommendations": ["Name the constant 4096"]},
        cost_usd=0.41,
    )


def failed(error: str) -> AttemptResult:
    """By the validator's word, unless it is the compiler's or a test's."""
    red = error.startswith(("error", "tests fail"))
    check = {"command": "cargo test --quiet", "passed": not red, "exit_code": int(red), "output": error if red else ""}
    return AttemptResult(
        outcome=Outcome.FAILED,
        failure_class=FailureClass.QUALITY,
        error=error,
        builder_result={"status": "success", "tests_passed": True},
        check_results=[check],
        validator_result=None if red else {"verdict": "FAIL", "critical_issues": [error], "recommendations": []},
        out_of_time=error.startswith("no sign"),
        cost_usd=0.66,
        tokens=61_000,
    )


def hold_some(demo: Demo) -> None:
    """One that gave no answer, one that a user killed, one that a user holds."""
    claim = demo.db.queue.claim(demo.claimants[2])
    if claim is not None:
        demo.session(claim, Role.BUILDER, Stage.BUILDING, builder_lines(claim.task_id)[:6])
        demo.db.queue.settle(claim, AttemptResult(outcome=Outcome.KILLED), Budgets(max_retries=2))
    demo.db.steering.apply(Verb.HOLD, "5.4.d", {}, actor="dashboard")
    claim = demo.db.queue.claim(demo.claimants[3])
    if claim is None:
        return
    demo.session(claim, Role.BUILDER, Stage.BUILDING, builder_lines(claim.task_id)[:4])
    held: dict[str, Any] = {"outcome": Outcome.FAILED, "failure_class": FailureClass.UNREADABLE}
    result = AttemptResult(**held, error="the builder gave prose instead of the JSON object, three times")
    demo.db.queue.settle(claim, result, Budgets(max_retries=2))


def run_some(demo: Demo) -> None:
    """A plan whose limit was just reached, and three sessions that run now."""
    demo.clock.go_to(hours_ago=0.12)
    claim = demo.db.queue.claim(demo.claimants[0])
    if claim is not None:
        trouble = Trouble(kind=TroubleKind.WINDOW, text="the limit of 5 hours is reached", wait_s=3600)
        stopped = AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.PROVIDER, trouble=trouble)
        demo.db.queue.settle(claim, stopped, Budgets(max_retries=2))
    started = []
    for claimant, stage in zip(demo.claimants[:3], (Stage.BUILDING, Stage.VALIDATING, Stage.BUILDING), strict=False):
        claim = demo.db.queue.claim(claimant)
        if claim is None:
            continue
        demo.clock.pass_s(demo.rng.uniform(30, 90))
        role = Role.VALIDATOR if stage is Stage.VALIDATING else Role.BUILDER
        demo.session(claim, role, stage, builder_lines(claim.task_id)[: demo.rng.randint(5, 9)])
        started.append(claim)
    demo.clock.pass_s(10**6)
    for claim in started[1:]:
        demo.db.queue.note_progress(claim)
    for claimant in demo.claimants:
        busy = demo.rng.random()
        uses = Uses(rss_bytes=round(180e6 + 400e6 * busy), cpu_share=round(busy, 2), processes=3 + round(4 * busy))
        demo.db.workers.heartbeat(claimant.run, began_mono_ms=demo.clock.mono_ms(), lease_s=120, uses=uses)


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
