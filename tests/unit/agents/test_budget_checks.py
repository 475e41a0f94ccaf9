"""Costs computed from a table of prices, and budgets that cannot be enforced with an agent CLI."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from swarm_shared.agents.launching.spending import budget_problems, priced, unpriced_models
from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.agents.reading.usage import Usage
from swarm_shared.domain.budget import Budget, Caps
from swarm_shared.domain.prices import Price

PRESETS = load_presets()
PRICES = {"m": Price(input=3.0, cached=0.3, output=15.0)}
USED = Usage(tokens=1_100_000, cached_tokens=400_000, output_tokens=100_000)
MONEY, TOKENS, TIME = (Budget(run=Caps(**{unit: 1})) for unit in ("usd", "tokens", "minutes"))


def problems(name: str, budget: Budget, model: str = "", prices: dict[str, Price] | None = None) -> list[str]:
    return [error.message for error in budget_problems(budget, prices or {}, PRESETS[name], model=model)]


def test_the_cost_of_one_model_is_computed_from_its_tokens() -> None:
    assert priced(USED, ["m"], PRICES).cost_usd == pytest.approx(0.6 * 3 + 0.4 * 0.3 + 0.1 * 15)


@pytest.mark.parametrize(
    ("usage", "models"),
    [
        (USED, ["other"]),
        (USED, []),
        (USED, ["m", "other"]),
        (Usage(tokens=100), ["m"]),  # how much of it models wrote is not known
        (Usage(), ["m"]),
    ],
)
def test_a_cost_that_cannot_be_computed_stays_unknown(usage: Usage, models: list[str]) -> None:
    assert priced(usage, models, PRICES).cost_usd is None


def test_the_cost_of_several_models_is_computed_if_the_tokens_of_each_are_reported() -> None:
    prices = {**PRICES, "cheap": Price(input=1.0, cached=0.1, output=2.0)}
    cheap = Usage(tokens=600_000, cached_tokens=400_000, output_tokens=100_000)
    failed = Usage(tokens=0, cached_tokens=0, output_tokens=0)  # a model without a price, whose requests all failed
    total = Usage(tokens=1_700_000, cached_tokens=800_000, output_tokens=200_000)
    found = priced(total, ["m", "cheap", "no"], prices, {"m": USED, "cheap": cheap, "no": failed})
    assert found.cost_usd == pytest.approx((0.6 * 3 + 0.4 * 0.3 + 0.1 * 15) + (0.1 * 1 + 0.4 * 0.1 + 0.1 * 2))


@pytest.mark.parametrize(
    "by_model",
    [
        {"m": USED, "other": Usage(tokens=10, output_tokens=1)},  # one of them has no price
        {"m": USED, "dear": Usage(tokens=10)},  # how much of it the model wrote is not known
        {"m": USED},  # and the other 10 tokens?
    ],
)
def test_a_part_that_cannot_be_computed_makes_the_whole_unknown(by_model: dict[str, Usage]) -> None:
    prices = {**PRICES, "dear": Price(input=9.0, cached=9.0, output=9.0)}
    total = Usage(tokens=1_100_010, cached_tokens=400_000, output_tokens=100_001)
    assert priced(total, ["m", "other"], prices, by_model).cost_usd is None


def test_the_cost_of_a_model_without_a_price_in_the_cli_is_added_to_the_reported_cost() -> None:
    by_model = {"known": Usage(tokens=5, output_tokens=1, cost_usd=0.5), "m": USED}
    total = Usage(tokens=1_100_005, cached_tokens=400_000, output_tokens=100_001, cost_usd=0.5)
    assert priced(total, list(by_model), PRICES, by_model).cost_usd == pytest.approx(0.5 + 3.42)
    assert priced(total, list(by_model), {}, by_model).cost_usd == 0.5


def test_the_models_whose_cost_is_missing_from_a_reported_sum_are_named() -> None:
    reported = Usage(tokens=1_000, output_tokens=100, cost_usd=0.01)
    unknown = Usage(tokens=1_000_000, output_tokens=1_000)
    nothing = Usage(tokens=0, output_tokens=0)
    by_model = {"known": reported, "new": unknown, "zero": replace(unknown, cost_usd=0.0), "failed": nothing}
    assert unpriced_models(by_model, {}) == ("new", "zero")
    assert unpriced_models(by_model, {"new": PRICES["m"], "zero": PRICES["m"]}) == ()
    assert unpriced_models({"new": unknown}, {}) == ()  # the sum comes from another source, or is itself unknown
    assert unpriced_models(None, {}) == ()


def test_a_reported_zero_for_used_tokens_is_an_unknown_cost() -> None:
    free = replace(USED, cost_usd=0.0)
    assert priced(free, ["m"], {}).cost_usd is None
    assert priced(free, ["m"], PRICES).cost_usd == pytest.approx(3.42)
    assert priced(free, ["m"], {"m": Price(input=0, cached=0, output=0)}).cost_usd == 0
    assert priced(Usage(tokens=0, cost_usd=0.0), ["m"], {}).cost_usd == 0
    assert priced(Usage(cost_usd=0.0), ["m"], {}).cost_usd == 0


def test_a_reported_cost_is_taken_as_it_is() -> None:
    assert priced(Usage(tokens=1, output_tokens=1, cost_usd=7.0), ["m"], PRICES).cost_usd == 7.0


def test_a_money_cap_is_refused_for_an_agent_cli_that_reports_no_cost_unless_there_are_prices() -> None:
    assert problems("claude", MONEY) == []
    assert "'codex' reports no cost" in problems("codex", MONEY)[0]
    assert problems("codex", MONEY, prices=PRICES) == []
    assert problems("codex", MONEY, "m", PRICES) == []
    assert "no model 'gpt'" in problems("codex", MONEY, "gpt", PRICES)[0]
    assert problems("copilot", MONEY, prices=PRICES)  # it reports no tokens either


def test_a_cap_on_tokens_needs_an_agent_cli_that_reports_them() -> None:
    assert problems("codex", TOKENS) == []
    assert "reports no tokens" in problems("copilot", TOKENS)[0]
    assert problems("copilot", TIME) == []


def test_commands_without_a_model_cost_nothing_that_could_be_reported() -> None:
    assert problems("command", MONEY) == []
