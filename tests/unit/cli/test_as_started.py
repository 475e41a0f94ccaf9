"""Commands report on the swarm as its workers were started, whatever this shell's environment says."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_harness import CliHarness

from swarm_shared.domain.models import TaskSpec
from swarm_shared.domain.trouble import TroubleKind
from swarm_shared.processes.identity import ProcessId
from swarm_shared.settings.settings import resolve
from swarm_shared.store.queue.claims import Claimant
from swarm_shared.store.queue.policy import AttemptResult, Budgets
from swarm_shared.store.swarm.started_with import StartedWith


def agent(folder: Path, name: str, script: str) -> str:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def start_with(harness: CliHarness, *, running: bool = False, **flags: object) -> StartedWith:
    """What `start` stores; `running` registers this process as a worker."""
    (harness.folder / "project").mkdir(exist_ok=True)
    flags = {"db": harness.db, "project_root": harness.folder / "project", **flags}
    started = StartedWith.of(resolve(flags, {}))
    with harness.open() as database:
        database.swarm.note_started_with(started)
        if running:
            database.workers.register("worker-1", ProcessId.mine(), ProcessId.mine(), lease_s=600)
    return started


def hold_on_credentials(harness: CliHarness, agent_cli: str) -> None:
    from swarm_shared.domain.models import FailureClass, Outcome
    from swarm_shared.domain.trouble import Trouble

    with harness.open() as database:
        run = database.workers.register("worker-9", ProcessId.mine(), ProcessId.mine(), lease_s=600)
        claim = database.queue.claim(Claimant(run=run, worker_id="worker-9", agent_cli=agent_cli))
        assert claim is not None
        trouble = Trouble(kind=TroubleKind.CREDENTIALS, text="please log in")
        result = AttemptResult(
            outcome=Outcome.FAILED, failure_class=FailureClass.PROVIDER, error="please log in", trouble=trouble
        )
        database.queue.settle(claim, result, Budgets(max_retries=0))
        database.workers.end(run, crashed=False, reason="drained")


def test_why_names_the_hold_of_the_agent_cli_that_the_workers_use(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    hold_on_credentials(harness, "codex")
    assert "please log in" not in harness.run("why", "a").out
    start_with(harness, agent_cli="codex")
    ran = harness.run("why", "a")
    assert "codex is on hold until you resume (sign-in rejected): please log in" in ran.out


def test_doctor_checks_the_agent_cli_that_the_workers_use(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    monkeypatch.setenv("SWARM_AGENT_CLI", "no-such-cli")
    start_with(harness, running=True, agent_cli="command")
    with harness.open() as database:
        database.swarm.register_service("reaper", ProcessId.mine())
    ran = harness.run("doctor")
    assert ran.code == 0, ran.out
    assert "command can start" in ran.out


def test_before_a_start_the_callers_settings_count_and_after_it_its_defaults_do_not(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    start_with(harness, agent_cli="command")
    assert "command can start" in harness.run("doctor").out
    monkeypatch.setenv("SWARM_AGENT_CLI", "no-such-cli")
    assert "agent CLI 'no-such-cli' is not known" in harness.run("doctor").out


def test_status_shows_the_settings_that_the_workers_were_started_with(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    start_with(harness, agent_cli="codex", validation=False, land_into="night run")
    shown = harness.run("status", "--json").json["started_with"]
    assert (shown["agent_cli"], shown["validation"], shown["isolation"]) == ("codex", False, "auto")
    ran = harness.run("status")
    project = harness.folder / "project"
    assert f"agent CLI codex in {project}, without validation" in ran.out
    again = f"amplifier-swarm start --agent-cli codex --project-root {project} --land-into 'night run' --no-validation"
    assert again in ran.err
    assert again in harness.run("why", "a").out
    assert again in harness.run("doctor").out


def test_the_command_omits_what_the_next_start_finds_without_flags(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    (harness.folder / "swarm.yaml").write_text("agent_cli: codex\n")
    harness.queue(TaskSpec(id="a", name="A"))
    started = start_with(harness)
    monkeypatch.chdir(harness.folder / "project")
    assert started.agent_cli == "codex"
    assert started.command() == "amplifier-swarm start"


def test_a_stored_start_of_a_different_shape_is_ignored(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    with harness.open() as database:
        database.swarm.set_meta("started_with", '{"agent_cli": 3}')
    assert harness.run("status", "--json").json["started_with"] is None


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("exit 1", 10, "agent CLI 'mine' is not logged in: `{program} status` ended with exit code 1"),
        ("echo 'Session expired' >&2; exit 1", 10, "agent CLI 'mine' is not logged in: Session expired"),
    ],
)
def test_a_cli_that_is_not_logged_in_ends_start_before_the_first_task(
    harness: CliHarness, script: str, code: int, words: str
) -> None:
    program = agent(harness.folder, "mine", script)
    (harness.folder / "swarm.yaml").write_text(
        f"agent_clis: {{mine: {{binary: '{program}', argv: [run], ready: [status], login: mine login}}}}\n"
    )
    harness.queue(TaskSpec(id="a", name="A"))
    (harness.folder / "project").mkdir()
    process = harness.spawn("start", "--agent-cli", "mine", "--project-root", "project", "--no-dashboard")
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert words.format(program=program) in err
    assert "log in: mine login" in err
    with harness.open() as database:
        assert database.tasks.get("a")["attempt_count"] == 0


def test_doctor_names_a_cli_that_is_not_logged_in_and_warns_of_one_that_may_not_be(harness: CliHarness) -> None:
    program = agent(harness.folder, "mine", "echo 'Not logged in'; exit 1")
    entry = f"binary: '{program}', argv: [run], ready: [status]"
    (harness.folder / "swarm.yaml").write_text(f"agent_clis: {{mine: {{{entry}}}}}\n")
    harness.queue(TaskSpec(id="a", name="A"))
    start_with(harness, agent_cli="mine")
    ran = harness.run("doctor")
    assert ran.code == 3
    assert "bad  agent CLI: agent CLI 'mine' is not logged in: Not logged in" in ran.out
    (harness.folder / "swarm.yaml").write_text(f"agent_clis: {{mine: {{{entry}, ready_may_err: true}}}}\n")
    ran = harness.run("doctor")
    assert ran.code == 0
    assert "warn agent CLI: agent CLI 'mine' may not be logged in: Not logged in" in ran.out


def test_a_missing_login_is_only_a_warning_if_tasks_may_have_their_own_key(harness: CliHarness) -> None:
    program = agent(harness.folder, "mine", "echo 'Not logged in'; exit 1")
    (harness.folder / "swarm.yaml").write_text(
        f"agent_clis: {{mine: {{binary: '{program}', argv: [run], ready: [status]}}}}\n"
    )
    harness.queue(TaskSpec(id="a", name="A", env={"MY_KEY": "k"}))
    start_with(harness, agent_cli="mine")
    ran = harness.run("doctor")
    assert ran.code == 0, ran.out
    assert "warn agent CLI: agent CLI 'mine' is not logged in: Not logged in" in ran.out
