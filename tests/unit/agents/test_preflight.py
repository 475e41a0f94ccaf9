"""What is checked before a run: the program, its agents, a provider."""

from __future__ import annotations

from pathlib import Path

import pytest
from amplifier_harness import AmplifierHarness, make_harness

from swarm_shared.agents.launching.agent_checks import CliFinding, Topic, check_agent_cli
from swarm_shared.agents.presets.catalog import load_presets

PRESETS = load_presets()
GOOD = ("foundation:modular-builder", "recipes:result-validator")


def check(harness: AmplifierHarness, *agents: str, name: str = "amplifier", **env: str) -> tuple[CliFinding, ...]:
    return check_agent_cli(PRESETS[name], agents, env=harness.env(**env), cwd=harness.project, timeout_s=30)


class Fatal(Exception):
    """A finding with which nothing can be started."""

    def __init__(self, finding: CliFinding) -> None:
        super().__init__(finding.text)
        self.topic = finding.topic


def require(harness: AmplifierHarness, *agents: str, name: str = "amplifier", **env: str) -> tuple[CliFinding, ...]:
    """The findings, none of which is fatal."""
    findings = check(harness, *agents, name=name, **env)
    for finding in findings:
        if finding.fatal:
            raise Fatal(finding)
    return findings


def test_a_healthy_setup_has_no_findings(tmp_path: Path) -> None:
    assert require(make_harness(tmp_path), *GOOD) == ()


def test_a_missing_program_is_reported(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    with pytest.raises(Fatal, match="'claude' was not found") as refused:
        require(harness, name="claude", PATH="/nowhere")
    assert refused.value.topic is Topic.BINARY


def test_a_program_that_cannot_start_is_reported_with_its_own_message(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    broken = harness.bin / "codex"
    broken.write_text("#!/bin/sh\necho 'no module named x' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(Fatal, match="exit code 1: no module named x"):
        require(harness, name="codex")
    broken.write_text("#!/nonexistent/interpreter\n")
    with pytest.raises(Fatal, match="cannot be started"):
        require(harness, name="codex")


def test_a_program_that_does_not_answer_gives_no_finding(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    slow = harness.bin / "codex"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    findings = check_agent_cli(PRESETS["codex"], (), env=harness.env(), cwd=harness.project, timeout_s=0.2)
    assert [(finding.topic, finding.fatal) for finding in findings] == [(Topic.BINARY, False)]


@pytest.mark.parametrize(
    ("agent", "nearest"),
    [
        ("foundation:modula-builder", "foundation:modular-builder"),
        ("fundation:modular-builder", "foundation:modular-builder"),
        ("recipes:result-validater", "recipes:result-validator"),
    ],
)
def test_a_mistyped_agent_is_refused_with_the_nearest(tmp_path: Path, agent: str, nearest: str) -> None:
    with pytest.raises(Fatal, match=f"agent {agent} not found; nearest: {nearest}") as refused:
        require(make_harness(tmp_path), "foundation:modular-builder", agent)
    assert refused.value.topic is Topic.AGENT


def test_before_the_first_run_agents_cannot_be_checked(tmp_path: Path) -> None:
    findings = require(make_harness(tmp_path, fetched=False), *GOOD)
    assert [(finding.topic, finding.fatal) for finding in findings] == [(Topic.AGENT, False)] * 2


def test_an_incomplete_registry_counts_as_none(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    registry = harness.home / ".amplifier" / "registry.json"
    registry.write_text(registry.read_text()[:40])
    assert all(not finding.fatal for finding in require(harness, *GOOD))


def test_the_cache_is_read_from_amplifier_home(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("registry.json", "cache"):
        (harness.home / ".amplifier" / name).rename(moved / name)
    registry = moved / "registry.json"
    registry.write_text(registry.read_text().replace(f"{harness.home}/.amplifier", str(moved)))
    assert require(harness, *GOOD, AMPLIFIER_HOME=str(moved)) == ()
    with pytest.raises(Fatal, match="foundation:nobody not found"):
        require(harness, "foundation:nobody", AMPLIFIER_HOME=str(moved))
    assert [finding.fatal for finding in require(harness, "foundation:nobody")] == [False]


def test_named_bundles_are_found_in_the_project_or_not_judged(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    bundles = harness.project / ".amplifier" / "bundles"
    bundles.mkdir(parents=True)
    (bundles / "mine.md").write_text("x")
    assert require(harness, "mine", "foundation", f"file://{bundles}/mine.md") == ()
    assert [finding.fatal for finding in require(harness, "unknown-bundle")] == [False]
    assert [finding.fatal for finding in require(harness, "mine:reviewer")] == [False]


def test_a_missing_bundle_file_is_detected_without_a_session(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"bundle file:///nowhere/x\.md not found"):
        require(make_harness(tmp_path), "file:///nowhere/x.md")


KEYED = "config: {providers: [{module: provider-openai, config: {api_key: '${SOME_KEY}', organization: '${NO}'}}]}\n"


def test_a_provider_whose_key_is_empty_stops_the_run(tmp_path: Path) -> None:
    harness = make_harness(tmp_path, settings=KEYED)
    with pytest.raises(Fatal, match=r"provider openai takes its api_key from \$\{SOME_KEY\}, which is empty"):
        require(harness, *GOOD)
    with pytest.raises(Fatal):
        require(harness, *GOOD, SOME_KEY="")
    assert require(harness, *GOOD, SOME_KEY="k") == ()
    (harness.home / ".amplifier" / "keys.env").write_text("# keys\nOTHER=x\nSOME_KEY=''\n")
    with pytest.raises(Fatal):
        require(harness, *GOOD)
    (harness.home / ".amplifier" / "keys.env").write_text('SOME_KEY="k"\n')
    assert require(harness, *GOOD) == ()


def test_one_provider_with_its_key_is_enough(tmp_path: Path) -> None:
    harness = make_harness(tmp_path, settings=KEYED)
    (harness.project / ".amplifier").mkdir()
    (harness.project / ".amplifier" / "settings.yaml").write_text("config: {providers: [{module: provider-x}]}\n")
    assert require(harness, *GOOD) == ()


def test_settings_without_a_provider_stop_the_run_unless_a_key_is_available(tmp_path: Path) -> None:
    harness = make_harness(tmp_path, settings="bundle: {active: foundation}\n")
    with pytest.raises(Fatal, match="no provider"):
        require(harness, *GOOD)
    assert [finding.topic for finding in require(harness, *GOOD, ANTHROPIC_API_KEY="k")] == [Topic.PROVIDER]
    local = harness.project / ".amplifier"
    local.mkdir()
    (local / "settings.local.yaml").write_text("config: {providers: [{module: provider-x}]}\n")
    assert require(harness, *GOOD) == ()


@pytest.mark.parametrize("settings", [None, "a: [broken"])
def test_empty_settings_are_only_a_finding(tmp_path: Path, settings: str | None) -> None:
    findings = require(make_harness(tmp_path, settings=settings), *GOOD)
    assert [(finding.topic, finding.fatal) for finding in findings] == [(Topic.PROVIDER, False)]


def test_other_clis_have_no_agents_to_look_up(tmp_path: Path) -> None:
    assert check(make_harness(tmp_path), *GOOD, name="command") == ()
    assert check(make_harness(tmp_path / "2"), *GOOD, name="scripted") == ()
