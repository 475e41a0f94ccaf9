"""What every agent CLI must do in a swarm. Each case has its own harness and yields one finding per promise."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agents.harness import BRANCH, Harness
from agents.provider import Fault

LIMIT_S = 400.0
FINAL = ("completed", "failed", "held", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Whether a promise is kept; `seen` says what happened instead."""

    promise: str
    kept: bool
    seen: str = ""


Case = Callable[[Harness], Iterator[Finding]]


def loop(harness: Harness) -> Iterator[Finding]:
    """Build, check, validate, land; a FAIL that is fixed by a resumed session; a FAIL that is not."""
    harness.queue(
        _task("a", checks=["test -f done/a.1.txt"]),
        _task("b", "PLAY validator fail once"),
        _task("c", "PLAY validator fail", max_retries=0),
    )
    harness.start()
    harness.wait_end(LIMIT_S)
    landed = harness.landed()
    yield _loop_finding(harness, landed)
    yield _retry_finding(harness, landed)
    refused = harness.task("c")
    kept = refused["status"] == "failed" and refused["failures"] == 1 and "done/c.1.txt" not in landed
    yield Finding(promise=FAIL, kept=kept, seen=_state(refused))


def confined(harness: Harness) -> Iterator[Finding]:
    """Build, check, validate and land with agents that are confined by bubblewrap."""
    harness.queue(_task("a", checks=["test -f done/a.1.txt"]))
    harness.start("--runner", "bwrap")
    harness.wait_end(LIMIT_S)
    yield _loop_finding(harness, harness.landed())


def plan_from(harness: Harness) -> Iterator[Finding]:
    """An agent writes a task file for a goal, and another session reviews it; the project stays as it is."""
    plan = r"tasks:\n- {id: hello, name: Say hello, acceptance_criteria: [It greets], files: [hello.py]}\n"
    goal, output = harness.folder / "GOAL.md", harness.folder / "plan.yaml"
    goal.write_text(f"Greet people.\n\nPLAY task g\nPLAY builder run printf '{plan}' > swarm-plan.yaml\n")
    goal.chmod(0o644)
    harness.env |= {"SWARM_PROJECT_ROOT": str(harness.project)}
    said = harness.swarm("plan-from", str(goal), "--output", str(output), "--agent-cli", harness.cli.name)
    roles = {each.role for each in harness.provider.exchanges if each.task == "g"}
    untidy = harness.git("status", "--short")
    kept = "id: hello" in output.read_text() and roles == {"builder", "validator"} and not untidy
    yield Finding(promise=PLANS, kept=kept, seen=f"{said} {sorted(roles)} {untidy}")


PLANS = "plan-from writes a task file, which a validator reviews"
WHOLE = "build, check, validate and land in a worktree"
RETRY = "the retry resumes the session and writes"
FAIL = "a validator's FAIL does not land"
TO_ITS_END = "the trial comes to its end"


def _loop_finding(harness: Harness, landed: Sequence[str]) -> Finding:
    task = harness.task("a")
    roles = [each.role for each in harness.provider.exchanges if each.task == "a"]
    wrong = []
    if task["status"] != "completed":
        wrong.append(_state(task))
    if "done/a.1.txt" not in landed:
        wrong.append(f"{BRANCH} has {', '.join(landed)}")
    if "validator" not in roles:
        wrong.append("no validator session")
    if untidy := harness.git("status", "--short"):
        wrong.append(f"the checkout was touched: {untidy.strip()}")
    return Finding(promise=WHOLE, kept=not wrong, seen="; ".join(wrong))


def _retry_finding(harness: Harness, landed: Sequence[str]) -> Finding:
    task = harness.task("b")
    tries = harness.tries("b")
    wrong = []
    if task["status"] != "completed" or len(tries) != 2:
        wrong.append(f"{_state(task)} after {len(tries)} attempts")
    elif not tries[1]["resumed_session_id"] or tries[1]["resumed_session_id"] != tries[0]["builder_session_id"]:
        wrong.append("the second attempt did not resume the session of the first")
    if not any(each.task == "b" and each.role == "builder" and each.prompts > 1 for each in harness.provider.exchanges):
        wrong.append("the model was not sent the earlier conversation")
    if "done/b.2.txt" not in landed:
        wrong.append("the second attempt's file did not land")
    return Finding(promise=RETRY, kept=not wrong, seen="; ".join(wrong))


# ───── faults of the provider ─────

# The kind of hold that each must cause; None: the task's own fault, and no hold.
KINDS: dict[Fault, str | None] = {
    Fault.UNAUTHORIZED: "credentials",
    Fault.FORBIDDEN: "credentials",
    Fault.UNPAID: "quota",
    Fault.QUOTA: "quota",
    Fault.RATE_LIMIT: "throttled",
    Fault.WINDOW: "window",
    Fault.SERVER_ERROR: "overloaded",
    Fault.OVERLOADED: "overloaded",
    Fault.BROKEN_STREAM: "overloaded",
    Fault.REFUSED: "overloaded",
    Fault.TOO_LONG: None,
    Fault.REFUSAL: None,
    Fault.HANG: "overloaded",  # last: its swarm is impatient
}
# Long enough for what the CLIs repeat by themselves, unless they never end.
FAULT_LIMIT_S = 300.0
ENDLESS_LIMIT_S = 20.0
# Without a sign of life: minutes, as `start` takes them.
PATIENCE_MIN = 0.25


def faults(*chosen: Fault) -> Case:
    """Each fault in turn, in one swarm: a fault of the provider pauses the CLI and costs the task nothing."""

    def case(harness: Harness) -> Iterator[Finding]:
        for fault in chosen:
            if fault in harness.cli.faults_unknown:
                continue
            if fault is Fault.HANG:
                harness.stop()  # the timeout of a swarm is set when it starts
            yield _fault(harness, fault)
        harness.stop()

    return case


PROMISES = {
    Fault.UNAUTHORIZED: "401, wrong key: credentials",
    Fault.FORBIDDEN: "403: credentials",
    Fault.UNPAID: "402: quota",
    Fault.QUOTA: "quota used up: quota",
    Fault.RATE_LIMIT: "429 with retry-after: throttled",
    Fault.WINDOW: "plan's limit: window",
    Fault.SERVER_ERROR: "500: overloaded",
    Fault.OVERLOADED: "503 or 529: overloaded",
    Fault.BROKEN_STREAM: "broken stream: overloaded",
    Fault.REFUSED: "connection refused: overloaded",
    Fault.HANG: "no answer: overloaded",
    Fault.TOO_LONG: "prompt too long: the task's",
    Fault.REFUSAL: "refusal: the task's",
}


def _fault(harness: Harness, fault: Fault) -> Finding:
    name = f"f-{fault}"
    expected = KINDS[fault]
    minutes = (ENDLESS_LIMIT_S if fault in harness.cli.endless else FAULT_LIMIT_S) / 60
    patience = ("--orphan-timeout", str(PATIENCE_MIN)) if fault is Fault.HANG else ()
    with harness.provider.failing(fault):
        harness.queue(_task(name, max_retries=0, timeout_minutes=minutes))
        if not harness.is_running():
            harness.start("--no-validation", "--keep-running", *patience)
        harness.wait_for(f"the end of an attempt with {fault}", lambda: _ended(harness, name), LIMIT_S)
        task, holds = harness.task(name), harness.holds()
        first = harness.tries(name)[0]
        harness.swarm("cancel", name)
        harness.wait_for("the task to leave the queue", lambda: harness.task(name)["status"] in FINAL, LIMIT_S)
    seen = f"{first['failure_class']}: {(first['error'] or '')[:160]}"
    kinds = [hold["kind"] for hold in holds]
    if expected is None:
        kept = (
            not kinds and task["status"] in ("failed", "held") and first["failure_class"] in ("quality", "unreadable")
        )
    else:
        kept = kinds == [expected] and first["failure_class"] == "provider" and task["failures"] == 0
    if kinds:
        harness.swarm("resume")
    return Finding(promise=PROMISES[fault], kept=kept, seen=f"held for {', '.join(kinds) or 'nothing'}; {seen}")


def _ended(harness: Harness, task_id: str) -> bool:
    tries = harness.tries(task_id)
    if tries and tries[0]["ended_at"]:
        return True
    assert harness.is_running(), f"start has ended before the attempt\n{harness.story()}"
    return False


# ───── stops ─────

STOP = "an emergency stop leaves no process and costs no attempt"
TIME = "a time limit leaves no process"
# Of the task that has one; the CLI must have started its command by then.
TIME_LIMIT_S = 40.0


def stops(harness: Harness) -> Iterator[Finding]:
    """Two long commands, each with a child in its own session: one meets its time limit, one a stop."""
    numbers = random.sample(range(10_000, 99_999), 2)
    limited, stopped = (f"900.{number}" for number in numbers)
    harness.queue(
        _task("t", f"PLAY builder run {_long(limited)}", max_retries=0, timeout_minutes=TIME_LIMIT_S / 60),
        _task("s", f"PLAY builder run {_long(stopped)}", max_retries=0),
    )
    harness.start("--no-validation", "--workers", "2")
    harness.wait_for("the long commands", lambda: len(harness.alive(limited)) >= 2, TIME_LIMIT_S)
    harness.wait_for("the time limit", lambda: _ended(harness, "t"), LIMIT_S)
    timed = harness.task("t")
    left = harness.alive(limited)
    kept = not left and timed["status"] == "failed" and timed["cause"] == "time"
    yield Finding(promise=TIME, kept=kept, seen=f"{_state(timed)}, cause {timed['cause']}, left: {left}")
    harness.wait_for("the other command", lambda: len(harness.alive(stopped)) >= 2, LIMIT_S)
    harness.swarm("stop", "--now")
    harness.wait_end(LIMIT_S)
    left = {**harness.alive(), **harness.alive(stopped)}
    task = harness.task("s")
    kept = not left and task["failures"] == 0 and task["crashes"] == 0 and task["status"] not in FINAL
    yield Finding(promise=STOP, kept=kept, seen=f"{_state(task)}, left: {left}")


def _long(seconds: str) -> str:
    return f"setsid sleep {seconds} & sleep {seconds}"


def _task(name: str, *lines: str, **more: Any) -> dict[str, Any]:
    description = "\n".join(["Write the file.", "", f"PLAY task {name}", *lines])
    return {"id": name, "name": f"Task {name}", "description": description, "files": [f"done/{name}*"], **more}


def _state(task: dict[str, Any]) -> str:
    return f"{task['status']}, {task['failures']} failures: {(task['last_error'] or '')[:200]}"
