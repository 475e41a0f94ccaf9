"""Turns events of the log and lasting conditions into messages; each is reported once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.budget import REACHED_EVENT, UNKNOWN_COST_EVENT, WARNING_EVENT
from swarm_shared.domain.models import GROUP_OF, Group, HoldReason, Status
from swarm_shared.domain.notices import Notice, NoticeKind
from swarm_shared.domain.trouble import TroubleKind
from swarm_shared.notifying.message import TEXT_CHARS
from swarm_shared.redaction import redaction
from swarm_shared.settings.notify_settings import NotifyTarget, QuietHours
from swarm_shared.store.records.outbox import Condition
from swarm_shared.store.swarm.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP, PAUSED, RUNNER_DOWN, Flag, ProviderHold

RUN_ENDED = "run_ended"  # written by `start` when it ends
EVENTS_PER_ROUND = 500
GROUP_MS = 10_000  # events within it are grouped into one message
LONG_HOLD_MS = 15 * 60_000
IDLE_MS = 5 * 60_000
_WORK = "work"
# What a worker could start or land immediately; scheduled tasks wait for a point in time.
_READY = (Status.NOT_STARTED, Status.WAITING_FILES, Status.APPROVED)
_LEFT = (*_READY, Status.SCHEDULED, Status.CLAIMED, Status.IN_PROGRESS, Status.LANDING)
# Held at the user's request: not worth a notification.
_BY_YOU = frozenset({HoldReason.BY_PERSON, HoldReason.KILLED, HoldReason.AS_IMPORTED})


class Pace(Struct, frozen=True, kw_only=True):
    """When a message may be sent: at most one per `every_ms` and target, and none in quiet hours."""

    every_ms: int
    quiet: QuietHours | None = None

    def due_at(self, now: int, *, last_sent_at: int | None, at_once: bool) -> int:
        """The earliest time at which a message about an event at `now` may be sent (wall ms)."""
        due = now
        if not at_once:
            due += min(GROUP_MS, self.every_ms)
            due = max(due, (last_sent_at or 0) + self.every_ms)
        end = self.quiet.end_after(due) if self.quiet is not None else None
        return due if end is None else end


class _Seen(Struct, frozen=True, kw_only=True):
    """A condition that is true now, and what to report once it has been true for `after_ms`."""

    name: str
    after_ms: int
    notice: Notice | None


class _Round(Struct, frozen=True, kw_only=True):
    """What one look found: the cursor behind the events read, news, and conditions to store or to drop."""

    cursor: int
    notices: Sequence[Notice]
    put: Sequence[Condition]
    drop: Sequence[str]


class Collector:
    """One database and the targets of its notifications."""

    def __init__(self, database: TaskDatabase, targets: Sequence[NotifyTarget], pace: Pace) -> None:
        self._db, self._targets, self._pace = database, tuple(targets), pace

    def run_once(self) -> bool:
        """Create messages about news. Returns whether there may be more immediately.

        Messages, cursor and conditions are written in one transaction, so that a death loses and doubles nothing.
        """
        stored = self._db.outbox.cursor()
        if stored is None:
            self._db.outbox.begin()
            return False
        look = self._look(stored)
        if not (look.notices or look.put or look.drop) and look.cursor - stored < EVENTS_PER_ROUND:
            return False  # reading them again costs less than a write each second
        with self._db.connection.transaction(durable=bool(look.notices)):
            stored = self._db.outbox.cursor() or 0
            look = self._look(stored)  # again: another reaper may have been quicker
            self._write(look)
        return look.cursor - stored >= EVENTS_PER_ROUND

    def _write(self, look: _Round) -> None:
        now = self._db.clock.wall_ms()
        for target in self._targets:
            notices = [each for each in look.notices if each.kind in target.on]
            if notices:
                at_once = any(each.kind is NoticeKind.FINISHED for each in notices)
                last = self._db.outbox.last_sent_at(target.key)
                due_at = self._pace.due_at(now, last_sent_at=last, at_once=at_once)
                self._db.outbox.add(target.key, target.label, notices, due_at=due_at)
        for condition in look.put:
            self._db.outbox.put_condition(condition)
        for name in look.drop:
            self._db.outbox.drop_condition(name)
        self._db.outbox.move_cursor(look.cursor)

    def _look(self, cursor: int) -> _Round:
        events = self._db.events.since(cursor, limit=EVENTS_PER_ROUND)
        run_ended = any(event["event_type"] == RUN_ENDED for event in events)
        notices = list(self._of_events(events))
        now, known = self._db.clock.wall_ms(), self._db.outbox.conditions()
        seen = {each.name: each for each in self._conditions(now)}
        put: list[Condition] = []
        for name, each in seen.items():
            condition = known.get(name) or Condition(name=name, since_at=now, reported=False)
            if not condition.reported and now - condition.since_at >= each.after_ms:
                condition = replace(condition, reported=True)
                notices += [each.notice] if each.notice is not None else []
            if condition != known.get(name):
                put.append(condition)
        gone = [name for name in known if name not in seen]
        if _WORK in gone and not run_ended and not self._is_batch():
            notices.append(Notice(kind=NoticeKind.FINISHED, at=now, text=f"Nothing is left to do: {self._counts()}"))
        return _Round(
            cursor=events[-1]["id"] if events else cursor,
            notices=[replace(each, text=_short(each.text)) for each in notices],
            put=put,
            drop=gone,
        )

    # ───── events ─────

    def _of_events(self, events: Sequence[Mapping[str, Any]]) -> Iterator[Notice]:
        stopped = {str(e["task_id"]): e for e in events if e["event_type"] in ("held", "failed") and e["task_id"]}
        reasons = self._db.outbox.stopped_tasks(stopped)
        for event in events:
            at = round(datetime.fromisoformat(str(event["timestamp"])).timestamp() * 1000)
            if event["event_type"] == RUN_ENDED:
                yield Notice(kind=NoticeKind.FINISHED, at=at, text=f"{event['message']}: {self._counts()}")
            if event["event_type"] in (WARNING_EVENT, REACHED_EVENT, UNKNOWN_COST_EVENT):
                text = str(event["message"])
                about = f"Task {event['task_id']}: {text}" if event["task_id"] else text[:1].upper() + text[1:]
                yield Notice(kind=NoticeKind.BUDGET, at=at, text=about, task=event["task_id"])
            task = str(event["task_id"])
            if stopped.get(task) is not event or task not in reasons or reasons[task] in _BY_YOU:
                continue  # not the newest of the task, or it has moved on since
            how = "failed" if event["event_type"] == "failed" else "is held"
            how = "asks" if reasons[task] is HoldReason.QUESTION else how
            yield Notice(kind=NoticeKind.NEEDS_YOU, at=at, text=f"Task {task} {how}: {event['message']}", task=task)

    # ───── conditions ─────

    def _conditions(self, now: int) -> Iterator[_Seen]:
        counts = {status: number for status, (number, _) in self._db.tasks.counts().items()}
        running = self._db.runs.unfinished_attempts()
        flags, holds, branch = self._db.swarm.flags(), self._db.swarm.holds(), self._db.outbox.stopped_branch()
        if running or any(counts.get(status) for status in _LEFT):
            yield _Seen(name=_WORK, after_ms=0, notice=None)
        for hold in holds:
            yield _of_hold(hold, now)
        paused = flags.get(PAUSED)
        if branch is not None:
            reason = f": {paused.reason}" if paused is not None and paused.reason else ""
            notice = Notice(kind=NoticeKind.LANDING_STOPPED, at=now, text=f"Nothing lands on {branch}{reason}")
            yield _Seen(name="landing_stopped", after_ms=0, notice=notice)
        ready = sum(counts.get(status, 0) for status in _READY)
        if ready and not running and not holds and branch is None and not {DRAINED, EMERGENCY_STOP} & flags.keys():
            text = f"{ready:,} {'task is' if ready == 1 else 'tasks are'} ready and nothing runs"
            why = self._why_idle(flags)
            yield _Seen(
                name="idle", after_ms=IDLE_MS, notice=Notice(kind=NoticeKind.IDLE, at=now, text=f"{text}: {why}")
            )

    def _why_idle(self, flags: Mapping[str, Flag]) -> str:
        if (paused := flags.get(PAUSED)) is not None:
            return f"the queue is paused ({paused.reason})" if paused.reason else "the queue is paused"
        if DISK_LOW in flags:
            return "the disk is nearly full"
        if (down := flags.get(RUNNER_DOWN)) is not None:
            return down.reason
        staff = self._db.workers.staff()
        return "no task was claimed" if staff.takers else staff.why_none_takes()

    def _is_batch(self) -> bool:
        """Whether a `start` runs that reports its own end."""
        start = self._db.swarm.services().get("start")
        return start is not None and start.is_alive() and start.detail.get("ends") is True

    def _counts(self) -> str:
        counts = dict.fromkeys(Group, 0)
        for status, (number, _) in self._db.tasks.counts().items():
            counts[GROUP_OF[status]] += number
        parts = [f"{number:,} {group.replace('_', ' ')}" for group, number in counts.items() if number]
        return ", ".join(parts) or "no tasks"


def _of_hold(hold: ProviderHold, now: int) -> _Seen:
    if hold.kind == TroubleKind.CREDENTIALS:
        notice = Notice(kind=NoticeKind.CREDENTIALS, at=now, text=f"{hold.route} cannot log in: {hold.reason}")
        return _Seen(name=f"credentials {hold.route}", after_ms=0, notice=notice)
    is_long = hold.until_at is None or hold.until_at - hold.since >= LONG_HOLD_MS
    notice = Notice(
        kind=NoticeKind.HOLD, at=now, text=f"{hold.route} is on hold ({hold.cause}){_until(hold)}: {hold.reason}"
    )
    return _Seen(name=f"hold {hold.route}", after_ms=0 if is_long else LONG_HOLD_MS, notice=notice)


def _until(hold: ProviderHold) -> str:
    if hold.until_at is None:
        return " until you resume"
    return time.strftime(" until %H:%M", time.localtime(hold.until_at / 1000))


def _short(text: str) -> str:
    """One line of bounded length without secrets."""
    return redaction.of_process().text(" ".join(text.split()))[:TEXT_CHARS]
