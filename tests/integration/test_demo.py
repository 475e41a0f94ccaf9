"""The demo does what it promises: real tasks, a retry that learns, an objection that is resolved, a final program."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from stopwatch import Stopwatch

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import FailureClass, Status

pytestmark = pytest.mark.integration
DEMO = Path(__file__).parents[2] / "examples" / "demo"
TASKS = {task["id"]: task for task in yaml.load((DEMO / "tasks.yaml").read_text("utf-8"), yaml.BaseLoader)["tasks"]}
# The longest that a user who types `make demo` should wait once it is installed.
PATIENCE_S = 60.0


def environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "DEMO_FOLDER": str(folder), "DEMO_PAUSE_S": "0"}


def attempts_of(database: TaskDatabase, task_id: str) -> list[dict[str, Any]]:
    return database.tasks.attempts(database.tasks.get(task_id)["seq"])


def test_the_demo_ends_with_a_working_program_and_keeps_its_dashboard_open(tmp_path: Path) -> None:
    watch = Stopwatch()
    # A setting for another swarm must not affect the demo.
    env = {**environment(tmp_path), "SWARM_AGENT_CLI": "nonsense", "SWARM_DB": str(tmp_path / "other.db")}
    out, err = tmp_path / "out", tmp_path / "err"
    terminal, keyboard = pty.openpty()
    with out.open("w") as stdout, err.open("w") as stderr:
        demo = subprocess.Popen([DEMO / "run"], env=env, cwd=tmp_path, stdin=keyboard, stdout=stdout, stderr=stderr)
    os.close(keyboard)
    try:
        deadline = time.monotonic() + 2 * PATIENCE_S
        while "Press Enter to close it." not in out.read_text() and demo.poll() is None:
            assert time.monotonic() < deadline, out.read_text() + err.read_text()
            time.sleep(0.05)
        took_s = watch.own_s()
        assert demo.poll() is None, out.read_text() + err.read_text()
        link = re.search(r"The dashboard of the finished run: (http://127\.0\.0\.1:\d+)/#t=", out.read_text())
        assert link is not None
        with urllib.request.urlopen(f"{link[1]}/healthz", timeout=PATIENCE_S) as answer:
            assert answer.status == 200
        os.write(terminal, b"\n")
        assert demo.wait(PATIENCE_S) == 0
    finally:
        os.close(terminal)  # a demo that still waits for Enter ends
        demo.terminate()
        demo.wait()
    assert took_s < PATIENCE_S
    assert "all done" in out.read_text()
    assert "http://127.0.0.1:" in err.read_text(), "the link of the dashboard"
    assert "█ 13" in out.read_text(), "the output of the program that was built"

    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    with TaskDatabase(folder / "tasks.db") as database:
        assert {task_id: database.tasks.get(task_id)["status"] for task_id in TASKS} == dict.fromkeys(
            TASKS, Status.COMPLETED
        )
        failed_check, mended = attempts_of(database, "2.2")
        assert failed_check["failure_class"] == FailureClass.QUALITY
        assert "acceptance/letters.py" in failed_check["error"]
        assert mended["error"] is None
        assert len(attempts_of(database, "3.3")) + len(attempts_of(database, "3.4")) in (2, 3)
        objected, satisfied = attempts_of(database, "4.1")
        assert objected["validator_result"]["verdict"] == "FAIL"
        assert satisfied["validator_result"]["verdict"] == "PASS"
    page = subprocess.run(
        [sys.executable, "-m", "amplifier_swarm", "report", "--html", "-", "--db", str(folder / "tasks.db")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"{len(TASKS)} of {len(TASKS)} tasks completed" in page
    assert "Most common objections of validators" in page
    project = folder / "project"
    log = ["git", "-C", str(project), "log", "--first-parent", "--format=%(trailers:key=Swarm-Task,valueonly)", "main"]
    landed = subprocess.run(log, capture_output=True, text=True, check=True).stdout.split()
    assert sorted(landed) == sorted(TASKS), "each task landed once"
    changes = (project / "CHANGES.md").read_text("utf-8")
    assert "as JSON" in changes
    assert "as a page" in changes


@pytest.mark.parametrize("task_id", ["2.2", "4.1"])
def test_only_the_feedback_makes_the_second_attempt_better(tmp_path: Path, task_id: str) -> None:
    for name in ("tally", "tests"):
        (tmp_path / name).mkdir()
    env = environment(tmp_path)
    written = []
    for _ in range(2):
        subprocess.run(TASKS[task_id]["run"], shell=True, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, check=True)
        written.append((tmp_path / TASKS[task_id]["files"][0]).read_text("utf-8"))
    assert written[0] == written[1]


def test_the_demo_has_an_interesting_graph() -> None:
    needed = {needed for task in TASKS.values() for needed in task.get("dependencies", [])}
    roots = [task_id for task_id, task in TASKS.items() if not task.get("dependencies")]
    assert len(TASKS) >= 12
    assert len(roots) > 1
    assert max(len(task.get("dependencies", [])) for task in TASKS.values()) >= 3
    assert set(TASKS) - needed == {"5.1"}, "everything must lead to the release"
