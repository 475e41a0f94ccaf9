"""Whole sessions with the stand-ins: prepared, actually run, and read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from amplifier_harness import AmplifierHarness, make_harness

from swarm_shared.agents.amplifier.home import EVENTS_FILE, sessions_folder
from swarm_shared.agents.amplifier.loaded import Loaded, agent_file, loaded
from swarm_shared.agents.launching.launch import SessionPlan, prepare
from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.agents.reading.session_result import Reading, SessionEnd, read_session
from swarm_shared.agents.reading.usage import Usage, events_size, session_usage, total_usage
from swarm_shared.domain.models import FailureClass, Role, TaskSpec
from swarm_shared.domain.trouble import TroubleKind

PRESETS = load_presets()
ATTEMPT = "0f8fad5b-d9cb-469f-a165-70867728950e"
DEADLINE_S = 30.0


@pytest.fixture
def harness(tmp_path: Path) -> AmplifierHarness:
    return make_harness(tmp_path)


@contextmanager
def session(
    harness: AmplifierHarness,
    cli: AgentCli,
    script: dict[str, Any] | None = None,
    *,
    role: Role = Role.BUILDER,
    number: int = 1,
    prompt: str = "# Task 1: n",
    task: TaskSpec | None = None,
    agent: str = "foundation:modular-builder",
    **env: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """The session's process with its prompt on standard input; whatever is left of it is killed at the end."""
    plan = SessionPlan(
        role=role,
        agent=agent,
        prompt=prompt,
        task=task or TaskSpec(id="1", name="n", extra={"script": script or {}}),
        attempt_id=ATTEMPT,
        attempt_number=number,
        private_dir=harness.home,
        project_root=harness.project,
    )
    launch = prepare(cli, plan, harness.env(FAKE_AMPLIFIER=json.dumps(script or {}), **env))
    # A file and not a pipe: a command that never reads its input may have ended before all of it is written.
    given = harness.home / "stdin"
    given.write_bytes(launch.stdin)
    with given.open("rb") as stdin:
        process = subprocess.Popen(
            launch.argv,
            env=dict(launch.env),
            cwd=harness.project,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read(process: subprocess.Popen[bytes], cli: AgentCli, role: Role = Role.BUILDER) -> Reading:
    stdout, stderr = process.communicate(timeout=DEADLINE_S)
    code = process.returncode
    end = SessionEnd(
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        stdout=stdout.decode(errors="replace"),
        stderr=stderr.decode(errors="replace"),
    )
    return read_session(cli, role, end, now_ms=1_800_000_000_000)


def run(
    harness: AmplifierHarness,
    name: str,
    script: dict[str, Any] | None = None,
    *,
    role: Role = Role.BUILDER,
    **more: Any,
) -> Reading:
    with session(harness, PRESETS[name], script, role=role, **more) as process:
        return read(process, PRESETS[name], role)


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < deadline, f"still not true: {what}"
        time.sleep(0.01)


@pytest.mark.parametrize("role", [Role.BUILDER, Role.VALIDATOR])
def test_an_amplifier_session_passes_from_persona_to_answer(harness: AmplifierHarness, role: Role) -> None:
    step = {"tokens": 120, "cost": 0.5, "delegated": 30, "preamble": ["x" * 200], "noise": ["naming failed"]}
    reading = run(harness, "amplifier", {role.value: [step]}, role=role)
    assert reading.failure is None, reading.reason
    by_model = session_usage(
        PRESETS["amplifier"], env=harness.env(), cwd=harness.project, session_id=reading.session_id
    )
    used = total_usage(by_model)
    assert used == Usage(tokens=150, output_tokens=10, cost_usd=0.5)


def test_steps_follow_the_attempts_and_a_line_of_the_prompt_can_define_them(harness: AmplifierHarness) -> None:
    script = {"builder": [{"answer": {"status": "failed", "blockers": ["once"]}}, {}]}
    prompt = f"# Task\n\nFAKE: {json.dumps(script)}\n"
    assert run(harness, "amplifier", prompt=prompt).must_fix == ("once",)
    assert run(harness, "amplifier", prompt=prompt, number=2).failure is None
    assert run(harness, "amplifier", prompt=prompt, number=9).failure is None


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        ({"error": "Execution failed: RateLimitError: Error code: 429"}, FailureClass.PROVIDER),
        ({"error": "Execution failed: ContextLengthError: x"}, FailureClass.QUALITY),
        ({"startup": "Failed to clone"}, FailureClass.SETUP),
        ({"raw": "Traceback (most recent call last)\n", "exit": 1}, FailureClass.SETUP),
        ({"response": "VERDICT: PASS"}, FailureClass.UNREADABLE),
        ({"error": "boom", "exit": 0}, FailureClass.QUALITY),
        ({"exit": 3}, FailureClass.QUALITY),
        ({"signal": 9}, FailureClass.CRASH),
    ],
)
def test_every_way_amplifier_fails_is_distinguished(
    harness: AmplifierHarness, step: dict[str, Any], failure: FailureClass
) -> None:
    assert run(harness, "amplifier", {"builder": [step]}).failure is failure


def test_a_missing_bundle_and_a_wrong_flag_are_setup_problems(harness: AmplifierHarness) -> None:
    own = {
        "bundle": {"like": "amplifier", "argv": ["run", "--bundle", "nope", "--output-format", "json"]},
        "flag": {"like": "amplifier", "argv": ["run", "--agent", "{agent}"]},
    }
    presets = load_presets(own)
    for name, words in {"bundle": "Error: Bundle 'nope' not found. Available", "flag": "No such option"}.items():
        with session(harness, presets[name]) as process:
            reading = read(process, presets[name])
        assert reading.failure is FailureClass.SETUP
        assert words in reading.reason


def test_a_missing_bundle_file_is_reported_with_the_text_of_the_panel(harness: AmplifierHarness) -> None:
    argv = ["run", "--bundle", "file:///nowhere/bundle.md", "--output-format", "json"]
    presets = load_presets({"gone": {"like": "amplifier", "argv": argv}})
    with session(harness, presets["gone"]) as process:
        reading = read(process, presets["gone"])
    assert reading.trouble is not None
    assert reading.trouble.kind is TroubleKind.STARTUP
    text = "Bundle Error: Bundle not found at file:///nowhere/bundle.md. Check the address of the bundle and try again."
    assert reading.trouble.text == text


def test_a_provider_without_its_key_is_startup_trouble_with_the_clis_message(harness: AmplifierHarness) -> None:
    settings = harness.home / ".amplifier" / "settings.yaml"
    settings.write_text("config: {providers: [{module: provider-openai, config: {api_key: '${OPENAI_API_KEY}'}}]}\n")
    reading = run(harness, "amplifier")
    assert reading.trouble is not None
    assert reading.trouble.kind is TroubleKind.STARTUP
    assert reading.trouble.text == "Error: No providers available; No API key found for OpenAI provider"
    assert run(harness, "amplifier", OPENAI_API_KEY="k").failure is None
    # An agent may write about it.
    answer = {"status": "success", "tests_passed": True, "implementation_notes": "Error: No providers available"}
    assert run(harness, "amplifier", {"builder": [{"answer": answer}]}, OPENAI_API_KEY="k").failure is None


def loaded_by(harness: AmplifierHarness, step: dict[str, Any], agent: str = "foundation:modular-builder") -> Loaded:
    amplifier = PRESETS["amplifier"]
    with session(harness, amplifier, {"builder": [step]}, agent=agent) as process:
        session_id = read(process, amplifier).session_id
    assert session_id is not None
    events = sessions_folder(harness.env(), harness.project) / session_id / EVENTS_FILE
    namespace, _, name = agent.partition(":")
    return loaded(events, agent_file(namespace, name))


@pytest.mark.parametrize(
    ("step", "agent", "expected"),
    [
        ({}, "foundation:modular-builder", Loaded.YES),
        ({}, "recipes:result-validator", Loaded.YES),
        ({"replaced": True}, "foundation:modular-builder", Loaded.YES),
        ({"no_context": True}, "foundation:modular-builder", Loaded.NO),
        ({}, "recipes:result-validater", Loaded.NO),
        ({"old": True}, "foundation:modular-builder", Loaded.UNKNOWN),
    ],
    ids=["loaded", "part of a repository", "the body replaced", "the context gone", "no such agent", "old version"],
)
def test_the_events_of_a_session_prove_which_agent_it_was(
    harness: AmplifierHarness, step: dict[str, Any], agent: str, expected: Loaded
) -> None:
    assert loaded_by(harness, step, agent) is expected


def test_a_mention_that_failed_is_proof_of_a_missing_agent(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    failed = [{"mention": "@recipes:agents/result-validater.md", "reason": "not_found"}]
    record = {"event": "mentions:resolved", "data": {"failed": failed, "resolutions": []}}
    events.write_text(json.dumps(record) + "\n{half")
    assert loaded(events, "recipes:agents/result-validater.md") is Loaded.NO
    # What an earlier turn of a resumed session recorded does not count for this one.
    assert loaded(events, "recipes:agents/result-validater.md", since=events.stat().st_size) is Loaded.UNKNOWN


def test_answers_that_were_logged_twice_count_once(harness: AmplifierHarness) -> None:
    reading = run(harness, "amplifier", {"builder": [{"tokens": 120, "cost": "0.5", "log_twice": True}]})
    by_model = session_usage(
        PRESETS["amplifier"], env=harness.env(), cwd=harness.project, session_id=reading.session_id
    )
    used = total_usage(by_model)
    assert used == Usage(tokens=120, output_tokens=10, cost_usd=0.5)


def test_an_interrupted_command_that_ends_with_success_but_no_answer_does_not_pass(harness: AmplifierHarness) -> None:
    amplifier = PRESETS["amplifier"]
    started = harness.project / "started"
    step = {"touch": str(started), "hang": True}
    with session(harness, amplifier, {"builder": [step]}) as process:
        wait_for(started.exists)
        process.send_signal(signal.SIGINT)
        reading = read(process, amplifier)
    assert process.returncode == 0
    assert reading.failure is FailureClass.UNREADABLE


def test_the_bash_tools_child_has_a_session_of_its_own_and_the_marker(harness: AmplifierHarness) -> None:
    amplifier = PRESETS["amplifier"]
    report = harness.project / "child"
    step = {"bash": f"echo $$ $AMPLIFIER_SWARM_ATTEMPT > {report}.new; mv {report}.new {report}", "hang": True}
    with session(harness, amplifier, {"builder": [step]}) as process:
        wait_for(report.exists)
        pid, attempt = report.read_text().split()
        assert attempt == ATTEMPT
        assert int(pid) != process.pid
        process.send_signal(signal.SIGTERM)
        assert read(process, amplifier).failure is FailureClass.CRASH


def test_events_grow_while_the_agent_works(harness: AmplifierHarness) -> None:
    amplifier = PRESETS["amplifier"]
    began_ms = int(time.time() * 1000)

    def size() -> int:
        return events_size(amplifier, env=harness.env(), cwd=harness.project, started_ms=began_ms) or 0

    with session(harness, amplifier, {"builder": [{"events": 1000, "every_s": 0.01}]}):
        wait_for(lambda: size() > 0)
        first = size()
        wait_for(lambda: size() > first)


def test_a_command_task_actually_runs(harness: AmplifierHarness) -> None:
    task = TaskSpec(id="1", name="n", run="echo made > out.txt", verify="grep -q other out.txt || exit 4")
    assert run(harness, "command", task=task).failure is None
    assert (harness.project / "out.txt").read_text() == "made\n"
    reading = run(harness, "command", task=task, role=Role.VALIDATOR)
    assert reading.failure is FailureClass.QUALITY
    assert "verify command exited with code 4" in reading.reason


def test_a_failing_verify_command_is_an_objection_with_its_output(harness: AmplifierHarness) -> None:
    task = TaskSpec(id="1", name="n", run="true", verify="echo looking; echo 'a refund pays too much'; exit 1")
    reading = run(harness, "command", task=task, role=Role.VALIDATOR)
    assert reading.must_fix == ("a refund pays too much",)
    assert reading.answer == {"verdict": "FAIL", "critical_issues": ["a refund pays too much"]}


def test_a_verify_command_that_cannot_run_is_not_an_objection(harness: AmplifierHarness) -> None:
    task = TaskSpec(id="1", name="n", run="true", verify="no-such-program-here")
    reading = run(harness, "command", task=task, role=Role.VALIDATOR)
    assert (reading.failure, reading.answer, reading.must_fix) == (FailureClass.QUALITY, None, ())


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        ({}, None),
        ({"output": ["working", '{"noise": 1}']}, None),
        ({"answer": {"status": "failed"}}, FailureClass.QUALITY),
        ({"answer": "just prose"}, FailureClass.UNREADABLE),
        ({"answer": "", "exit": 1, "stderr": "cannot start"}, FailureClass.SETUP),
        ({"answer": "", "exit": 1, "stderr": "HTTP 429"}, FailureClass.PROVIDER),
        ({"exit": 3}, FailureClass.QUALITY),
        ({"signal": 9}, FailureClass.CRASH),
        ({"signal": 15}, FailureClass.CRASH),
    ],
)
def test_scripted_can_play_every_outcome(
    harness: AmplifierHarness, step: dict[str, Any], failure: FailureClass | None
) -> None:
    reading = run(harness, "scripted", {"builder": [step]})
    assert reading.failure is failure, reading.reason


def test_scripted_passes_without_a_script_in_both_roles(harness: AmplifierHarness) -> None:
    assert run(harness, "scripted").failure is None
    assert run(harness, "scripted", role=Role.VALIDATOR).failure is None


def test_scripted_steps_follow_attempts_or_runs(harness: AmplifierHarness) -> None:
    bad: dict[str, Any] = {"answer": {"status": "failed"}}
    assert run(harness, "scripted", {"builder": [bad, {}]}).failure is FailureClass.QUALITY
    assert run(harness, "scripted", {"builder": [bad, {}]}, number=2).failure is None
    by_run = {"builder": {"steps": [bad, {}], "runs": str(harness.home / "runs")}}
    assert [run(harness, "scripted", by_run).failure for _ in range(3)] == [FailureClass.QUALITY, None, None]


def test_scripted_writes_a_ledger_and_waits_when_asked_to(harness: AmplifierHarness) -> None:
    ledger, gate, touched = harness.home / "ledger", harness.home / "gate", harness.home / "touched"
    step = {"ledger": str(ledger), "wait_for": str(gate), "touch": str(touched)}
    scripted = PRESETS["scripted"]
    with session(harness, scripted, {"builder": [step]}) as process:
        wait_for(touched.exists)
        entries = [json.loads(line) for line in ledger.read_text().splitlines()]
        assert [(entry["event"], entry["pid"]) for entry in entries] == [("start", process.pid)]
        gate.touch()
        assert read(process, scripted).failure is None
    last = json.loads(ledger.read_text().splitlines()[-1])
    assert (last["event"], last["task"], last["attempt"], last["number"], last["role"]) == (
        "end",
        "1",
        ATTEMPT,
        1,
        "builder",
    )


def test_scripted_can_ignore_sigterm(harness: AmplifierHarness) -> None:
    touched = harness.home / "touched"
    step = {"ignore_term": True, "hang": True, "touch": str(touched)}
    with session(harness, PRESETS["scripted"], {"builder": [step]}) as process:
        wait_for(touched.exists)
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.3)


@pytest.mark.parametrize("kind", ["setsid", "envi", "doublefork"])
def test_scripted_leaves_sleepers_behind_in_the_ways_that_agents_do(harness: AmplifierHarness, kind: str) -> None:
    def sleepers() -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.readlink(entry / "cwd") == str(harness.project) and (
                        entry / "cmdline"
                    ).read_bytes().startswith(b"sleep\0"):
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found

    try:
        assert run(harness, "scripted", {"builder": [{"spawn": [kind]}]}).failure is None
        wait_for(sleepers)
        (pid,) = sleepers()
        assert os.getsid(pid) != os.getsid(0)
        marked = ATTEMPT.encode() in Path(f"/proc/{pid}/environ").read_bytes()
        assert marked is (kind != "envi")
    finally:
        for pid in sleepers():
            os.kill(pid, signal.SIGKILL)
