"""Faults of the machine and the setup are reported once, and do not count against tasks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from start_harness import Harness, harness, task

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import HoldReason, Status, TaskSpec

pytestmark = pytest.mark.integration
WORDS_OF_100_BYTES = "word " * 20


@pytest.fixture
def at() -> Iterator[Harness]:
    with harness() as made:
        yield made


def project(at: Harness) -> None:
    """A repository in the harness's folder, as a clone from where the filter's program was installed."""
    git = ["git", "-C", str(at.folder / "project"), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    (at.folder / "project").mkdir()
    (at.folder / "project" / ".gitattributes").write_text("*.bin filter=big -text\n")
    (at.folder / "project" / "x.bin").write_text("pointer")
    for words in (["init", "-q"], ["add", "--all"], ["commit", "-qm", "root"]):
        subprocess.run([*git, *words], check=True)
    for key, value in (("process", "git-nowhere filter-process"), ("required", "true")):
        subprocess.run([*git, "config", f"filter.big.{key}", value], check=True)


def test_a_missing_filter_program_is_reported_before_any_task_is_claimed(at: Harness) -> None:
    project(at)
    at.add(task("a"), task("b"))
    assert at.run("--project-root", str(at.folder / "project")) == 3, at.everything()
    assert "git-nowhere is not installed" in at.notices
    with TaskDatabase(at.db) as database:
        assert [database.tasks.get(name)["attempt_count"] for name in "ab"] == [0, 0]


def test_a_fault_that_no_check_can_find_pauses_the_queue_after_three_tasks(at: Harness) -> None:
    project(at)
    # Like a filter that is a line of shell: only running it shows that something is missing.
    subprocess.run(
        ["git", "-C", str(at.folder / "project"), "config", "filter.big.process", '"$NOWHERE"/git-nowhere filter'],
        check=True,
    )
    at.add(*(task(f"t{n}") for n in range(12)))
    run = at.start("--project-root", str(at.folder / "project"), "--workers", "1")
    at.wait_notice("paused by the swarm (3 tasks in a row failed with the same message: git")
    assert "git-nowhere: not found); " in at.notices, "with the message of the system"
    with TaskDatabase(at.db) as database:
        tasks = [database.tasks.get(f"t{n}") for n in range(12)]
        assert {each["crashes"] for each in tasks} == {0}
        assert {each["status"] for each in tasks} <= {Status.NOT_STARTED, Status.SCHEDULED}
        assert database.swarm.flags()["paused"].actor == "the swarm"
    run.terminate()
    assert at.wait_end(run) == 9


@pytest.mark.parametrize("bytes_", [132_000, 200_000])
def test_a_prompt_longer_than_an_argument_is_reported_at_start_and_held_without_retries(
    at: Harness, bytes_: int
) -> None:
    entry = {"binary": "/bin/echo", "version": ["x"], "argv": ["{prompt}"], "prompt": "argument", "reader": "exit_code"}
    (at.folder / "swarm.yaml").write_text(json.dumps({"agent_clis": {"arg": entry}}))
    at.add(
        TaskSpec(id="long", name="long", description=WORDS_OF_100_BYTES * (bytes_ // 100)),
        TaskSpec(id="short", name="short", description="a word"),
    )
    assert at.run("--no-validation", agent_cli="arg") == 8, at.everything()
    assert "warning: task long will be held: its description has" in at.notices
    with TaskDatabase(at.db) as database:
        long = database.tasks.get("long")
        assert (long["status"], long["hold_reason"]) == (Status.HELD, HoldReason.CANNOT_START)
        assert (long["attempt_count"], long["failures"], long["crashes"]) == (1, 0, 0)
        assert "too long for the command line of arg" in long["last_error"]
        assert database.tasks.get("short")["status"] == Status.COMPLETED
    assert "cannot_start" in at.output


def test_a_prompt_beyond_the_limit_of_the_system_is_handled_in_the_same_way(at: Harness) -> None:
    variables = {f"V{n}": "x" * 100_000 for n in range(40)}
    at.add(task("big", env=variables), task("small"))
    assert at.run() == 8, at.everything()
    with TaskDatabase(at.db) as database:
        big = database.tasks.get("big")
        assert (big["status"], big["hold_reason"], big["attempt_count"]) == (Status.HELD, HoldReason.CANNOT_START, 1)
        assert "rgument list too long" in big["last_error"]
        assert database.tasks.get("small")["status"] == Status.COMPLETED
