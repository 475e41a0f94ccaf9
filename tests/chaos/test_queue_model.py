"""The store against a model of it, for minutes and with other steps each time.

What fails is shortened to the fewest steps and remembered in .hypothesis, so that the next run begins with it.
SWARM_MODEL_EXAMPLES sets how many walks are tried.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from queue_machine import QueueMachine

EXAMPLES = int(os.environ.get("SWARM_MODEL_EXAMPLES", "600"))
LONG = settings(
    max_examples=EXAMPLES,
    stateful_step_count=120,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


def test_the_store_behaves_like_a_small_model_of_the_queue_on_long_walks() -> None:
    run_state_machine_as_test(QueueMachine, settings=LONG)
