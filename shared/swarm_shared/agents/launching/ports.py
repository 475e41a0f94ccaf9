"""Ports for servers that agents start for testing: each worker has its own range, so that agents do not collide."""

from __future__ import annotations

import re

from swarm_shared.settings.settings import MAX_WORKERS

PORT_VARIABLE = "SWARM_PORT"
PORTS_EACH = 20


def first_port(base: int, worker_id: str) -> int:
    """The first of a worker's `PORTS_EACH` ports; its number is what its name ends with, as in ``worker-3``."""
    digits = re.search(r"\d+$", worker_id)
    number = int(digits[0]) if digits else 0
    # Names with a higher number share the range of those without one: supervisord runs none of them.
    return base + PORTS_EACH * (number if number <= MAX_WORKERS else 0)
