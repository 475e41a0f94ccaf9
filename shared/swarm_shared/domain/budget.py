"""Caps on the cost of a task, a run and a day, and how much of each is used."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

WARN_AT = 0.8  # of a cap
# Event types, logged once per cap and period; data: {scope, unit, used, cap, share}.
WARNING_EVENT = "budget_warning"
REACHED_EVENT = "budget_reached"
# Logged once per run if a budget in USD cannot count a session; data: {models}.
UNKNOWN_COST_EVENT = "budget_cost_unknown"


class Scope(StrEnum):
    """What a cap applies to."""

    TASK = "task"
    RUN = "run"
    DAY = "day"


class Unit(StrEnum):
    """What a cap counts."""

    USD = "usd"
    TOKENS = "tokens"
    MINUTES = "minutes"  # session time, summed over all workers


class Spent(Struct, frozen=True, kw_only=True):
    """What sessions have used. `unpriced` and `uncounted` count sessions whose cost or tokens are unknown."""

    usd: float = 0.0
    tokens: int = 0
    minutes: float = 0.0
    sessions: int = 0
    unpriced: int = 0
    uncounted: int = 0

    def of(self, unit: Unit) -> float:
        """A lower bound where some sessions are of unknown cost."""
        return {Unit.USD: self.usd, Unit.TOKENS: float(self.tokens), Unit.MINUTES: self.minutes}[unit]


class Caps(Struct, frozen=True, kw_only=True):
    """The caps of one scope; None: none of that unit."""

    usd: float | None = None
    tokens: float | None = None
    minutes: float | None = None

    def stated(self) -> Iterator[tuple[Unit, float]]:
        for unit, cap in ((Unit.USD, self.usd), (Unit.TOKENS, self.tokens), (Unit.MINUTES, self.minutes)):
            if cap is not None:
                yield unit, cap


class Used(Struct, frozen=True, kw_only=True):
    """How much of one cap is used."""

    scope: Scope
    unit: Unit
    used: float
    cap: float

    @property
    def share(self) -> float:
        return self.used / self.cap if self.cap else 1.0

    @property
    def is_reached(self) -> bool:
        return self.used >= self.cap

    def __str__(self) -> str:
        """For display: 12.40 of 40.00 USD."""
        return f"{amount(self.unit, self.used)} of {amount(self.unit, self.cap)} {_NAMES[self.unit]}"


_NAMES = {Unit.USD: "USD", Unit.TOKENS: "tokens", Unit.MINUTES: "minutes"}


class Budget(Struct, frozen=True, kw_only=True):
    """The `budget` of swarm.yaml. `hard` ends sessions in flight when a cap is reached; else they finish."""

    task: Caps = Caps()
    run: Caps = Caps()
    day: Caps = Caps()
    hard: bool = False

    def caps(self, scope: Scope) -> Caps:
        return {Scope.TASK: self.task, Scope.RUN: self.run, Scope.DAY: self.day}[scope]

    def limits(self, unit: Unit) -> bool:
        """Whether anything is capped by that unit."""
        return any(found == unit for scope in Scope for found, _ in self.caps(scope).stated())

    def used(self, scope: Scope, spent: Spent) -> tuple[Used, ...]:
        """Each cap of a scope next to what is used of it."""
        return tuple(
            Used(scope=scope, unit=unit, used=spent.of(unit), cap=cap) for unit, cap in self.caps(scope).stated()
        )


def amount(unit: Unit, value: float) -> str:
    """A number for display, without its unit."""
    if unit is Unit.USD:
        # Amounts of a few cents would look equal with two decimals.
        whole, _, part = f"{value:,.4f}".partition(".")
        return f"{whole}.{part[:2]}{part[2:].rstrip('0') if value < 1 else ''}"
    return f"{value:,.0f}" if unit is Unit.TOKENS or value >= 10 else f"{value:.1f}"
