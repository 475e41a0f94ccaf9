"""The kinds of notifications."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class NoticeKind(StrEnum):
    """The events under `on` in swarm.yaml, the most urgent first: a message is titled by the first that it holds."""

    LANDING_STOPPED = "landing_stopped"  # the integration branch was moved by others
    CREDENTIALS = "credentials"  # an agent CLI cannot log in
    BUDGET = "budget"  # close to a budget, or at it
    NEEDS_YOU = "needs_you"  # a task is held or has failed for good
    IDLE = "idle"  # tasks are left and nothing runs
    HOLD = "hold"  # an agent CLI is on hold for longer than a quarter of an hour
    FINISHED = "finished"  # nothing is left to do, or the run has ended


class Notice(Struct, frozen=True, kw_only=True):
    """One thing to report. `at` is wall milliseconds; `task` is the id of the task that it is about."""

    kind: NoticeKind
    at: int
    text: str
    task: str | None = None
