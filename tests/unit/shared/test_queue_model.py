"""The store against a model of it: some thousand random steps, the same ones each time."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from queue_machine import QueueMachine

SHORT = settings(
    max_examples=35,
    stateful_step_count=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_store_does_what_a_small_model_of_the_queue_says() -> None:
    run_state_machine_as_test(QueueMachine, settings=SHORT)
