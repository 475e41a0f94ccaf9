"""The end of every round: all tasks run to their ends, everything is stopped cleanly, and then it is judged."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from chaos import ledger
from chaos.arena import Arena
from chaos.verdict import Verdict, damage, events, faults, lost, read_stored, stale

Progress = Callable[[int], None]  # called with the number of kills so far

POLL_S = 0.05
# Without any output of an agent for so long, the round is judged as it is: a task that waits forever is lost.
SILENCE_S = 60.0
STOPS_WITHIN_S = 60.0
# Killed, or done; a worker is started as its keeper, which reports how the worker ended.
USUAL_EXITS = frozenset({"worker -9", "worker 137", "worker 0", "reaper -9", "reaper 0", "import -9", "import 0"})


def finish(arena: Arena, *, tend: Callable[[], None], more: Callable[[], bool] = lambda: False) -> None:
    """Return when nothing changes any more, or when nothing has changed for long.

    Args:
        tend: Called all the time; starts again what has died.
        more: Whether something else is still in progress.
    """
    seen, quiet_since = -1, time.monotonic()
    while more() or arena.unfinished():
        tend()
        size = arena.ledger.stat().st_size if arena.ledger.exists() else 0
        if size != seen:
            seen, quiet_since = size, time.monotonic()
        elif time.monotonic() - quiet_since > SILENCE_S:
            return
        time.sleep(POLL_S)


def stop(arena: Arena) -> list[str]:
    """Ask all programs of the round to stop; returns those still alive long after, as texts for a user."""
    asked = list(arena.alive())
    for process in asked:
        process.kill(signal.SIGTERM)
        process.kill(signal.SIGCONT)
    deadline = time.monotonic() + STOPS_WITHIN_S
    while (alive := arena.alive()) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return list(alive.values())


def judge(arena: Arena, name: str, began: float) -> Verdict:
    """Stop everything, and compare the agents' records with the database.

    Args:
        began: The monotonic time at which the round began.
    """
    agents_left = ledger.survivors(ledger.read(arena.ledger))
    left_over = agents_left + stop(arena)
    lines = ledger.read(arena.ledger)
    stored = read_stored(arena.db)
    return Verdict(
        name=name,
        kills=arena.all_kills(),
        took_s=time.monotonic() - began,
        tasks=len(arena.expected),
        attempts=sum(len(each.attempts) for each in stored.values()),
        sessions=sum(line.event == "start" for line in lines),
        fenced=sum(attempt.fenced for each in stored.values() for attempt in each.attempts),
        refused=events(arena.db, "stale_write_refused"),
        lost=lost(arena.expected, stored, lines),
        overlapping=ledger.overlaps(lines),
        stale=stale(stored),
        left_over=left_over,
        damaged=damage(arena.db),
        faults=faults(arena.logs) + _odd_exits(arena),
    )


def _odd_exits(arena: Arena) -> list[str]:
    return [f"{count} times an exit: {what}" for what, count in arena.exits.items() if what not in USUAL_EXITS]
