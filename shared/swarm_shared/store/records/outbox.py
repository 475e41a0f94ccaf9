"""Messages to send: one process at a time claims a message, and the same process records its outcome."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from swarm_shared.domain.branch_names import branch_of
from swarm_shared.domain.models import HoldReason
from swarm_shared.domain.notices import Notice
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.engine.data_access import DataAccess, from_json, to_json
from swarm_shared.store.sql import SQL

KEPT_NOTICES = 50
TRIES = 8
BACK_OFF_MS, MOST_BACK_OFF_MS = 5_000, 600_000
UNKNOWN_SENDER_MS = 600_000  # how long a sender in another pid namespace is assumed to be alive
CURSOR = "notified_until"  # the event up to which notices were made


class Unsent(Struct, frozen=True, kw_only=True):
    """The oldest message of a target that is not sent. `sender` has begun, or was killed in the middle; then `due_at`
    is when a sender that cannot be judged from here is given up."""

    key: str
    target: str
    label: str
    due_at: int
    tries: int
    sender: ProcessId | None

    def is_due(self, now: int) -> bool:
        """Whether it may be sent at `now` (wall ms): no process is sending it, and its time has come."""
        return _is_due(self.sender, self.due_at, now)


class Taken(Struct, frozen=True, kw_only=True):
    """A message that only the calling process may send now. `tries` includes this attempt."""

    key: str
    target: str
    tries: int
    notices: tuple[Notice, ...]
    counts: Mapping[str, int]


class Condition(Struct, frozen=True, kw_only=True):
    """Something that holds since a moment (wall ms), and whether it was reported."""

    name: str
    since_at: int
    reported: bool


class Outbox(DataAccess):
    """Verbs on messages. Those that say so join the caller's transaction."""

    # ───── writing messages ─────

    def cursor(self) -> int | None:
        """The event up to which notices were made; None before the first."""
        value = self._db.value(SQL["meta"], {"key": CURSOR})
        return None if value is None else int(value)

    def begin(self) -> None:
        """Start reporting events that occur from now on, unless that has begun."""
        if self.cursor() is None:
            with self._db.transaction():
                if self.cursor() is None:
                    self.move_cursor(int(self._db.value(SQL["last_event_id"])))

    def move_cursor(self, event: int) -> None:
        """In the caller's transaction."""
        self._db.change(SQL["set_meta"], {"key": CURSOR, "value": str(event)})

    def add(self, target: str, label: str, notices: Sequence[Notice], *, due_at: int) -> None:
        """Add notices to the target's message that still waits, or to a new one; in the caller's transaction.

        Args:
            due_at: Not to be sent before (wall ms); of several the earliest counts.
        """
        growing = self._db.row(SQL["growing_message"], {"target": target})
        known: list[Any] = [] if growing is None else from_json(growing[1])
        counts = Counter({} if growing is None else from_json(growing[2]))
        counts.update(str(each.kind) for each in notices)
        kept = [*known, *(msgspec.to_builtins(each) for each in notices)][:KEPT_NOTICES]
        values = {"notices": to_json(kept), "counts": to_json(dict(counts)), "due_at": due_at}
        if growing is not None:
            self._db.change(SQL["grow_message"], {"key": growing[0], **values})
            return
        wall = self._clock.wall_ms()
        self._db.change(
            SQL["add_to_outbox"], {"key": _fresh_key(), "target": target, "label": label, "wall": wall, **values}
        )

    def last_sent_at(self, target: str) -> int | None:
        return self._optional(self._db.value(SQL["last_sent_at"], {"target": target}))

    # ───── sending ─────

    def unsent(self) -> list[Unsent]:
        """The oldest unsent message of each target, due or not."""
        return [
            Unsent(key=key, target=target, label=label, due_at=due, tries=tries, sender=_sender(*owner))
            for _, target, key, label, due, _, tries, *owner in self._db.rows(SQL["unsent_messages"])
        ]

    def take(self, key: str, sender: ProcessId) -> Taken | None:
        """Take a due message for sending; None when it is sent, not due, or another living process sends it.

        Durable before it returns: a message whose sender has died was perhaps sent.
        """
        with self._db.transaction():
            row = self._db.row(SQL["message_row"], {"key": key})
            if row is None:
                return None
            _, target, _, _, due_at, notices, counts, tries, *owner = row
            wall = self._clock.wall_ms()
            if not _is_due(_sender(*owner), due_at, wall):
                return None
            values = {"key": key, "tries": tries, "due_at": wall + UNKNOWN_SENDER_MS, **sender.columns()}
            if not self._db.change(SQL["take_message"], values):
                return None
        return Taken(
            key=key,
            target=target,
            tries=tries + 1,
            notices=tuple(msgspec.convert(each, Notice) for each in from_json(notices)),
            counts=from_json(counts),
        )

    def settle(self, taken: Taken, sender: ProcessId, *, error: str | None, is_final: bool = False) -> bool:
        """Record the outcome of an attempt: sent, to be retried, or given up; durable before it returns.

        Returns:
            False when the message no longer belongs to this process; nothing was changed.
        """
        wall = self._clock.wall_ms()
        again = error is not None and not is_final and taken.tries < TRIES
        values = {
            "key": taken.key,
            "status": "sent" if error is None else "waiting" if again else "given_up",
            "error": error,
            "due_at": wall + _back_off_ms(taken.tries) if again else None,
            "ended_at": None if again else wall,
            **sender.columns(),
        }
        with self._db.transaction():
            return bool(self._db.change(SQL["settle_message"], values))

    def give_up(self, message: Unsent, error: str) -> None:
        """Give up a message that no process is sending."""
        values = {"key": message.key, "tries": message.tries, "error": error, "wall": self._clock.wall_ms()}
        with self._db.transaction():
            self._db.change(SQL["give_up_message"], values)

    # ───── conditions ─────

    def conditions(self) -> dict[str, Condition]:
        rows = self._db.rows(SQL["conditions"])
        return {name: Condition(name=name, since_at=since, reported=bool(done)) for name, since, done in rows}

    def put_condition(self, condition: Condition) -> None:
        """In the caller's transaction."""
        values = {"name": condition.name, "since_at": condition.since_at, "reported": int(condition.reported)}
        self._db.change(SQL["put_condition"], values)

    def drop_condition(self, name: str) -> None:
        """In the caller's transaction."""
        self._db.change(SQL["drop_condition"], {"name": name})

    # ───── what messages are made of ─────

    def stopped_tasks(self, ids: Collection[str]) -> dict[str, HoldReason | None]:
        """Of some tasks those that are failed (None) or held now, and why."""
        if not ids:
            return {}
        rows = self._db.rows(SQL["stopped_tasks"], {"ids": to_json(sorted(ids))})
        return {str(id_): HoldReason(reason) if reason else None for id_, _, reason in rows}

    def stopped_branch(self) -> str | None:
        """The integration branch, while landing is stopped."""
        row = self._db.row(SQL["landing_state"])
        return branch_of(str(row[0])) if row is not None and row[1] == "stopped" else None

    # ───── reading ─────

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The newest messages first, as rows with `notices` and `counts` read."""
        rows = self._db.dicts(SQL["outbox_newest"], {"limit": limit})
        return [row | {"notices": from_json(row["notices"]), "counts": from_json(row["counts"])} for row in rows]

    def fresh(self) -> int:
        """Messages that wait for their first or second try or are on their way, quiet hours aside."""
        return int(self._db.value(SQL["fresh_messages"], {"wall": self._clock.wall_ms()}))

    def counts(self) -> dict[str, int]:
        """Messages by status: waiting, sending, sent, given_up."""
        return {str(status): int(number) for status, number in self._db.rows(SQL["outbox_counts"])}

    def dead_targets(self, since: int) -> list[tuple[str, str, int]]:
        """Targets without a successful delivery since a message was given up: label, last error, messages given up."""
        return [
            (str(label), str(error), int(number))
            for label, _, error, number in self._db.rows(SQL["given_up_since"], {"since": since})
        ]

    def prune(self, before: int) -> None:
        """Delete messages that were settled before (wall ms)."""
        with self._db.transaction(durable=False):
            self._db.change(SQL["prune_outbox"], {"before": before})

    @staticmethod
    def _optional(value: Any) -> int | None:
        return None if value is None else int(value)


def _is_due(sender: ProcessId | None, due_at: int, now: int) -> bool:
    alive = False if sender is None else sender.is_alive()
    if alive is False and sender is not None:
        return True  # killed while sending: it is unknown whether the message arrived
    return alive is not True and due_at <= now


def _sender(pid: int | None, start: int, boot: str, ns: int, host: str | None) -> ProcessId | None:
    return None if pid is None else ProcessId.from_row(pid, start, boot, ns, host)


def _back_off_ms(tries: int) -> int:
    return int(min(BACK_OFF_MS * 2 ** (tries - 1), MOST_BACK_OFF_MS))


def _fresh_key() -> str:
    """A key that begins with the time; not by `secrets` or `uuid`, which would load OpenSSL into the reaper."""
    return f"{time.time_ns() // 1_000_000:012x}-{os.urandom(10).hex()}"
