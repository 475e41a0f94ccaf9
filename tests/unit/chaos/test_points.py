"""Every point at which the chaos runs kill a program exists in the programs, whatever was renamed in them."""

from __future__ import annotations

import importlib
from operator import attrgetter

import pytest

from chaos.points import ALL_POINTS


@pytest.mark.parametrize("name", ALL_POINTS)
def test_every_point_can_be_reached(name: str) -> None:
    module, _, path = ALL_POINTS[name].target.partition(":")
    assert callable(attrgetter(path)(importlib.import_module(module)))
