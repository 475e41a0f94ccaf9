"""`plan-from`: an agent writes a task file in a clone; the project and the queue stay unchanged."""

from __future__ import annotations

import json
import subprocess
from importlib import import_module
from pathlib import Path

import click
import pytest
from cli_harness import CliHarness

plan_from = import_module("amplifier_swarm.commands.tasks.plan_from")
GOOD = "tasks:\n- {id: a, name: A, acceptance_criteria: [It works]}\n- {id: b, name: B, dependencies: [a]}\n"
BAD = "tasks:\n- {id: a, name: A, dependencies: [nowhere]}\n"
EXIT_INPUT, EXIT_STATE = 3, 6


@pytest.fixture
def project(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = harness.folder / "project"
    folder.mkdir()
    monkeypatch.setenv("SWARM_PROJECT_ROOT", str(folder))
    monkeypatch.setenv("SWARM_AGENT_CLI", "claude")
    (folder / "code.py").write_text("x = 1\n")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=P", "-c", "user.email=p@x", "commit", "-qm", "1"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def agent(harness: CliHarness, *plans: str, verdict: str = "PASS") -> Path:
    """A Claude that writes these plans, one per builder session, and judges; returns the folder with its prompts."""
    prompts = harness.folder / "prompts"
    prompts.mkdir()
    for number, plan in enumerate(plans, 1):
        (prompts / f"plan-{number}").write_text(plan)
    built = json.dumps({"status": "success", "files_created": ["swarm-plan.yaml"], "tests_passed": None})
    judged = json.dumps({"verdict": verdict, "critical_issues": [] if verdict == "PASS" else ["no tests"]})
    program = harness.folder / "claude"
    program.write_text(
        f"""#!/bin/sh
case $1 in --version) echo '2.1.332 (Claude Code)'; exit ;; esac
number=$(($(ls {prompts} | grep -c prompt-) + 1))
cat > {prompts}/prompt-$number
test -e code.py || exit 9
echo 'spoiled' > code.py
answer='{judged}'
if ! grep -q 'Judge a plan' {prompts}/prompt-$number; then
    answer='{built}'
    if test -e {prompts}/plan-$number; then cp {prompts}/plan-$number swarm-plan.yaml; fi
fi
python3 -c 'import json, sys; print(json.dumps({{"type": "result", "subtype": "success", "is_error": False,
    "session_id": "s", "result": sys.argv[1], "usage": {{"input_tokens": 1, "output_tokens": 1}}}}))' "$answer"
"""
    )
    program.chmod(0o755)
    (harness.folder / "swarm.yaml").write_text(f"agent_clis: {{claude: {{binary: '{program}'}}}}\n")
    return prompts


def goal(harness: CliHarness) -> str:
    return harness.file("Let it greet people.\n", "GOAL.md")


def output(harness: CliHarness) -> Path:
    return harness.folder / "made.yaml"


def test_a_plan_is_written_and_judged_and_nothing_else_changes(harness: CliHarness, project: Path) -> None:
    prompts = agent(harness, GOOD)
    ran = harness.run("plan-from", goal(harness), "--output", str(output(harness)))
    assert ran.code == 0, ran.err
    assert output(harness).read_text() == GOOD
    assert "validator: PASS" in ran.out
    assert "import-tasks" in ran.err
    assert "Let it greet people." in (prompts / "prompt-1").read_text()
    assert (project / "code.py").read_text() == "x = 1\n"
    assert not harness.db.exists()


def test_an_invalid_plan_is_corrected_once(harness: CliHarness, project: Path) -> None:
    prompts = agent(harness, BAD, GOOD, verdict="FAIL")
    ran = harness.run("plan-from", goal(harness), "--output", str(output(harness)))
    assert ran.code == 0, ran.err
    assert "nowhere" in (prompts / "prompt-2").read_text()
    assert output(harness).read_text() == GOOD
    assert "validator: FAIL" in ran.out
    assert "- no tests" in ran.err


def test_a_plan_that_is_still_invalid_is_refused_with_its_problems(harness: CliHarness, project: Path) -> None:
    agent(harness, BAD, BAD)
    ran = harness.run("plan-from", goal(harness), "--output", str(output(harness)))
    assert ran.code == EXIT_INPUT
    assert "nowhere" in ran.err
    assert not output(harness).exists()


def test_a_session_that_writes_nothing_is_an_error(harness: CliHarness, project: Path) -> None:
    agent(harness)
    ran = harness.run("plan-from", goal(harness), "--output", str(output(harness)))
    assert ran.code == EXIT_STATE
    assert "wrote no" in ran.err


def test_an_existing_file_is_never_replaced(harness: CliHarness, project: Path) -> None:
    agent(harness, GOOD)
    output(harness).write_text("mine\n")
    assert harness.run("plan-from", goal(harness), "--output", str(output(harness))).code == EXIT_INPUT
    assert output(harness).read_text() == "mine\n"


@pytest.mark.parametrize(("says_yes", "imported"), [(False, set()), (True, {"a", "b"})])
def test_nothing_is_imported_without_confirmation(
    harness: CliHarness, project: Path, monkeypatch: pytest.MonkeyPatch, says_yes: bool, imported: set[str]
) -> None:
    agent(harness, GOOD)
    monkeypatch.setattr(plan_from, "is_terminal", lambda _: True)
    monkeypatch.setattr(click, "confirm", lambda *_, **__: says_yes)
    monkeypatch.setenv("EDITOR", "true")
    ran = harness.run("plan-from", goal(harness), "--output", str(output(harness)))
    assert ran.code == 0, ran.err
    assert harness.db.exists() is says_yes
    if says_yes:
        with harness.open() as database:
            assert database.imports.known_ids() == imported


def test_a_file_that_the_user_made_invalid_in_the_editor_is_not_imported(
    harness: CliHarness, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent(harness, GOOD)
    monkeypatch.setattr(plan_from, "is_terminal", lambda _: True)
    monkeypatch.setattr(click, "confirm", lambda *_, **__: True)
    monkeypatch.setenv("EDITOR", "sed -i s/dependencies/status/")
    ran = harness.run("plan-from", goal(harness), "--output", str(output(harness)))
    assert ran.code == EXIT_INPUT
    assert not harness.db.exists()
