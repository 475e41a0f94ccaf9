"""Colliding landings: races cost no task its turn, and the output of a gate can be read afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import MERGE, LandingSwarm, contending_tasks, landing_swarm
from live_swarm import wait_until

from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration

FILES, TASKS, WORKERS = 5, 12, 4


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        (tmp_path / "signs").mkdir()
        swarm.settings["SIGNS"] = str(tmp_path / "signs")
        yield swarm


def wait_for(sign: str) -> str:
    return f'while [ ! -e "$SIGNS/{sign}" ]; do sleep 0.02; done; '


def cli(swarm: LandingSwarm, *words: str) -> str:
    command = [sys.executable, "-m", "amplifier_swarm", *words, "--db", str(swarm.path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=swarm.folder)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_task_that_resolves_its_conflict_while_a_third_one_lands_needs_no_user(swarm: LandingSwarm) -> None:
    append = 'echo "$AMPLIFIER_SWARM_TASK_ID" >> a.txt; '
    signs = swarm.folder / "signs"
    swarm.add(
        swarm.task("first", wait_for("begun") + append),
        swarm.task(
            "second",
            f'case "$AMPLIFIER_SWARM_ATTEMPT_NUMBER" in '
            f'1) touch "$SIGNS/begun"; {wait_for("conflict")} {append};; '
            f'2) {MERGE} touch "$SIGNS/resolved"; {wait_for("race")};; '
            f"*) {MERGE};; esac",
        ),
    )
    for number in (1, 2):
        swarm.worker(f"worker-{number}", "--no-validation")
    swarm.wait_for("first", Status.COMPLETED)
    (signs / "conflict").touch()
    wait_until((signs / "resolved").exists, swarm.logs)
    # Where the second task's merge put its own line.
    swarm.add(swarm.task("third", "sed -i '/^three$/a third' a.txt"))
    swarm.wait_for("third", Status.COMPLETED)
    (signs / "race").touch()
    task = swarm.wait_for("second", Status.COMPLETED, Status.HELD)
    assert task["status"] == Status.COMPLETED
    assert (task["landing_failures"], task["landing_unresolved"]) == (2, 0)
    assert sorted(swarm.landed("a.txt").splitlines()[3:]) == ["first", "second", "third"]
    refused = [e for e in swarm.db.events.of_task(task["seq"]) if e["event_type"] == "landing_failed"]
    third = swarm.git("log", "--format=%H", "--grep=Swarm-Task: third", "--first-parent", "swarm/integration")
    assert f"third ({third[:12]})" in refused[1]["message"]
    assert "third" not in refused[0]["message"]


def test_the_output_of_a_gate_is_shown_wherever_attempts_are(swarm: LandingSwarm) -> None:
    (swarm.folder / "swarm.yaml").write_text(
        "gate: ['echo looked for it; test ! -e forbidden || { echo NO-GO; exit 3; }']\n"
    )
    swarm.add(swarm.task("a", "touch forbidden", max_retries=0))
    swarm.worker("worker-1", "--no-validation")
    task = swarm.wait_for("a", Status.FAILED, Status.HELD)
    assert task["attempt_count"] == 2
    assert swarm.db.tasks.history(task["seq"])[-1]["kind"] == "work", "the gate ran before a second landing"
    prompt = swarm.db.tasks.sessions(swarm.attempts("a")[1]["id"])[0]["prompt"]
    assert "looked for it" in prompt.partition("## Commands that must succeed")[2]
    for words in (("task-info", "a"), ("why", "a"), ("logs", "a", "--attempt", "1"), ("failures",)):
        assert "NO-GO" in cli(swarm, *words), words
    shown = json.loads(cli(swarm, "task-info", "a", "--json"))["attempts"]
    assert [(each["kind"], each["number"], each["outcome"]) for each in shown] == [
        ("work", 1, "passed"),
        ("landing", 1, "failed"),
        ("work", 2, "failed"),
    ]
    assert "NO-GO" in shown[1]["check_results"][0]["output"]
    assert "Landing of attempt 1: refused" in cli(swarm, "task-info", "a")


def test_a_gate_that_fails_without_new_work_reports_its_output(swarm: LandingSwarm) -> None:
    (swarm.folder / "swarm.yaml").write_text("gate: ['echo NO-GO; false']\n")
    swarm.add(swarm.task("a", "touch b"))
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: "paused" in swarm.db.swarm.flags(), swarm.logs)
    assert "NO-GO" in swarm.db.swarm.flags()["paused"].reason
    swarm.wait_for("a", Status.APPROVED)
    assert "NO-GO" in cli(swarm, "task-info", "a")


@pytest.mark.parametrize("gate", [False, True])
def test_tasks_that_change_the_same_files_all_land_and_lose_nothing(swarm: LandingSwarm, gate: bool) -> None:
    expected = contending_tasks(swarm, tasks=TASKS, files=FILES, longest_s=0.3, gate=gate)
    for number in range(1, WORKERS + 1):
        swarm.worker(f"worker-{number}", "--no-validation")
    wait_until(
        lambda: swarm.db.tasks.counts().keys() <= {Status.COMPLETED, Status.HELD, Status.FAILED},
        lambda: (swarm.db.tasks.counts(), swarm.db.swarm.flags(), swarm.logs()[-3000:]),
        90.0,
    )
    assert swarm.db.tasks.counts().keys() == {Status.COMPLETED}, swarm.db.tasks.counts()
    assert sorted(swarm.trailers()) == sorted(f"t{n}" for n in range(TASKS)), "each exactly once"
    for file, lines in expected.items():
        assert sorted(swarm.landed(file).splitlines()) == sorted(lines)
