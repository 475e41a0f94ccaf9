"""How long a provider asks to wait, read from its message."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

# No text may stop the swarm for longer; otherwise a misread year would.
MAX_WAIT_S = 7 * 24 * 3600.0
# A plan's window opens at the stated time, but the clocks differ by seconds.
RESET_MARGIN_S = 30.0
# Times of day are rounded down to the minute: one that has just passed is not tomorrow's.
JUST_PASSED = timedelta(minutes=2)
# One source documents resets in seconds since 1970, another in milliseconds.
EPOCH_IS_MS_ABOVE = 1e11
# No provider asks for a wait of a year: a larger number is a point in time.
EPOCH_FROM_S = 365 * 24 * 3600.0

_UNIT = r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
_AMOUNT = rf"\d+(?:\.\d+)?\s*{_UNIT}(?![a-z])"
_SECONDS_PER = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_RETRY_AFTER = re.compile(
    rf"retry[-_ ]?(?:after|delay)[\"']?\s*[:=]?\s*[\"']?(\d+(?:\.\d+)?)\s*({_UNIT}(?![a-z]))?", re.I
)
_IN_A_WHILE = re.compile(
    rf"(?:again|retry|retrying|resets?|available)\s+(?:in|after)\s+(?:about\s+)?({_AMOUNT}(?:[\s,]*(?:and\s+)?{_AMOUNT})*)",
    re.I,
)
_RESETS_IN_S = re.compile(r"resets?_in_seconds\\*[\"']?\s*[:=]\s*(\d+(?:\.\d+)?)", re.I)
_ONE_AMOUNT = re.compile(rf"(\d+(?:\.\d+)?)\s*({_UNIT})(?![a-z])", re.I)
_EPOCH = re.compile(r"(?:limit reached\||resets?_?at[\"']?\s*[:=]\s*[\"']?)(\d{9,14})\b", re.I)
_ISO = re.compile(r"resets?_?at[\"']?\s*[:=]\s*[\"']?(\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:?\d\d)?)", re.I)
_CLOCK = re.compile(
    r"(?:\bresets?|\bagain)(?:\s+(?:at|on))?\s+"
    r"(?:(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?"
    r"(?:,?\s+(?P<year>\d{4}))?(?:,|\s)\s*(?:at\s+)?)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>[ap])?(?:\.?m\b\.?)?"
    r"(?:\s*\((?P<zone>[^)\n]{1,64})\))?",
    re.I,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def wait_asked_for(text: str, now_ms: int, *, local: tzinfo | None = None) -> float | None:
    """Seconds to wait as the text asks, from 0 to `MAX_WAIT_S`; None when it names no time.

    Args:
        text: An error text of a provider or its CLI.
        now_ms: Wall time, milliseconds since 1970 UTC.
        local: Zone of clock times without one; the machine's by default.
    """
    if found := _RETRY_AFTER.search(text):
        return _capped(float(found[1]) * _seconds_per(found[2] or "s"))
    if found := _IN_A_WHILE.search(text):
        return _capped(sum(float(n) * _seconds_per(unit) for n, unit in _ONE_AMOUNT.findall(found[1])))
    if found := _RESETS_IN_S.search(text):
        return _capped(float(found[1]) + RESET_MARGIN_S)
    moment = _moment(text, datetime.fromtimestamp(now_ms / 1000, UTC), local)
    if moment is None:
        return None
    return _capped(max(0.0, moment - now_ms / 1000) + RESET_MARGIN_S)


def wait_from_number(number: float, now_ms: int) -> float:
    """Seconds to wait, from a field that holds either those or the moment of a reset, in seconds or milliseconds."""
    if number < EPOCH_FROM_S:
        return _capped(number)
    moment_s = number / 1000 if number > EPOCH_IS_MS_ABOVE else number
    return _capped(max(0.0, moment_s - now_ms / 1000) + RESET_MARGIN_S)


def _moment(text: str, now: datetime, local: tzinfo | None) -> float | None:
    """Seconds since 1970 of the reset that the text names."""
    if found := _EPOCH.search(text):
        epoch = float(found[1])
        return epoch / 1000 if epoch > EPOCH_IS_MS_ABOVE else epoch
    if found := _ISO.search(text):
        try:
            stated = datetime.fromisoformat(found[1])
        except ValueError:
            return None
        return (stated if stated.tzinfo else stated.replace(tzinfo=UTC)).timestamp()
    for clock in _CLOCK.finditer(text):
        # A bare number after "again" is no time of day.
        if clock["half"] or clock["minute"]:
            return _clock_moment(clock, now.astimezone(_zone(clock["zone"]) or local))
    return None


def _clock_moment(clock: re.Match[str], now: datetime) -> float | None:
    hour = int(clock["hour"])
    if clock["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if clock["half"].lower() == "p" else 0)
    try:
        moment = now.replace(hour=hour, minute=int(clock["minute"] or 0), second=0, microsecond=0)
        if clock["month"] is None:
            return (moment if moment > now - JUST_PASSED else moment + timedelta(days=1)).timestamp()
        year = int(clock["year"] or now.year)
        moment = moment.replace(year=year, month=_MONTHS.index(clock["month"].lower()) + 1, day=int(clock["day"]))
        # "Jan 2" read in December is next year's.
        if clock["year"] is None and moment < now - timedelta(days=1):
            moment = moment.replace(year=year + 1)
    except ValueError:
        return None
    return moment.timestamp()


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    from zoneinfo import ZoneInfo  # only here: its data is read from disk, and few texts name a zone

    try:
        return ZoneInfo(name.strip())
    except (KeyError, ValueError, OSError):
        return None


def _seconds_per(unit: str) -> float:
    small = unit.lower()
    if small.startswith(("ms", "milli")):
        return _SECONDS_PER["ms"]
    return _SECONDS_PER[small[0]]


def _capped(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_WAIT_S)
