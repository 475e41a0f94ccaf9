"""Prices of models, for agent CLIs that report tokens and no cost."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Price(Struct, frozen=True, kw_only=True):
    """US dollars for a million tokens; `cached` is for the part of the input that came from a cache."""

    input: float
    cached: float
    output: float

    def cost_usd(self, *, tokens: int, cached: int, output: int) -> float:
        """Of all tokens, the cached input among them, and the output among them."""
        fresh = max(0, tokens - cached - output)
        return (fresh * self.input + cached * self.cached + output * self.output) / 1_000_000


def price_of(prices: Mapping[str, Price], model: str) -> Price | None:
    """The price of a model by its name, with or without the provider before a slash."""
    return prices.get(model) or prices.get(model.rpartition("/")[2])
