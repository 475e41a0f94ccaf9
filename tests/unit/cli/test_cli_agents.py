"""`agents`: what it lists, and what a check of one agent CLI reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_harness import CliHarness
from msgspec.structs import replace

from swarm_shared.domain.models import FailureClass, Outcome, TaskSpec
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.processes.procfs import read_stat
from swarm_shared.store.queue.policy import AttemptResult

RESULT = {
    "type": "result", "subtype": "success", "is_error": False, "session_id": "s1", "total_cost_usd": 0.0132,
    "result": '{"status": "success", "tests_passed": true}',
    "usage": {"input_tokens": 90, "output_tokens": 10, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0},
}  # fmt: skip
STARTED = {"type": "assistant", "session_id": "s1", "message": {"model": "a-model", "content": []}}
REFUSED = {
    "type": "result", "subtype": "success", "is_error": True, "api_error_status": 401, "session_id": "s1",
    "result": "Not logged in · Please run /login",
}  # fmt: skip


@pytest.fixture(autouse=True)
def project(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = harness.folder / "project"
    folder.mkdir()
    monkeypatch.setenv("SWARM_PROJECT_ROOT", str(folder))
    return folder


def stand_in(harness: CliHarness, session: str, *, logged_in: bool = True) -> None:
    """A Claude that prints its version, its login status, and a session's output as the shell text says."""
    program = harness.folder / "claude"
    status = "echo '{}'; exit 0" if logged_in else "echo 'Not logged in'; exit 1"
    program.write_text(
        f"#!/bin/sh\ncase $1 in\n--version) echo '2.1.332 (Claude Code)'; exit ;;\nauth) {status} ;;\nesac\n{session}\n"
    )
    program.chmod(0o755)
    entries = f"{{claude: {{binary: '{program}'}}, mine: {{like: claude}}}}"
    (harness.folder / "swarm.yaml").write_text(f"agent_clis: {entries}\n")


def says(*events: dict[str, object]) -> str:
    return "cat > /dev/null; cat <<'END'\n" + "\n".join(map(json.dumps, events)) + "\nEND"


def test_the_list_has_built_in_and_custom_clis_with_version_login_and_last_use(harness: CliHarness) -> None:
    stand_in(harness, "exit 1", logged_in=False)
    harness.queue(TaskSpec(id="a", name="A"))
    claim = harness.claim()
    trouble = Trouble(kind=TroubleKind.QUOTA, text="no credit left")
    result = AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.PROVIDER, error="x", trouble=trouble)
    harness.settle(replace(claim, agent_cli="amplifier"), result)
    ran = harness.run("agents", "--json")
    assert ran.code == 0
    found = {each["name"]: each for each in ran.json["agents"]}
    assert {"amplifier", "claude", "codex", "command", "amplifier-agent", "mine"} <= set(found)
    claude = found["claude"]
    assert (claude["version"], claude["ready"], claude["message"]) == (
        "2.1.332 (Claude Code)",
        "not_ready",
        "Not logged in",
    )
    assert claude["advice"] == "log in: claude auth login"
    assert claude["path"] == str(harness.folder / "claude")
    assert found["amplifier"]["default"]
    assert found["amplifier"]["last_used_at"]
    assert found["amplifier"]["hold"]["reason"] == "no credit left"
    assert found["amplifier-agent"]["untried"]
    assert (found["mine"]["last_used_at"], found["mine"]["hold"]) == (None, None)
    text = harness.run("agents")
    assert "not logged in: Not logged in" in text.out
    assert "on hold (quota used up), " not in text.out
    assert "amplifier is on hold (quota used up): no credit left" in text.err


def test_the_list_needs_no_database(harness: CliHarness) -> None:
    assert "amplifier (default)" in harness.run("agents").out
    assert not harness.db.exists()


@pytest.mark.parametrize("logged_in", [True, False])
def test_a_check_reports_program_version_and_login(harness: CliHarness, logged_in: bool) -> None:
    stand_in(harness, "exit 1", logged_in=logged_in)
    ran = harness.run("agents", "check", "claude")
    assert ran.code == (0 if logged_in else 10)
    assert f"program   {harness.folder / 'claude'}" in ran.out
    assert "version   2.1.332 (Claude Code)" in ran.out
    assert ("login     ready" if logged_in else "login     not logged in: Not logged in") in ran.out


def test_a_call_reports_answer_model_tokens_and_cost(harness: CliHarness, project: Path) -> None:
    stand_in(harness, "touch here\n" + says(STARTED, RESULT))
    ran = harness.run("agents", "check", "claude", "--call", "--json")
    assert ran.code == 0, ran.out
    call = ran.json["call"]
    assert call["answer"] == {"status": "success", "tests_passed": True}
    assert (call["models"], call["tokens"], call["cost_usd"], call["failure"]) == (["a-model"], 100, 0.0132, None)
    assert list(project.iterdir()) == [], "the session works in a temporary folder"


def test_a_call_that_fails_is_classified(harness: CliHarness) -> None:
    stand_in(harness, says(STARTED, REFUSED) + "\nexit 1")
    ran = harness.run("agents", "check", "claude", "--call", "--json")
    assert ran.code == 10
    assert (ran.json["call"]["failure"], ran.json["call"]["trouble"]) == ("provider", "credentials")
    assert "Not logged in" in ran.json["call"]["reason"]
    assert "call      provider: credentials: Not logged in" in harness.run("agents", "check", "claude", "--call").out


def test_a_call_that_does_not_end_is_killed_with_everything_that_it_started(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    from amplifier_swarm.commands.maintenance import agents

    monkeypatch.setattr(agents, "CALL_TIMEOUT_S", 2.0)
    marker = harness.folder / "pid"
    stand_in(harness, f"setsid sh -c 'echo $$ > {marker}; exec sleep 600' &\nsleep 600")
    ran = harness.run("agents", "check", "claude", "--call", "--json")
    assert ran.code == 10
    assert ran.json["call"]["reason"] == "claude did not end within 2 s"
    stat = read_stat(int(marker.read_text()))
    assert stat is None or stat.ended


@pytest.mark.parametrize("words", [("claude",), ("check",), ("--call",)])
def test_a_check_names_the_parts_that_it_checks(harness: CliHarness, words: tuple[str, ...]) -> None:
    assert harness.run("agents", *words).code == 2


def test_an_unknown_or_missing_cli_is_an_error_with_advice(harness: CliHarness) -> None:
    ran = harness.run("agents", "check", "nobody")
    assert (ran.code, "agent CLI 'nobody' is not known" in ran.err) == (3, True)
    (harness.folder / "swarm.yaml").write_text("agent_clis: {mine: {binary: no-such-program, argv: [run]}}\n")
    ran = harness.run("agents", "check", "mine")
    assert ran.code == 10
    assert "program 'no-such-program' was not found" in ran.out
    assert "--agent-cli" in ran.out


def test_a_version_command_that_does_not_finish_does_not_prove_that_the_cli_cannot_start(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    from amplifier_swarm.agent_clis import report

    monkeypatch.setattr(report, "ANSWER_S", 0.2)
    program = harness.folder / "slow"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    (harness.folder / "swarm.yaml").write_text(
        f"agent_clis: {{mine: {{binary: '{program}', argv: [run], version: [--version]}}}}\n"
    )
    ran = harness.run("agents", "check", "mine")
    assert ran.code == 0
    assert "version   unknown: no answer within 0.2 s" in ran.out
