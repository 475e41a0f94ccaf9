"""Computes costs that an agent CLI does not report, and finds budgets that cannot be enforced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from swarm_shared.agents.presets.cli import AgentCli, Reader, Store
from swarm_shared.agents.reading.usage import Usage
from swarm_shared.domain.budget import Budget, Unit
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.prices import Price, price_of


def priced(
    usage: Usage, models: Sequence[str], prices: Mapping[str, Price], by_model: Mapping[str, Usage] | None = None
) -> Usage:
    """The usage, with costs that are not reported computed from `prices`.

    Args:
        models: The models that were used.
        by_model: The usage of each model, if reported. Without it, or if one of several models has no price, the cost
            stays as reported.
    """
    usage = _without_zero(usage)
    parts = {name: _without_zero(used) for name, used in (by_model or {}).items()}
    if not parts and len(models) == 1:
        parts = {models[0]: usage}
    if usage.cost_usd is not None and all(used.cost_usd is None for used in parts.values()):
        return usage  # the whole is reported
    costs = [_cost(used, price_of(prices, model)) for model, used in parts.items()]
    known = [cost for cost in costs if cost is not None]
    # If the parts do not add up, they describe something else, such as earlier runs of a resumed session.
    is_whole = sum(used.tokens or 0 for used in parts.values()) == usage.tokens
    return replace(usage, cost_usd=sum(known)) if known and is_whole and len(known) == len(costs) else usage


def unpriced_models(by_model: Mapping[str, Usage] | None, prices: Mapping[str, Price]) -> tuple[str, ...]:
    """The models whose cost is missing from a reported sum: the agent CLI reports costs of others only."""
    parts = {name: _without_zero(used) for name, used in (by_model or {}).items()}
    if all(used.cost_usd is None for used in parts.values()):
        return ()
    return tuple(name for name, used in parts.items() if used.tokens and _cost(used, price_of(prices, name)) is None)


def _without_zero(usage: Usage) -> Usage:
    # A CLI without a price for a model reports zero for its tokens.
    return replace(usage, cost_usd=None) if usage.cost_usd == 0 and usage.tokens else usage


def _cost(used: Usage, price: Price | None) -> float | None:
    if used.cost_usd is not None:
        return used.cost_usd
    if used.tokens == 0:
        return 0.0  # all of its requests failed
    if price is None or used.tokens is None or used.output_tokens is None:
        return None
    return price.cost_usd(tokens=used.tokens, cached=used.cached_tokens or 0, output=used.output_tokens)


def budget_problems(budget: Budget, prices: Mapping[str, Price], cli: AgentCli, *, model: str) -> Iterator[ConfigError]:
    """Caps that cannot be enforced with this agent CLI, because it does not report what they count.

    Args:
        model: The model that its sessions are started with; empty: the CLI's own choice.
    """
    if cli.reader is Reader.EXIT_CODE:
        return  # it runs no model
    if budget.limits(Unit.TOKENS) and not _reports_tokens(cli):
        yield ConfigError(
            f"budget: agent CLI {cli.name!r} reports no tokens, so a cap on tokens cannot be enforced",
            hint="cap minutes instead, or choose another agent CLI",
        )
    if not budget.limits(Unit.USD) or _reports_cost(cli):
        return
    text = f"budget: agent CLI {cli.name!r} reports no cost, so a cap in USD cannot be enforced"
    if not _reports_output(cli):
        yield ConfigError(text, hint="cap tokens or minutes instead: what it reports is not enough for `prices` either")
    elif not prices:
        yield ConfigError(text, hint="add prices for its models: prices: {MODEL: {input: 3, cached: 0.3, output: 15}}")
    elif model and price_of(prices, model) is None:
        yield ConfigError(f"{text}: `prices` has no model {model!r}", hint=f"known: {', '.join(sorted(prices))}")


def _reports_cost(cli: AgentCli) -> bool:
    # Amplifier's files have a cost where its provider module knows the model's price.
    return bool(cli.result.cost or (cli.session_log and cli.session_log.rules.cost)) or cli.store is Store.AMPLIFIER


def _reports_tokens(cli: AgentCli) -> bool:
    return bool(cli.result.tokens or (cli.session_log and cli.session_log.rules.tokens)) or cli.store is Store.AMPLIFIER


def _reports_output(cli: AgentCli) -> bool:
    return bool(cli.result.output or (cli.session_log and cli.session_log.rules.output))
