"""Problems that prevent every session of an agent CLI from working: kinds of provider and start-up trouble."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class TroubleKind(StrEnum):
    """A problem that prevents every session from working, not only this task's."""

    THROTTLED = "throttled"  # wait, then continue
    OVERLOADED = "overloaded"  # wait, usually shorter
    WINDOW = "window"  # the plan's share of these hours or days is used up
    QUOTA = "quota"  # money or a hard quota: you must act
    CREDENTIALS = "credentials"  # you must act
    STARTUP = "startup"  # the CLI itself cannot start


# As users read them: in the terminal, in the browser and in notifications.
WORDS: Mapping[str, str] = {
    TroubleKind.THROTTLED: "rate limit",
    TroubleKind.OVERLOADED: "overloaded",
    TroubleKind.WINDOW: "plan limit",
    TroubleKind.QUOTA: "quota used up",
    TroubleKind.CREDENTIALS: "sign-in rejected",
    TroubleKind.STARTUP: "cannot start",
}


class Trouble(Struct, frozen=True, kw_only=True):
    """A problem that prevents every session from working. `wait_s` is None when the text names no time."""

    kind: TroubleKind
    text: str
    wait_s: float | None = None
