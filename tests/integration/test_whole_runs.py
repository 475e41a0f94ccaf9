"""Whole runs as a user makes them: a task file, `start`, real services, a stand-in `amplifier` with its quirks.

What the agents wrote down themselves is the judge: no two of one task at the same time, none before what it needs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_ledger import read_ledger
from amplifier_harness import AmplifierHarness, make_harness
from start_harness import Harness, harness

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status, TaskSpec

pytestmark = pytest.mark.integration

TASKS = 60
WARTS: tuple[dict[str, Any], ...] = (
    {},
    {"preamble": ["Bundle 'persona' prepared successfully", "a notice that is long enough to be wrapped " * 3]},
    {"noise": ["a late line behind the JSON"]},
    {"bash": "sleep 60"},  # a grandchild in its own session, left behind
    {"stderr": "warning: no provider preference matched, the default is used"},
)


@pytest.fixture
def at() -> Iterator[Harness]:
    with harness() as made:
        yield made


@pytest.fixture
def amplifier(at: Harness) -> AmplifierHarness:
    return make_harness(at.folder / "amplifier")


def environment(at: Harness, amplifier: AmplifierHarness) -> dict[str, str]:
    return {**amplifier.env(), "SWARM_PROJECT_ROOT": str(amplifier.project)}


def ledger_of(at: Harness) -> list[dict[str, Any]]:
    return read_ledger(at.folder / "ledger")


def fake(at: Harness, builder: list[dict[str, Any]], validator: list[dict[str, Any]] | None = None) -> str:
    ledger = str(at.folder / "ledger")
    script = {
        "builder": [{"ledger": ledger, **step} for step in builder],
        "validator": [{"ledger": ledger, **step} for step in validator or [{}]],
    }
    return "FAKE: " + json.dumps(script)


def overlaps(lines: list[dict[str, Any]]) -> list[str]:
    """Tasks of which two agents lived at the same moment, according to the agents' own records."""
    living: dict[str, int] = {}
    found = []
    for line in lines:
        living[line["task"]] = living.get(line["task"], 0) + (1 if line["event"] == "start" else -1)
        if living[line["task"]] > 1:
            found.append(line["task"])
    return found


def test_sixty_tasks_with_dependencies_are_all_completed_in_order(at: Harness, amplifier: AmplifierHarness) -> None:
    needs = {n: sorted({n - 1, n // 2}) if n % 5 == 4 else ([n // 3] if n % 3 == 2 else []) for n in range(TASKS)}
    file = at.folder / "tasks.yaml"
    tasks = [
        {
            "id": f"2.{n}",
            "name": f"Part {n}",
            "dependencies": [f"2.{needed}" for needed in needs[n] if needed != n],
            "description": "Write it.\n" + fake(at, [WARTS[n % len(WARTS)]]),
        }
        for n in range(TASKS)
    ]
    file.write_text(json.dumps({"tasks": tasks}))  # JSON is YAML
    done = subprocess.run(
        [at.python, "-m", "amplifier_swarm", "import-tasks", str(file), "--db", str(at.db), "--json"],
        capture_output=True,
        text=True,
        check=True,
        env=at.environment(),
    )
    assert json.loads(done.stdout)["imported"] == TASKS

    run = at.start("--workers", "4", agent_cli="amplifier", **environment(at, amplifier))
    assert run.wait(240) == 0, at.everything()

    lines = ledger_of(at)
    assert overlaps(lines) == []
    ended: set[str] = set()
    for line in lines:
        number = int(line["task"].partition(".")[2])
        if line["event"] == "start" and line["role"] == "builder":
            assert all(f"2.{needed}" in ended for needed in needs[number] if needed != number), line
        if line["event"] == "end" and line["role"] == "validator":
            ended.add(line["task"])
    assert len(ended) == TASKS
    with TaskDatabase(at.db) as database:
        assert database.tasks.counts() == {Status.COMPLETED: (TASKS, 0.0)}
    at.wait_nothing_left()


def test_false_and_late_answers_of_the_cli_are_detected(at: Harness, amplifier: AmplifierHarness) -> None:
    objection = {"answer": {"verdict": "FAIL", "critical_issues": ["no test"], "summary": "no"}}
    at.add(
        TaskSpec(
            id="lie", name="exit 0, and no answer", max_retries=0, description=fake(at, [{"response": "All done!"}])
        ),
        TaskSpec(id="late", name="late JSON", description=fake(at, [{"preamble": ["x " * 90], "sleep_s": 0.2}])),
        TaskSpec(id="no", name="a fenced FAIL", max_retries=1, description=fake(at, [{}], [objection])),
        TaskSpec(id="after", name="waits for no", dependencies=("no",), description=fake(at, [{}])),
    )
    run = at.start("--workers", "2", agent_cli="amplifier", **environment(at, amplifier))
    assert at.wait_end(run) == 8, at.everything()
    statuses = {name: at.status(name) for name in ("lie", "late", "no", "after")}
    assert statuses == {
        "lie": Status.HELD,
        "late": Status.COMPLETED,
        "no": Status.FAILED,
        "after": Status.BLOCKED,
    }
    assert "after waits for no (failed)" in at.output
    builders = [
        line for line in ledger_of(at) if (line["task"], line["role"], line["event"]) == ("no", "builder", "start")
    ]
    assert len(builders) == 2


def test_a_rate_limit_pauses_the_pool_and_costs_no_attempt(at: Harness, amplifier: AmplifierHarness) -> None:
    limited = {"error": "Execution failed: RateLimitError: Error code: 429 - try again in 1s"}
    at.add(*(TaskSpec(id=t, name=t, max_retries=0, description=fake(at, [limited, {}])) for t in "ab"))
    run = at.start("--workers", "1", agent_cli="amplifier", **environment(at, amplifier))
    assert at.wait_end(run) == 0, at.everything()
    with TaskDatabase(at.db) as database:
        first = database.tasks.attempts(1)[0]
        assert first["failure_class"] == "provider"
        assert database.tasks.get("a")["failures"] == 0


STUBBORN = {"hang": True, "ignore_term": True, "spawn": ["setsid", "envi", "doublefork"]}


def scripted(at: Harness, task_id: str, *steps: dict[str, Any]) -> TaskSpec:
    ledger = str(at.folder / "ledger")
    return TaskSpec(
        id=task_id,
        name=task_id,
        extra={"script": {"builder": [{"ledger": ledger, **step} for step in steps]}},
    )


def agent_of(at: Harness, task_id: str, number: int = 1) -> int:
    """The agent's pid once it has recorded its start."""
    wanted = (task_id, number, "start")
    line = at.wait_for(
        f"agent {number} of {task_id}",
        lambda: next((x for x in ledger_of(at) if (x["task"], x["number"], x["event"]) == wanted), None),
    )
    return int(line["pid"])


def registered(at: Harness, what: str) -> int:
    """The pid of a service, as soon as it has registered; or of the busy worker or its keeper."""

    def found() -> int | None:
        with TaskDatabase(at.db) as database:
            if what in ("pid", "keeper_pid"):
                return next((int(w[what]) for w in database.workers.shown() if w["current_task_id"]), None)
            service = database.swarm.services().get(what)
            return None if service is None else service.process.pid

    return at.wait_for(what, found)


def kill(*pids: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the death of another one was its own


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.parametrize("victim", ["pid", "keeper_pid", "both"])
def test_a_task_whose_worker_or_keeper_is_killed_runs_again_after_its_agent_is_gone(at: Harness, victim: str) -> None:
    at.add(scripted(at, "a", STUBBORN, {}))
    run = at.start("--workers", "2", "--no-validation", agent_cli="scripted")
    agent = agent_of(at, "a")
    victims = ["pid", "keeper_pid"] if victim == "both" else [victim]
    kill(*[registered(at, name) for name in victims])
    agent_of(at, "a", 2)
    assert has_ended(agent), "the second agent began while the first was running"
    assert at.wait_end(run) == 0, at.everything()
    with TaskDatabase(at.db) as database:
        attempts = database.tasks.attempts(1)
    assert [(a["outcome"], a["failure_class"]) for a in attempts] == [("failed", "crash"), ("passed", None)]
    at.wait_nothing_left()


def test_a_killed_reaper_is_restarted_and_the_run_continues(at: Harness) -> None:
    go = at.folder / "go"
    at.add(scripted(at, "a", {"wait_for": str(go), "spawn": ["setsid", "envi", "doublefork"]}))
    run = at.start("--workers", "1", "--no-validation", agent_cli="scripted")
    agent_of(at, "a")
    reaper = registered(at, "reaper")
    os.kill(reaper, signal.SIGKILL)
    at.wait_for("a new reaper", lambda: registered(at, "reaper") != reaper)
    go.touch()
    assert at.wait_end(run) == 0, at.everything()
    at.wait_nothing_left()


@pytest.mark.parametrize("victim", ["supervisord", "start", "everything"])
def test_no_program_survives_the_death_of_its_parents(at: Harness, victim: str) -> None:
    at.add(scripted(at, "a", STUBBORN, {}))
    run = at.start("--workers", "1", "--no-validation", agent_cli="scripted")
    agent_of(at, "a")
    if victim == "start":
        victims = [run.pid]
    elif victim == "supervisord":
        victims = at.pids_of("supervisord")
    else:
        victims = [pid for pid, line in at.alive().items() if "sleep" not in line and "scripted" not in line]
    kill(*victims)
    at.wait_end(run)
    if victim != "everything":
        at.wait_nothing_left()
    again = at.start("--workers", "1", "--no-validation", agent_cli="scripted")
    assert at.wait_end(again) == 0, at.everything()
    at.wait_nothing_left()
    lines = [line for line in ledger_of(at) if line["event"] == "start"]
    assert [line["number"] for line in lines] == [1, 2]
