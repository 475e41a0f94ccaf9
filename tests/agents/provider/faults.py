"""What a provider can do wrong. Each API's wording is in the module of that API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

RETRY_AFTER_S = 7
WINDOW_S = 3600  # unless the provider is configured otherwise


class Fault(StrEnum):
    """Errors that are answered, then what happens to connections and streams, then what the model itself does."""

    UNAUTHORIZED = "unauthorized"  # 401: the key is wrong
    FORBIDDEN = "forbidden"  # 403
    UNPAID = "unpaid"  # 402
    RATE_LIMIT = "rate_limit"  # 429 with retry-after
    QUOTA = "quota"  # the money or the quota is used up
    WINDOW = "window"  # the plan's share of these hours is used up
    SERVER_ERROR = "server_error"  # 500
    OVERLOADED = "overloaded"  # 529 or 503
    TOO_LONG = "too_long"  # the prompt exceeds the context window
    BROKEN_STREAM = "broken_stream"  # the connection ends in the middle of an answer
    HANG = "hang"  # the request is taken and never answered
    REFUSED = "refused"  # nothing listens
    REFUSAL = "refusal"  # the model declines, or its answer is filtered


# Answered with an HTTP error.
ANSWERED = frozenset(
    {
        Fault.UNAUTHORIZED,
        Fault.FORBIDDEN,
        Fault.UNPAID,
        Fault.RATE_LIMIT,
        Fault.QUOTA,
        Fault.WINDOW,
        Fault.SERVER_ERROR,
        Fault.OVERLOADED,
        Fault.TOO_LONG,
    }
)


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An HTTP error as a provider sends it."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]
