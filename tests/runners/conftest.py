"""`make runners` runs all of these tests, as root: it installs engines and a cluster if they are missing."""

from __future__ import annotations

import pytest
from runner_engines import engine, parametrize, runner  # noqa: F401


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize(metafunc)
