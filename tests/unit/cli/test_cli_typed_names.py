"""Mistyped ids, phases, workers and problems are refused with a suggestion. The shell completes the right ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_harness import CliHarness

from swarm_shared.domain.models import FailureClass, Outcome, Status, TaskSpec
from swarm_shared.store.queue.policy import AttemptResult


@pytest.fixture
def at(harness: CliHarness) -> CliHarness:
    harness.queue(
        TaskSpec(id="lib.roman", name="R", phase="build"),
        TaskSpec(id="lib.units", name="U", phase="build"),
        TaskSpec(id="release", name="L", phase="ship"),
    )
    return harness


def completed(at: CliHarness, *words: str) -> list[str]:
    """What the shell would offer for the last word."""
    line = " ".join(("amplifier-swarm", *words))
    asked = {"_AMPLIFIER_SWARM_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    program = [sys.executable, "-m", "amplifier_swarm"]
    ended = subprocess.run(
        program, env={**os.environ, **asked, "SWARM_DB": str(at.db)}, capture_output=True, text=True, timeout=60
    )
    return [each.partition(",")[2] for each in ended.stdout.split()]


@pytest.mark.parametrize("words", [("task-info", "lib.romn"), ("cancel", "lib.romn"), ("logs", "lib.romn")])
def test_a_mistyped_id_gets_the_nearest_one_as_a_suggestion(at: CliHarness, words: tuple[str, ...]) -> None:
    ran = at.run(*words)
    assert (ran.code, ran.err) == (5, "error: no task 'lib.romn'\nhint: did you mean \"lib.roman\"?\n")


@pytest.mark.parametrize("words", [("list-tasks", "--phase"), ("hold", "--yes", "--phase")])
def test_an_unknown_phase_is_refused_with_the_nearest_one_or_all(at: CliHarness, words: tuple[str, ...]) -> None:
    assert 'did you mean "build"?' in at.run(*words, "biuld").err
    ran = at.run(*words, "Nope")
    assert (ran.code, ran.out) == (5, "")
    assert ran.err == "error: no task has the phase 'Nope'\nhint: phases are: build, ship\n"


def test_a_mistyped_worker_gets_the_nearest_one_or_all_as_suggestions(at: CliHarness) -> None:
    at.claim()
    assert at.run("drain", "wroker-1").err.endswith('hint: did you mean "worker-1"?\n')
    ran = at.run("drain", "nobody")
    assert (ran.code, ran.err) == (5, "error: no worker 'nobody' is running\nhint: workers are: worker-1\n")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("list-tasks", "--status", "faild"), "failed"),
        (("list-tasks", "--status", "held,complted"), "completed"),
        (("import-tasks", "taks.yaml"), "tasks.yaml"),
        (("add", "New", "--depends", "relaese"), "release"),
    ],
)
def test_other_mistyped_names_get_the_nearest_one_as_a_suggestion(
    at: CliHarness, words: tuple[str, ...], meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(at.db.parent)
    (at.db.parent / "tasks.yaml").write_text("tasks: []\n")
    ran = at.run(*words)
    assert ran.code in (2, 3, 6)
    assert f'did you mean "{meant}"?' in ran.out + ran.err


def test_an_unrecognizable_status_is_refused_with_a_list_of_all(at: CliHarness) -> None:
    assert "is not a status; choose from: not_started, in_progress," in at.run("list-tasks", "--status", "zzz").err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("scale", "3x"), "'3x' is not a whole number from 0 to 256"),
        (("scale", "300"), "'300' is not a whole number from 0 to 256"),
        (("prompt", "a", "--attempt", "0"), "'0' is not a whole number of at least 1"),
        (("start", "--retry-delay", "often"), "'often' is not a number from"),
        (("reset-orphans", "--timeout-minutes", "0"), "'0' is not a number above 0"),
    ],
)
def test_a_number_that_is_not_accepted_is_answered_with_those_that_are(
    at: CliHarness, words: tuple[str, ...], error: str
) -> None:
    ran = at.run(*words)
    assert ran.code == 2
    assert error in ran.err


def test_several_statuses_are_given_with_commas_or_one_by_one(at: CliHarness) -> None:
    at.queue(TaskSpec(id="bad", name="B", status=Status.FAILED), TaskSpec(id="kept", name="K", status=Status.HELD))
    for words in (("--status", "failed,held"), ("--status", "failed", "--status", "held")):
        assert [task["id"] for task in at.run("list-tasks", "--json", *words).json["tasks"]] == ["bad", "kept"]


def test_a_problem_that_stops_nothing_is_refused(at: CliHarness) -> None:
    ran = at.run("retry", "--failure", "abc", "--yes")
    assert ran.code == 5
    assert "no task has the problem 'abc'" in ran.err


def test_a_filter_without_matches_reports_that_nothing_was_changed(at: CliHarness) -> None:
    ran = at.run("retry", "--status", "failed", "--yes")
    assert (ran.code, ran.err) == (0, "no task matches; nothing was changed\n")


def test_with_json_an_error_is_a_document_as_well(at: CliHarness) -> None:
    for words, code in ((("task-info", "lib.romn"), 5), (("list-tasks", "--limit", "x"), 2)):
        ran = at.run(*words, "--json")
        assert ran.code == code
        shown = json.loads(ran.out)
        assert f"error: {shown['error']}\nhint: {shown['hint']}\n" == ran.err
        assert shown["exit_code"] == code


def test_the_shell_completes_ids_and_phases(at: CliHarness) -> None:
    assert completed(at, "task-info", "lib") == ["lib.roman", "lib.units"]
    assert completed(at, "list-tasks", "--phase", "b") == ["build"]


def test_the_shell_completes_agent_clis_problems_and_actions_of_supervisorctl(at: CliHarness) -> None:
    assert completed(at, "start", "--agent-cli", "co") == ["codex", "command", "copilot"]
    assert completed(at, "ctl", "sta") == ["start", "status"]
    at.queue(TaskSpec(id="broken", name="B", priority=0, max_retries=0))
    at.settle(at.claim(), AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error="boom"))
    with at.open() as database:
        [group] = database.failures.groups(9)
    assert completed(at, "retry", "--failure", group["fingerprint"][:3]) == [group["fingerprint"]]


def test_without_a_database_the_shell_offers_nothing(at: CliHarness) -> None:
    at.db.unlink()
    assert completed(at, "task-info", "lib") == []


def test_the_shell_completes_branches(at: CliHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = (
        "git init -qb main && git -c user.name=t -c user.email=t commit -q --allow-empty -m begin "
        "&& git branch mine && git branch swarm/integration && git branch swarm/task/a"
    )
    subprocess.run(["/bin/sh", "-c", create], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    assert completed(at, "land", "--into", "m") == ["main", "mine"]
    assert completed(at, "land", "--into", "") == ["main", "mine"], "not the branches that the swarm writes"
