"""How fast something grows: a regression line through samples, and the confidence in its slope."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, mean

BLOCKS = 24  # samples close to each other are alike; their means are nearly independent, as the formula wants it
CONFIDENCE = 0.95

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """Growth per unit of x, with the half-width of its 95 % confidence interval."""

    value: float
    margin: float

    def is_above(self, bound: float) -> bool:
        """Whether it is beyond doubt steeper than the bound."""
        return self.value - self.margin > bound


def slope(points: Sequence[Point]) -> Slope:
    """The line of least squares through the means of consecutive blocks of samples.

    Raises:
        ValueError: Fewer than six samples, or all at one x.
    """
    blocks = _means(points, min(BLOCKS, len(points)))
    n = len(blocks)
    if n < 6:
        raise ValueError(f"{n} samples give no slope")
    x_mean, y_mean = mean(x for x, _ in blocks), mean(y for _, y in blocks)
    spread = sum((x - x_mean) ** 2 for x, _ in blocks)
    if spread == 0:
        raise ValueError("all samples are of one moment")
    value = sum((x - x_mean) * (y - y_mean) for x, y in blocks) / spread
    rest = sum((y - y_mean - value * (x - x_mean)) ** 2 for x, y in blocks)
    return Slope(value=value, margin=student(n - 2) * math.sqrt(rest / (n - 2) / spread))


def student(freedom: int) -> float:
    """The two-sided quantile of Student's distribution for `CONFIDENCE`; three digits are right from four on.

    Source: the expansion around the normal quantile, Abramowitz and Stegun 26.7.5.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def _means(points: Sequence[Point], count: int) -> list[Point]:
    edges = [len(points) * n // count for n in range(count + 1)] if count else []
    blocks = [points[first:last] for first, last in pairwise(edges)]
    return [(mean(x for x, _ in block), mean(y for _, y in block)) for block in blocks]
