"""A made run of many tasks with retries, objections, failures and costs, as a report sees it."""

from __future__ import annotations

import random
from pathlib import Path

from queue_harness import QueueHarness

from swarm_shared.domain.models import FailureClass, Outcome, TaskSpec
from swarm_shared.store.queue.policy import AttemptResult, Budgets

PHASES = ("foundation", "storage", "query", "network", "release")
OBJECTIONS = (
    "recovery is not idempotent: a second crash while it runs loses the last page",
    "the new option is not documented",
    "the test asserts nothing about the error path",
    "the public function has no type annotations",
)
ERRORS = (
    "src/query/plan.rs:88: borrow of moved value: `left`",
    "thread 'merge_keeps_order' panicked at 'assertion failed: (left == right)'",
    "no module named storage.pages",
)


def finished_queue(folder: Path, tasks: int, *, seed: int = 1) -> Path:
    """The path of the database; a fifth of the attempts fail, some tasks for good, and one blocks others."""
    rng = random.Random(seed)
    harness = QueueHarness(folder, budgets=Budgets(max_retries=2))
    specs = [
        TaskSpec(
            id=f"{number // 200 + 1}.{number % 200}",
            name=f"{rng.choice(('Write', 'Test', 'Document', 'Refactor'))} the {rng.choice(PHASES)} part {number}",
            phase=PHASES[number * len(PHASES) // tasks],
            dependencies=(f"{(number - 3) // 200 + 1}.{(number - 3) % 200}",) if number % 40 == 39 else (),
        )
        for number in range(tasks)
    ]
    harness.add(*specs)
    while True:
        claim = harness.claim()
        if claim is None:
            if not harness.db.connection.value("SELECT count(*) FROM tasks WHERE status = 'scheduled'"):
                break
            harness.clock.pass_s(60)
            harness.db.queue.promote_due()
            continue
        harness.clock.pass_s(rng.uniform(2, 40))
        harness.settle(claim, _result(rng, stubborn=claim.task % 17 == 0))
    harness.db.close()
    return harness.path


def _result(rng: random.Random, *, stubborn: bool) -> AttemptResult:
    usage = {"tokens": rng.randint(2_000, 90_000), "cost_usd": round(rng.uniform(0.02, 0.9), 4)}
    if rng.random() > (0.97 if stubborn else 0.2):
        return AttemptResult(outcome=Outcome.PASSED, **usage)
    if rng.random() < 0.6:
        objection = rng.choice(OBJECTIONS)
        verdict = {"verdict": "FAIL", "issues": [objection]}
        return AttemptResult(
            outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error=f"validator: {objection}",
            must_fix=(objection,), validator_result=verdict, **usage,
        )  # fmt: skip
    return AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error=rng.choice(ERRORS), **usage)
