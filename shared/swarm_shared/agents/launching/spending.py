"""What sessions cost where the agent CLI does not report it, and which budgets cannot be kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from swarm_shared.agents.presets.cli import AgentCli, Reader, Store
from swarm_shared.agents.reading.usage import Usage
from swarm_shared.domain.budget import Budget, Unit
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.prices import Price, price_of


def priced(usage: Usage, models: Sequence[str], prices: Mapping[str, Price]) -> Usage:
    """The usage with its cost from the table of prices, where none is reported and one model with a price was used."""
    if usage.cost_usd is not None or usage.tokens is None or usage.output_tokens is None or len(models) != 1:
        return usage
    price = price_of(prices, models[0])
    if price is None:
        return usage
    cost = price.cost_usd(tokens=usage.tokens, cached=usage.cached_tokens or 0, output=usage.output_tokens)
    return replace(usage, cost_usd=cost)


def budget_problems(budget: Budget, prices: Mapping[str, Price], cli: AgentCli, *, model: str) -> Iterator[ConfigError]:
    """Caps that cannot be kept with this agent CLI, because it does not report what they count.

    Args:
        model: The model that its sessions are started with; empty: the CLI's own choice.
    """
    if cli.reader is Reader.EXIT_CODE:
        return  # it runs no model
    if budget.limits(Unit.TOKENS) and not _reports_tokens(cli):
        yield ConfigError(
            f"budget: agent CLI {cli.name!r} reports no tokens, so a cap on tokens cannot be kept",
            hint="cap minutes instead, or choose another agent CLI",
        )
    if not budget.limits(Unit.USD) or _reports_cost(cli):
        return
    text = f"budget: agent CLI {cli.name!r} reports no cost, so a cap in USD cannot be kept"
    if not _reports_output(cli):
        yield ConfigError(text, hint="cap tokens or minutes instead: what it reports is not enough for `prices` either")
    elif not prices:
        yield ConfigError(text, hint="state what its models cost: prices: {MODEL: {input: 3, cached: 0.3, output: 15}}")
    elif model and price_of(prices, model) is None:
        yield ConfigError(f"{text}: `prices` has no model {model!r}", hint=f"known: {', '.join(sorted(prices))}")


def _reports_cost(cli: AgentCli) -> bool:
    # Amplifier's files have a cost where its provider module knows the model's price.
    return bool(cli.result.cost or (cli.session_log and cli.session_log.rules.cost)) or cli.store is Store.AMPLIFIER


def _reports_tokens(cli: AgentCli) -> bool:
    return bool(cli.result.tokens or (cli.session_log and cli.session_log.rules.tokens)) or cli.store is Store.AMPLIFIER


def _reports_output(cli: AgentCli) -> bool:
    return bool(cli.result.output or (cli.session_log and cli.session_log.rules.output))
