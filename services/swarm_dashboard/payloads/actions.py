"""The verbs that make sense for a task in its current status; only those have buttons, and may still be refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarm_shared.diagnosis.why import why_held
from swarm_shared.domain.models import FailureCause, HoldReason, Status, Verb
from swarm_shared.store.requests.steering import RUNNING, WAITING

_RED_STOPPED = frozenset({Status.FAILED, Status.HELD, Status.CANCELLED})


def verbs_for(row: Mapping[str, Any]) -> list[str]:
    """The verbs for a task, the likeliest first, from its `status`, `hold_reason` and `cause`."""
    status = Status(row["status"])
    if status in RUNNING:
        return [Verb.KILL, Verb.CANCEL]
    if status in WAITING:
        return [Verb.HOLD, Verb.PRIORITIZE, Verb.CANCEL]
    match status:
        case Status.HELD:
            verbs = [Verb.RETRY, Verb.RELEASE, Verb.REJECT, Verb.PRIORITIZE, Verb.CANCEL]
            if row["hold_reason"] == HoldReason.OBJECTION:
                verbs = [Verb.APPROVE, Verb.REJECT, Verb.RETRY, Verb.RELEASE, Verb.PRIORITIZE, Verb.CANCEL]
            if row["hold_reason"] == HoldReason.QUESTION:
                verbs.insert(0, Verb.ANSWER)
            _, likeliest = why_held(row["hold_reason"])
            return sorted(verbs, key=lambda verb: verb is not likeliest)
        case Status.FAILED if row.get("cause") == FailureCause.VALIDATOR:
            return [Verb.RETRY, Verb.APPROVE, Verb.REJECT, Verb.CANCEL]
        case Status.FAILED:
            return [Verb.RETRY, Verb.CANCEL]
        case Status.COMPLETED:
            return [Verb.REJECT, Verb.RETRY]
        case Status.CANCELLED:
            return [Verb.RETRY]
        case _:
            return [Verb.CANCEL]


def chain_is_broken(row: Mapping[str, Any], needs: list[dict[str, Any]]) -> bool:
    """Whether a blocked task waits for one that cannot complete without the user: then retry means the whole chain."""
    return row["status"] == Status.BLOCKED and any(need["status"] in _RED_STOPPED for need in needs)
