"""The shipped presets, and what a user may add to them."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest
from msgspec.structs import fields

from swarm_shared.agents.presets.catalog import choose, load_presets
from swarm_shared.agents.presets.cli import AgentCli, Progress, PromptChannel, Reader, ResultRules, Store
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.models import Role
from swarm_shared.settings.settings import default_of

MINE: dict[str, Any] = {"binary": "mine", "argv": ["-x", "{prompt}"], "prompt": "argument", "reader": "text"}


def test_the_shipped_presets_exist_and_amplifier_is_the_default() -> None:
    presets = load_presets()
    assert set(presets) == {
        "amplifier", "amplifier-agent", "claude", "codex", "command", "copilot", "gemini", "opencode", "pi", "qwen",
        "scripted",
    }  # fmt: skip
    assert [name for name, cli in presets.items() if cli.untried] == ["amplifier-agent"]
    amplifier = presets[default_of("agent_cli")]
    assert amplifier.name == "amplifier"
    assert amplifier.prompt is PromptChannel.STDIN
    assert amplifier.store is Store.AMPLIFIER
    assert amplifier.progress is Progress.EVENTS
    assert amplifier.argv[Role.BUILDER] == (
        "run",
        "--bundle",
        "{agent_bundle}",
        "{options}",
        "--output-format",
        "json",
    )


def test_every_preset_key_is_explained_at_the_top_of_the_data_file() -> None:
    header = resources.files("swarm_shared.agents.presets").joinpath("presets.toml").read_text("utf-8").split("\n[")[0]
    explained = set(re.findall(r"^# ([a-z_]+(?:, [a-z_]+)*)  ?\S?", header, re.MULTILINE))
    words = {word for entry in explained for word in entry.split(", ")}
    keys = {field.name for structure in (AgentCli, ResultRules) for field in fields(structure)}
    assert keys - words == {"name", "result", "session_log"}  # those have a section each


def test_a_user_adds_a_cli_without_code() -> None:
    cli = load_presets({"mine": MINE})["mine"]
    assert cli.argv[Role.VALIDATOR] == ("-x", "{prompt}")
    assert cli.reader is Reader.TEXT
    assert cli.progress is Progress.NONE


def test_an_entry_named_like_a_preset_changes_only_the_keys_that_it_states() -> None:
    shipped = load_presets()["claude"]
    cli = load_presets({"claude": {"binary": "/opt/claude", "argv": ["-p"]}})["claude"]
    assert (cli.binary, cli.argv[Role.BUILDER]) == ("/opt/claude", ("-p",))
    assert cli.result == shipped.result


def test_confined_sessions_do_without_the_sandbox_of_their_cli() -> None:
    shipped = load_presets()["codex"]
    cli = shipped.for_confined_sessions()
    assert "workspace-write" in shipped.argv[Role.BUILDER]
    for words in (*cli.argv.values(), cli.resume):
        assert any("danger-full-access" in word for word in words)
        assert not any("workspace-write" in word for word in words)
    assert load_presets()["claude"].for_confined_sessions() == load_presets()["claude"]


def test_an_entry_may_be_based_on_another_preset() -> None:
    cli = load_presets({"beta": {"like": "amplifier", "binary": "amplifier-beta"}})["beta"]
    assert (cli.name, cli.binary, cli.store) == ("beta", "amplifier-beta", Store.AMPLIFIER)


@pytest.mark.parametrize(
    ("entry", "key", "allowed"),
    [
        ("text", "agent_clis.mine", "manual"),
        ({}, "agent_clis.mine.binary", "a text"),
        ({**MINE, "binary": 3}, "agent_clis.mine.binary", "quotes"),
        ({**MINE, "promt": "stdin"}, "agent_clis.mine.promt", "known: "),
        ({**MINE, "idle_cpu_s": "lots"}, "agent_clis.mine.idle_cpu_s", "such as 1.5"),
        ({**MINE, "prompt": "telepathy"}, "agent_clis.mine.prompt", "stdin, argument, none"),
        ({**MINE, "reader": "tea"}, "agent_clis.mine.reader", "events, text, exit_code"),
        ({**MINE, "argv": "-x {prompt}"}, "agent_clis.mine.argv", "[a, b]"),
        ({**MINE, "argv": ["-x", 3]}, "agent_clis.mine.argv", "quotes"),
        ({**MINE, "argv": ["{promt}"]}, "agent_clis.mine.argv", "prompt"),
        ({**MINE, "argv": ["-x"]}, "agent_clis.mine.argv", "{prompt}"),
        ({**MINE, "argv": {"bilder": []}}, "agent_clis.mine.argv.bilder", "builder, validator"),
        ({**MINE, "reader": "events"}, "agent_clis.mine.result", "presets.toml"),
        ({**MINE, "like": "clod"}, "agent_clis.mine.like", "claude"),
        ({**MINE, "warm_up": "yes"}, "agent_clis.mine.warm_up", "[a, b]"),
        ({**MINE, "http_exits": "yes"}, "agent_clis.mine.http_exits", "true or false"),
        ({**MINE, "env": {"A": 1}}, "agent_clis.mine.env.A", "quotes"),
        (
            {**MINE, "trouble": [{"kind": "throtled", "pattern": "x"}]},
            "agent_clis.mine.trouble[0].kind",
            "throttled",
        ),
        (
            {**MINE, "trouble": [{"kind": "quota", "pattern": "("}]},
            "agent_clis.mine.trouble[0].pattern",
            "re",
        ),
        ({**MINE, "trouble_exits": {"x": "quota"}}, "agent_clis.mine.trouble_exits", "number"),
        ({**MINE, "ready": "auth status"}, "agent_clis.mine.ready", "[a, b]"),
        ({**MINE, "untried": "yes"}, "agent_clis.mine.untried", "true or false"),
        ({**MINE, "result": {"cumulative": ["time"]}}, "agent_clis.mine.result.cumulative", "tokens, cost"),
        ({**MINE, "result": {"tokens": [3]}}, "agent_clis.mine.result.tokens", "presets.toml"),
        ({**MINE, "result": {"tokens": [{"take": "x", "pre": "y"}]}}, "agent_clis.mine.result.tokens[0].pre", "per"),
        ({**MINE, "result": {"trouble": [{"when": {}}]}}, "agent_clis.mine.result.trouble[0].kind", "quota"),
        (
            {**MINE, "result": {"ok": [{"text": {"like": "("}}]}},
            "agent_clis.mine.result.ok[0].text.like",
            "regular expression",
        ),
        (
            {**MINE, "result": {"ok": [{"text": {"like": "a", "unlike": "b"}}]}},
            "agent_clis.mine.result.ok[0].text",
            "either",
        ),
        (
            {**MINE, "session_log": {"folder": ".mine", "files": "*.jsonl"}},
            "agent_clis.mine.session_log.files",
            "{session_id}",
        ),
    ],
)
def test_an_invalid_entry_is_refused_with_its_key_and_the_allowed_values(entry: object, key: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_presets({"mine": entry})
    assert refused.value.message.startswith(key + ":")
    assert allowed in f"{refused.value.message} {refused.value.hint}"


def test_an_unknown_name_is_refused_with_the_nearest_or_all_known_ones() -> None:
    presets = load_presets()
    assert choose(presets, "claude").name == "claude"
    for typed, hint in (("cluade", 'did you mean "claude"?'), ("zzz", "known: amplifier, amplifier-agent, claude, ")):
        with pytest.raises(ConfigError, match=f"'{typed}' is not known") as refused:
            choose(presets, typed)
        assert (refused.value.hint or "").startswith(hint)


def test_only_amplifier_runs_the_agents_that_the_settings_name() -> None:
    takers = {name for name, cli in load_presets().items() if any(cli.takes_agent(role) for role in Role)}
    assert takers & {"amplifier", "claude", "codex", "command"} == {"amplifier"}
