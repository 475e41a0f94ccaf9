"""`python -m swarm_shared.notifying.courier`: takes one message, sends it, and records what came of it.

It takes the message itself and records the outcome itself, so that the death of the process that started it changes
nothing: while a courier lives nobody else sends its message, and once it has ended its outcome is in the database. Only
its own death between a receiver's acceptance and that record leaves the outcome open. The message is then sent again
with the same key, by which a receiver can tell.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from swarm_shared.database import TaskDatabase
from swarm_shared.notifying.delivery import deliver
from swarm_shared.notifying.dispatching import Errand
from swarm_shared.notifying.message import Message
from swarm_shared.processes.identity import ProcessId
from swarm_shared.program.notify_settings import NotifyTarget


def run(errand: Errand, environ: Mapping[str, str]) -> bool:
    """Do one errand; whether the message was accepted."""
    me = ProcessId.mine()
    path = Path(errand.db)
    with TaskDatabase(path, create=False) as database:
        taken = database.outbox.take(errand.key, me)
        if taken is None:
            return False
        message = Message(key=taken.key, swarm=path.name, notices=taken.notices, counts=taken.counts)
        target = NotifyTarget(way=errand.way, address=errand.address)
        delivery = deliver(target, message, environ, cwd=path.parent)
        database.outbox.settle(taken, me, error=delivery.error, is_final=delivery.is_final)
    return delivery.error is None


def main() -> int:
    """Read the errand from standard input; the exit code says nothing that the database does not."""
    errand = msgspec.json.decode(sys.stdin.buffer.read(), type=Errand)
    return 0 if run(errand, os.environ) else 1


if __name__ == "__main__":
    sys.exit(main())
