"""The store against a model of it: thousands of random steps, the same ones in every run."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from queue_machine import QueueMachine

# If only the result matters, nobody reads the shortest failing example.
PHASES = [Phase.generate] if "SWARM_NO_SHRINK" in os.environ else list(Phase)
SHORT = settings(
    phases=PHASES,
    max_examples=35,
    stateful_step_count=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_store_behaves_like_a_small_model_of_the_queue() -> None:
    run_state_machine_as_test(QueueMachine, settings=SHORT)
