"""`routes`, `budget` and `prices` of swarm.yaml: what is read, and what is refused with the invalid key."""

from __future__ import annotations

import pytest

from swarm_shared.domain.budget import Budget, Caps
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.prices import Price, price_of
from swarm_shared.domain.routes import Route
from swarm_shared.settings.budget_settings import as_budget, as_prices
from swarm_shared.settings.route_settings import as_routes


def test_routes_are_read_in_order_and_unnamed_ones_get_names() -> None:
    routes = as_routes(
        {
            "builder": [
                {"name": "plan", "agent_cli": "claude", "env": {"CLAUDE_CONFIG_DIR": "/a"}, "tier": 2},
                {"agent_cli": "claude", "model": "sonnet", "account": "work"},
                {"agent_cli": "codex", "args": ["--oss"]},
            ]
        }
    )
    assert routes["builder"] == (
        Route(name="plan", agent_cli="claude", env={"CLAUDE_CONFIG_DIR": "/a"}, tier=2),
        Route(name="claude/sonnet", agent_cli="claude", model="sonnet", account="work"),
        Route(name="codex", agent_cli="codex", args=("--oss",)),
    )
    assert routes["validator"] == ()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ([], "routes: must be a mapping"),
        ({"bilder": []}, "routes.bilder: is unknown"),
        ({"builder": {"agent_cli": "claude"}}, "routes.builder: must be a list"),
        ({"builder": ["claude"]}, "routes.builder[0]: must be a mapping"),
        ({"builder": [{"name": "a"}]}, "routes.builder[0].agent_cli: is missing"),
        ({"builder": [{"agent_cli": "claude", "modell": "x"}]}, "routes.builder[0].modell: is unknown"),
        ({"builder": [{"agent_cli": "claude", "tier": "high"}]}, "routes.builder[0].tier: must be a whole number"),
        ({"builder": [{"agent_cli": "claude", "env": {"A": 1}}]}, "routes.builder[0].env"),
        ({"builder": [{"agent_cli": "claude"}, {"agent_cli": "claude"}]}, "two routes are named 'claude'"),
        (
            {"builder": [{"name": "a", "agent_cli": "claude"}, {"name": "b", "agent_cli": "claude"}]},
            "'a' and 'b' are the same",
        ),
        (
            {"builder": [{"name": "a", "agent_cli": "claude"}], "validator": [{"name": "a", "agent_cli": "codex"}]},
            "'a' names two different routes",
        ),
    ],
)
def test_invalid_routes_are_refused_with_the_key(raw: object, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        as_routes(raw)
    assert text in caught.value.message


def test_a_budget_is_read_by_scope_and_unit() -> None:
    raw = {"run": {"usd": 40, "minutes": 600}, "day": {"tokens": 50_000_000}, "task": {"usd": 0.5}, "hard": True}
    assert as_budget(raw) == Budget(
        run=Caps(usd=40, minutes=600), day=Caps(tokens=50_000_000), task=Caps(usd=0.5), hard=True
    )


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"week": {"usd": 1}}, "budget.week: is unknown"),
        ({"run": 40}, "budget.run: must be a mapping"),
        ({"run": {"eur": 40}}, "budget.run.eur: is unknown"),
        ({"run": {"usd": -1}}, "budget.run.usd"),
        ({"run": {"usd": "40 USD"}}, "budget.run.usd"),
        ({"run": {"usd": "$40"}}, "budget.run.usd"),
        ({"day": {"tokens": "50M"}}, "budget.day.tokens"),
        ({"day": {"minutes": "1h"}}, "budget.day.minutes"),
        ({"day": {"minutes": "1e3"}}, "budget.day.minutes"),
        ({"run": {"usd": float("nan")}}, "budget.run.usd"),
        ({"run": {"usd": float("inf")}}, "budget.run.usd"),
        ({"run": {"tokens": 10**400}}, "budget.run.tokens"),
        ({"run": {"usd": True}}, "budget.run.usd"),
        ({"run": {"usd": [40]}}, "budget.run.usd"),
        ({"task": ["usd"]}, "budget.task: must be a mapping"),
        ("40 USD", "budget: must be a mapping"),
        ({"hard": "yes"}, "budget.hard"),
    ],
)
def test_an_invalid_budget_is_refused_with_the_key(raw: object, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        as_budget(raw)
    assert text in caught.value.message


def test_prices_are_per_million_tokens_and_found_with_or_without_the_provider() -> None:
    prices = as_prices({"m": {"input": 3, "cached": 0.3, "output": 15}, "n": {"input": 1, "output": 2}})
    assert prices["n"] == Price(input=1, cached=1, output=2)
    price = price_of(prices, "provider/m")
    assert price is not None
    assert price.cost_usd(tokens=1_200_000, cached=200_000, output=100_000) == pytest.approx(2.7 + 0.06 + 1.5)
    assert price_of(prices, "m-2") is None
    with pytest.raises(ConfigError, match="output: is missing"):
        as_prices({"m": {"input": 3}})
