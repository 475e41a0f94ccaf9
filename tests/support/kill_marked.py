"""Kills an attempt's processes until two passes over the machine find nothing, as the reaper does round by round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from msgspec import Struct

from swarm_shared.domain.clock import Clock
from swarm_shared.processes.identity import ProcessId, wait_for_ends
from swarm_shared.processes.sweep import PASS_GAP_S, kill_remaining

_DEATH_WAIT_S = 0.2


class Verdict(Struct, frozen=True, kw_only=True):
    """Whether an attempt's processes have all ended.

    `seen` are texts for display: if `gone`, what was found and killed; else what is in the way.
    """

    gone: bool
    seen: tuple[str, ...]


def kill_marked(
    attempt_id: str,
    *,
    recorded: Iterable[ProcessId],
    deadline_s: float,
    clock: Clock,
    since: int | None = None,
    others: Iterable[ProcessId] = (),
    wait: Callable[[float], object] = time.sleep,
) -> Verdict:
    """Kill an attempt's recorded processes with all below them, and everything with its mark.

    It passes over the machine until two passes in a row, half a second apart, find nothing.

    Args:
        attempt_id: The attempt's UUID.
        recorded: What the rows name: sessions, and the worker and keeper where they are to die too.
        deadline_s: Seconds after which it gives up; at least one pass is made.
        clock: Measures the deadline.
        since: As for `sweep`; unless given, the start of the oldest recorded process.
        others: As for `sweep`.
        wait: Called with the seconds between two passes; a stop event's `wait` ends them early.
    """
    recorded = tuple(recorded)
    others = tuple(others)
    deadline_ms = clock.mono_ms() + deadline_s * 1000
    killed: dict[str, None] = {}
    empty_before = False
    while True:
        left = kill_remaining(attempt_id, recorded=recorded, since=since, others=others, killed=killed)
        if not left:
            if empty_before:
                return Verdict(gone=True, seen=tuple(killed))
            empty_before = True
            wait(PASS_GAP_S)
            continue
        empty_before = False
        if clock.mono_ms() >= deadline_ms:
            left = tuple(process for process in left if process.is_alive() is not False)
            seen = tuple(dict.fromkeys(process.describe() for process in left)) or tuple(killed)
            return Verdict(gone=False, seen=seen)
        # Unknown ones may be in the middle of an exec, or short-lived and unrelated: scan again soon.
        wait_for_ends(left, _DEATH_WAIT_S)
