"""Claim, run and settle: the fenced life of an attempt as rows.

Every write here names the attempt's fencing token or the attempt itself; one that matches no row raises `LeaseLost`,
and the caller kills its agent and drops what it has.
"""

from __future__ import annotations

from swarm_shared.store.queue.claiming import Claiming
from swarm_shared.store.queue.sessions import Sessions
from swarm_shared.store.queue.settling import Settling


class Queue(Settling, Claiming, Sessions):
    """The operations of a worker."""
