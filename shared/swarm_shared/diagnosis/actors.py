"""Who made a request, in words: users by their name, parts of the swarm by what they are."""

from __future__ import annotations

import re

_PARTS = {
    "dashboard": "requested from the dashboard",
    "budget": "by the budget",
    "reaper": "by the reaper",
    "start": "by `start`",
    "the swarm": "by the swarm",
    "SIGINT to start": "by Ctrl+C",
}
_SIGNAL = re.compile(r"(SIG[A-Z0-9]+) to start")
_WORKER = re.compile(r"(worker-\d+)(?:/.*)?")


def requested_by(actor: str) -> str:
    """`by worker-1`, `requested by ann on the command line`."""
    if actor in _PARTS:
        return _PARTS[actor]
    if found := _SIGNAL.fullmatch(actor) or _WORKER.fullmatch(actor):
        return f"by {found[1]}"
    return f"requested by {actor.replace(' (command line)', ' on the command line')}"
