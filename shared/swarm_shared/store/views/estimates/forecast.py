"""How long the open tasks will take, from the times of recent passes and of running tasks."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt

from msgspec import Struct

_LEAST_FOR_SPREAD = 3
_EIGHTY_PERCENT = 1.28  # so many standard deviations to either side hold four of five outcomes


class Forecast(Struct, frozen=True, kw_only=True):
    """Seconds until the open tasks are through: most likely, and between which two four times out of five."""

    eta_s: float
    low_s: float
    high_s: float
    passes: int  # what it is based on
    mean_s: float  # of these


def foresee(passes_s: Sequence[float], *, ages_s: Sequence[float], waiting: int, workers: int) -> Forecast:
    """The forecast for open tasks, each of which goes to the worker that is free first.

    Args:
        passes_s: What recent passes took, in seconds; at least one.
        ages_s: For how many seconds each task at work has been so.
        waiting: How many tasks no worker has yet; with those at work at least one.
        workers: How many work; at least one.
    """
    mean_s = mean(passes_s)
    at_work_s = [_left_s(passes_s, age_s, mean_s) for age_s in ages_s]
    idle = max(0, workers - len(at_work_s))
    free_in_s = sorted([0.0] * idle + at_work_s)
    rounds, rest = divmod(waiting, len(free_in_s))
    takes_s = [free_s + mean_s * (rounds + (place < rest)) for place, free_s in enumerate(free_in_s)]
    eta_s = max(takes_s)
    tasks = len(at_work_s) + waiting
    # Of one or two nothing is known but their size: as far apart as they are long.
    spread_s = _spread(passes_s, mean_s) if len(passes_s) >= _LEAST_FOR_SPREAD else mean_s
    # What is left varies by itself, and its mean is known from so few passed attempts.
    unsure_s = _EIGHTY_PERCENT * spread_s * sqrt(tasks + tasks**2 / len(passes_s)) / min(tasks, len(free_in_s))
    return Forecast(
        eta_s=round(eta_s, 1),
        low_s=round(max(0.0, eta_s - unsure_s), 1),
        high_s=round(eta_s + unsure_s, 1),
        passes=len(passes_s),
        mean_s=round(mean_s, 3),
    )


def _left_s(passes_s: Sequence[float], age_s: float, mean_s: float) -> float:
    """What passes that took longer than this age had left at it; past all of them, as long again as one takes."""
    left = [took_s - age_s for took_s in passes_s if took_s > age_s]
    return mean(left) if left else mean_s


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value. Every program computes forecasts, and `statistics` is slow to load."""
    return fsum(values) / len(values)


def _spread(values: Sequence[float], middle: float) -> float:
    """The standard deviation of a sample."""
    return sqrt(fsum((value - middle) ** 2 for value in values) / (len(values) - 1))
