"""Notifies about the end of a run: records it once, and allows a moment for sending while the reaper still runs."""

from __future__ import annotations

import time

from amplifier_swarm.start.queue_state import End
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import EXIT_STOPPED, DatabaseError
from swarm_shared.notifying.collecting import RUN_ENDED
from swarm_shared.program.readable import cut
from swarm_shared.settings.settings import Settings

SENT_WITHIN_S = 5.0  # a target that has not accepted the message by then gets it during the next run
POLL_S = 0.05


def report_end(database: TaskDatabase, settings: Settings, end: End) -> str | None:
    """Notify the targets that the run has ended; takes at most a few seconds.

    A requested end is not notified. A target that has failed before is not waited for.

    Returns:
        A sentence about unsent notifications; None if all were sent.
    """
    if not settings.notify or end.exit_code == EXIT_STOPPED:
        return None
    try:
        database.events.add(RUN_ENDED, cut(end.text(), 300))
        event, until = database.events.last_id(), time.monotonic() + SENT_WITHIN_S
        while time.monotonic() < until:
            if (database.outbox.cursor() or 0) >= event and not database.outbox.fresh():
                break
            time.sleep(POLL_S)
        return _left(database)
    except DatabaseError:
        return None  # the run itself reports what is wrong with the file


def _left(database: TaskDatabase) -> str | None:
    waiting = database.outbox.counts()
    number = waiting.get("waiting", 0) + waiting.get("sending", 0)
    if not number:
        return None
    what = "1 notification is" if number == 1 else f"{number} notifications are"
    return f"{what} not sent yet and will be when the swarm runs again: amplifier-swarm notify"
