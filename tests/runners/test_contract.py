"""What every runner promises, with real engines and a real Slurm cluster; pods are those of a stand-in cluster."""

from __future__ import annotations

import pytest
from runner_contract import *  # noqa: F403
from runner_deaths import *  # noqa: F403

pytestmark = pytest.mark.integration
