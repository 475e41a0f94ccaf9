"""How a run ends by itself: its exit code, its summary, and nothing left behind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from stand_in_provider import StandInProvider
from start_harness import Harness, harness, task, until
from stopwatch import Stopwatch

from swarm_shared.carry_out import carry_out_now
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status, TaskSpec, Verb

pytestmark = pytest.mark.integration


@pytest.fixture
def at() -> Iterator[Harness]:
    with harness() as made:
        yield made


def test_a_run_that_completes_everything_exits_0_and_leaves_nothing(at: Harness) -> None:
    at.add(task("a"), task("b", dependencies=("a",)), task("c", estimated_hours=2.5))
    assert at.run("--workers", "2") == 0, at.everything()
    assert "all done" in at.output
    assert "3 passed in 3 attempts" in at.output
    assert "✓ a completed" in at.notices
    assert at.alive() == {}
    assert not (at.folder / "tasks.db.swarm" / "supervisord.d" / "50-scale.conf").exists()


def test_the_summary_comes_within_a_second_of_the_last_task_and_the_end_within_four(at: Harness) -> None:
    at.add(task("a", f"{until(at.folder, 'go')}; touch {at.marker('done')}"))
    run = at.start("--workers", "3")
    at.wait_for("the attempt", lambda: at.pids_of(str(at.marker("go"))) or None)
    at.marker("go").touch()
    at.wait_marker("done")
    watch = Stopwatch()
    at.wait_for("the summary", lambda: "all done" in at.output or None)
    assert watch.own_s() < 1.0
    assert at.wait_end(run) == 0
    assert watch.own_s() < 4.0


def test_failed_and_blocked_tasks_make_it_exit_8_and_are_named_with_the_reason(at: Harness) -> None:
    at.add(
        task("bad", "echo went wrong >&2; exit 4", max_retries=1),
        task("child", dependencies=("bad",)),
        task("grandchild", dependencies=("child",)),
        task("good"),
    )
    assert at.run() == 8, at.everything()
    assert "bad failed: the task's run command exited with code 4" in at.output
    assert "child waits for bad (failed)" in at.output
    assert "grandchild waits for child (blocked)" in at.output
    assert "1 of them a retry" in at.output
    assert "amplifier-swarm retry bad" in at.output
    assert at.status("good") == Status.COMPLETED


def test_held_tasks_make_it_exit_8(at: Harness) -> None:
    at.add(task("a", status=Status.HELD), task("b"))
    assert at.run() == 8, at.everything()
    assert "a held (as_imported)" in at.output


def test_cancelled_tasks_are_not_a_failure(at: Harness) -> None:
    at.add(task("a", status=Status.CANCELLED), task("b"))
    assert at.run() == 0, at.everything()


def test_an_empty_queue_exits_0_and_suggests_an_import(at: Harness) -> None:
    assert at.run() == 0
    assert "amplifier-swarm import-tasks" in at.notices
    assert not (at.folder / "tasks.db.swarm").exists()


def test_a_finished_queue_ends_at_once_without_starting_programs(at: Harness) -> None:
    at.add(task("a", status=Status.COMPLETED), task("b", status=Status.FAILED))
    assert at.run() == 8
    assert "b failed" in at.output
    assert not (at.folder / "tasks.db.swarm" / "supervisord.conf").exists()


def test_a_missing_database_exits_4_and_is_not_created(at: Harness) -> None:
    at.db.unlink()
    assert at.run() == 4
    assert "import-tasks" in at.notices
    assert not at.db.exists()


def test_an_agent_cli_that_cannot_start_ends_the_run_with_10(at: Harness) -> None:
    binary = at.folder / "broken"
    binary.write_text("#!/bin/sh\necho no configuration found\nexit 1\n")
    binary.chmod(0o755)
    (at.folder / "swarm.yaml").write_text(
        f"agent_clis:\n  broken: {{like: amplifier, binary: {binary}, store: none, version: [], warm_up: []}}\n"
    )
    at.add(task("a"), task("b"))
    assert at.run(agent_cli="broken") == 10, at.everything()
    assert "the agent CLI cannot start" in at.output
    assert at.status("a") == Status.NOT_STARTED
    assert at.alive() == {}

    # Once it is repaired, the next run starts: the previous run's hold does not prevent it.
    answer = json.dumps({"status": "success", "response": json.dumps({"status": "success"})})
    binary.write_text(f"#!/bin/sh\ncat <<'EOF'\n{answer}\nEOF\n")
    assert at.run("--no-validation", agent_cli="broken") == 0, at.everything()


def test_a_missing_program_of_the_agent_cli_is_found_before_anything_starts(at: Harness) -> None:
    at.add(task("a"))
    assert at.run(agent_cli="claude", PATH="/usr/bin:/bin") == 10, at.everything()
    assert "claude" in at.notices
    assert not (at.folder / "tasks.db.swarm" / "supervisord.conf").exists()


def test_a_paused_queue_with_remaining_work_is_reported_and_continues_when_resumed(at: Harness) -> None:
    at.add(task("a"))
    with TaskDatabase(at.db) as database:
        carry_out_now(database, Verb.PAUSE, "", {"reason": "lunch"}, actor="ada")
        run = at.start()
        at.wait_notice("paused by ada (lunch)")
        assert run.poll() is None
        carry_out_now(database, Verb.RESUME, "", {}, actor="ada")
    assert at.wait_end(run) == 0
    assert at.status("a") == Status.COMPLETED


def test_an_unattended_run_gives_up_on_a_paused_queue(at: Harness) -> None:
    at.add(task("a"))
    with TaskDatabase(at.db) as database:
        carry_out_now(database, Verb.PAUSE, "", {"reason": "lunch"}, actor="ada")
    assert at.run("--give-up-after", "0.02") == 8, at.everything()
    assert re.search(r"gave up after \d+ s: the queue is paused \(lunch\); waited 1 s for you", at.output)
    assert at.status("a") == Status.NOT_STARTED
    assert at.alive() == {}


@pytest.mark.parametrize(("status", "kind"), [(401, "sign-in rejected"), (402, "quota")])
def test_an_unattended_run_gives_up_on_an_agent_cli_that_only_you_can_repair(
    at: Harness, status: int, kind: str
) -> None:
    provider = StandInProvider(at.folder / "provider")
    provider.fails("a", status)
    preset = provider.preset() | {"env": {"ACCOUNT": "a"}}
    (at.folder / "swarm.yaml").write_text(json.dumps({"agent_clis": {"stand-in": preset}}))
    at.add(task("t"), task("u", agent_cli="command"))
    assert at.run("--give-up-after", "0.02", agent_cli="stand-in") == 10, at.everything()
    assert re.search(rf"gave up after \d+ s: stand-in is on hold \({kind}", at.output)
    assert "amplifier-swarm resume" in at.output
    assert at.status("t") == Status.NOT_STARTED
    assert at.status("u") == Status.COMPLETED, "tasks that could still run have run"
    assert at.alive() == {}


def test_an_unattended_run_gives_up_once_its_budget_is_used_up_and_the_next_run_has_a_fresh_one(at: Harness) -> None:
    provider = StandInProvider(at.folder / "provider")
    preset = provider.preset() | {"env": {"ACCOUNT": "a"}}
    settings = {"agent_clis": {"stand-in": preset}, "budget": {"run": {"usd": 0.015}}}  # a session costs 0.01
    (at.folder / "swarm.yaml").write_text(json.dumps(settings))
    at.add(*(TaskSpec(id=f"t{n}", name="t") for n in range(4)))
    words = ("--give-up-after", "0.02", "--no-validation", "--workers", "1")
    assert at.run(*words, agent_cli="stand-in") == 8, at.everything()
    assert "the queue is paused (the budget of this run is used up, 0.02 of 0.015 USD)" in at.output
    assert len(provider.sessions()) == 2
    assert at.run(*words, agent_cli="stand-in") == 0, at.everything()
    assert "Paused" not in at.notices


def test_keep_running_waits_for_more_tasks(at: Harness) -> None:
    at.add(task("a"))
    run = at.start("--keep-running")
    at.wait_notice("a completed")
    at.add(task("b"))
    at.wait_notice("b completed")
    assert run.poll() is None
    run.terminate()
    assert at.wait_end(run) == 9, at.everything()
