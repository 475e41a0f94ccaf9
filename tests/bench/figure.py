"""What a measurement returns: tables, targets, plots and raw numbers; and the few statistics they are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeVar

PARAGRAPH = "\n\n"  # parts the text of `how`
Cell = str | int | float | None
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much to measure: a quick look, or numbers worth keeping."""

    quick: bool

    def pick(self, quick: T, full: T) -> T:
        return quick if self.quick else full


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under column names; numbers are rounded where they are shown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A promise and what was measured; `at_most` False means at least."""

    text: str
    value: float
    limit: float
    unit: str = ""
    at_most: bool = True

    @property
    def met(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """A plot of single numbers: (label, value) from top to bottom; the accented labels are ours."""

    title: str
    unit: str
    bars: tuple[tuple[str, float], ...]
    accented: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A plot of curves: name -> points (x, y)."""

    title: str
    x_label: str
    y_label: str
    curves: Mapping[str, Sequence[tuple[float, float]]]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measurement, done."""

    how: str  # what was done, so that a reader could do it too
    tables: tuple[Table, ...]
    targets: tuple[Target, ...] = ()
    plots: Mapping[str, Bars | Lines] = field(default_factory=dict)  # file name without its ending -> plot
    notes: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)


class CannotMeasure(Exception):
    """This machine lacks what the measurement needs; the text says what."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest measured value that at least this share of all values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum."""
    return median(values), percentile(values, 0.99), max(values)


def cumulative(values: Sequence[float]) -> list[tuple[float, float]]:
    """Points (value, percent of all values up to it), for a curve."""
    ordered = sorted(values)
    return [(ordered[0], 0.0), *((value, 100 * (rank + 1) / len(ordered)) for rank, value in enumerate(ordered))]
