"""The kinds of notifications."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class NoticeKind(StrEnum):
    """The events under `on` in swarm.yaml, in order of urgency, which is also their order in a message's title."""

    LANDING_STOPPED = "landing_stopped"  # the integration branch was moved by others
    CREDENTIALS = "credentials"  # an agent CLI cannot log in
    BUDGET = "budget"  # near a cap of a budget, at it, or unable to count costs
    NEEDS_YOU = "needs_you"  # a task is held or has failed for good
    IDLE = "idle"  # tasks are ready and nothing runs
    HOLD = "hold"  # an agent CLI is on hold for longer than a quarter of an hour
    FINISHED = "finished"  # nothing is left to do, or the run has ended


class Notice(Struct, frozen=True, kw_only=True):
    """One event to report. `at` is wall milliseconds; `task` is the id of the task concerned."""

    kind: NoticeKind
    at: int
    text: str
    task: str | None = None
