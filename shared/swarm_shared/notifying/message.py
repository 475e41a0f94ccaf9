"""A notification in words, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from swarm_shared.domain.clock import iso
from swarm_shared.domain.notices import Notice, NoticeKind

LISTED = 10
TEXT_CHARS = 300
_ONE: Mapping[NoticeKind, str] = {
    NoticeKind.LANDING_STOPPED: "landing has stopped",
    NoticeKind.CREDENTIALS: "an agent CLI cannot log in",
    NoticeKind.BUDGET: "budget",
    NoticeKind.NEEDS_YOU: "a task needs you",
    NoticeKind.IDLE: "tasks are ready, but nothing is running",
    NoticeKind.HOLD: "an agent CLI is on hold",
    NoticeKind.FINISHED: "finished",
}
_MANY: Mapping[NoticeKind, str] = {
    NoticeKind.NEEDS_YOU: "{:,} tasks need you",
    NoticeKind.CREDENTIALS: "{:,} agent CLIs cannot log in",
    NoticeKind.HOLD: "{:,} agent CLIs are on hold",
    NoticeKind.BUDGET: "{:,} budget warnings",
}


class Message(Struct, frozen=True, kw_only=True):
    """One message. `key` stays the same when it is sent again, so that a receiver can drop duplicates.

    `counts` covers all notices by kind; `notices` contains the first of them, up to a limit.
    """

    key: str
    swarm: str
    notices: tuple[Notice, ...]
    counts: Mapping[str, int]

    @property
    def title(self) -> str:
        """The most urgent first, such as `tasks.db: 3 tasks need you; finished`."""
        parts = [_headline(kind, self.counts[kind]) for kind in NoticeKind if self.counts.get(kind)]
        return f"{self.swarm}: {'; '.join(parts) or 'test'}"

    @property
    def text(self) -> str:
        """One line per notice, the most urgent first, and the number of those omitted."""
        order = list(NoticeKind)
        listed = sorted(self.notices, key=lambda each: (order.index(each.kind), each.at))[:LISTED]
        lines = [f"{_clock(each.at)} {each.text}" for each in listed]
        more = sum(self.counts.values()) - len(listed)
        if more > 0:
            lines.append(f"and {more:,} more")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The body of a webhook and the standard input of a command."""
        return {
            "key": self.key,
            "swarm": self.swarm,
            "title": self.title,
            "text": self.text,
            "counts": dict(self.counts),
            "events": [
                {"event": str(each.kind), "at": iso(each.at), "text": each.text, "task": each.task}
                for each in self.notices
            ],
        }


def _headline(kind: NoticeKind, number: int) -> str:
    many = _MANY.get(kind)
    return many.format(number) if many and number > 1 else _ONE[kind]


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime("%H:%M")


def trial_message(swarm: str, at: int) -> Message:
    """What `notify test` sends."""
    notice = Notice(kind=NoticeKind.FINISHED, at=at, text="This is a test: notifications arrive here.")
    return Message(key=f"test-{at}", swarm=swarm, notices=(notice,), counts={})
