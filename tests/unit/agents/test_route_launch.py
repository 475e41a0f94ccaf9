"""How a route changes the start of a session, and which routes cannot work."""

from __future__ import annotations

import pytest

from swarm_shared.agents.launching.routes import empty_variables, on_route, route_problems, session_options
from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.routes import Route, Routing

PRESETS = load_presets(
    {
        "plain": {"binary": "true", "argv": ["go"]},
        "keyed": {"binary": "true", "argv": ["go"], "env": {"KEY": "${MY_KEY}"}},
    }
)


def route(**more: object) -> Route:
    return Route(**{"name": "mine", "agent_cli": "claude", **more})  # type: ignore[arg-type]


def problems(*routes: Route, **environ: str) -> list[str]:
    return [error.message for error in route_problems(Routing(builder=routes), PRESETS, environ)]


def test_a_routes_environment_overrides_the_presets_and_expands_the_workers_variables() -> None:
    cli = on_route(PRESETS, route(env={"KEY": "${MY_KEY}", "DISABLE_TELEMETRY": "0"}), {"MY_KEY": "sk-1"})
    assert (cli.env["KEY"], cli.env["DISABLE_TELEMETRY"]) == ("sk-1", "0")
    assert PRESETS["claude"].env["DISABLE_TELEMETRY"] == "1"


def test_a_presets_own_environment_expands_variables_too() -> None:
    assert on_route(PRESETS, route(agent_cli="keyed"), {"MY_KEY": "sk-1"}).env == {"KEY": "sk-1"}


@pytest.mark.parametrize(
    ("name", "model", "words"),
    [
        ("claude", "opus", ("--model", "opus")),
        ("opencode", "anthropic/opus", ("--model", "anthropic/opus")),
        ("amplifier", "anthropic/opus", ("--provider", "anthropic", "--model", "opus")),
        ("codex", "", ()),
    ],
)
def test_a_model_is_chosen_in_the_way_the_agent_cli_requires(name: str, model: str, words: tuple[str, ...]) -> None:
    assert session_options(PRESETS[name], model=model, args=("--more",)) == (*words, "--more")


def test_every_shipped_agent_cli_with_models_accepts_one() -> None:
    shipped = set(load_presets()) - {"command", "scripted", "amplifier-agent"}
    for name in shipped:
        assert session_options(PRESETS[name], model="provider/some", args=())


@pytest.mark.parametrize(
    ("name", "model", "hint"), [("plain", "some", "{options}"), ("amplifier", "opus", "provider/model")]
)
def test_a_model_that_cannot_be_chosen_is_an_error_with_advice(name: str, model: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        session_options(PRESETS[name], model=model, args=())
    assert hint in str(caught.value.hint)


def test_an_empty_variable_of_a_route_is_detected() -> None:
    assert problems(route(env={"KEY": "${MY_KEY}"}), MY_KEY="sk-1") == []
    for environ in ({}, {"MY_KEY": ""}):
        [text] = problems(route(env={"KEY": "${MY_KEY}"}), **environ)
        assert "${MY_KEY}, which is empty" in text


def test_an_empty_variable_of_a_preset_is_detected() -> None:
    assert [error.message for error in empty_variables(PRESETS["keyed"], {"MY_KEY": "x"})] == []
    [error] = empty_variables(PRESETS["keyed"], {})
    assert "agent_clis.keyed: KEY" in error.message


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (route(agent_cli="cloud"), "'cloud' is not known"),
        (route(name="codex"), "the name of another agent CLI"),
        (route(agent_cli="plain", model="x"), "{options}"),
    ],
)
def test_a_route_that_cannot_work_is_detected(wrong: Route, text: str) -> None:
    assert text in problems(wrong)[0]
