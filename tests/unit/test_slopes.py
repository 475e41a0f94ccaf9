"""The regression line of the soak test: what counts as growth and what does not."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load() -> ModuleType:
    file = Path(__file__).parents[1] / "bench" / "slopes.py"
    spec = importlib.util.spec_from_file_location("slopes", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SLOPES = _load()


def samples(growth: float, noise: float, *, count: int = 600, seed: int = 1) -> list[tuple[float, float]]:
    rng = random.Random(seed)
    return [(n / count, 20 + growth * n / count + rng.gauss(0, noise)) for n in range(count)]


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.776), (6, 2.447), (10, 2.228), (22, 2.074), (1000, 1.962)])
def test_student_quantiles_match_the_published_tables(freedom: int, quantile: float) -> None:
    assert SLOPES.student(freedom) == pytest.approx(quantile, rel=0.003)


def test_a_line_without_noise_is_found_exactly() -> None:
    found = SLOPES.slope(samples(3.0, 0.0))
    assert found.value == pytest.approx(3.0)
    assert found.margin == pytest.approx(0.0, abs=1e-9)


def test_growth_above_the_bound_is_reported_despite_noise_and_growth_below_it_is_not() -> None:
    assert SLOPES.slope(samples(8.0, 2.0)).is_above(4.0)
    assert not SLOPES.slope(samples(3.0, 2.0)).is_above(4.0)


def test_noise_alone_is_reported_as_growth_about_as_often_as_the_confidence_level_allows() -> None:
    runs = [SLOPES.slope(samples(0.0, 1.0, count=120, seed=seed)) for seed in range(400)]
    wrong = sum(abs(found.value) > found.margin for found in runs)
    assert 0.02 < wrong / len(runs) < 0.09


def test_too_few_samples_show_nothing() -> None:
    with pytest.raises(ValueError, match="give no slope"):
        SLOPES.slope([(0.0, 1.0), (1.0, 2.0)])
    with pytest.raises(ValueError, match="one moment"):
        SLOPES.slope([(1.0, float(n)) for n in range(10)])
