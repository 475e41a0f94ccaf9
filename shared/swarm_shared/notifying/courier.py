"""`python -m swarm_shared.notifying.courier`: claims one message, sends it, and records the outcome.

The courier does all three itself, so it does not matter whether the process that started it survives. While a courier
is alive, no other process sends its message; once it has exited, the outcome is in the database. Only if the courier
itself dies after the receiver has accepted the message and before that is recorded is the outcome unknown. The message
is then sent again with the same key, which lets the receiver detect the duplicate.
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
from swarm_shared.settings.notify_settings import NotifyTarget


def run(errand: Errand, environ: Mapping[str, str]) -> bool:
    """Send one message; whether it was accepted."""
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
    """Read the errand from standard input. The outcome is in the database; the exit code only repeats it."""
    errand = msgspec.json.decode(sys.stdin.buffer.read(), type=Errand)
    return 0 if run(errand, os.environ) else 1


if __name__ == "__main__":
    sys.exit(main())
