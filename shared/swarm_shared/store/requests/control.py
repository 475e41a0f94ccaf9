"""The control table: the requests of users, who handled them, and their outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import InputError, NotFound
from swarm_shared.domain.models import TASK_VERBS, Verb
from swarm_shared.store.engine.data_access import DataAccess, from_json, to_json
from swarm_shared.store.sql import SQL

EXPIRES_AFTER_S = 30.0
MAX_ARGUMENT_BYTES = 64 * 1024


class ControlRow(Struct, frozen=True, kw_only=True):
    """One request and, once handled, its outcome. Times are wall ms."""

    id: int
    created_at: int
    expires_at: int
    actor: str
    verb: Verb
    target: str
    argument: Mapping[str, Any]
    attempt_id: str | None
    status: str = "pending"  # pending, done, refused, expired
    handled_by: str | None = None
    handled_at: int | None = None
    result: str | None = None

    def shown(self) -> dict[str, Any]:
        """In the shape of the JSON answers."""
        return {
            "id": self.id,
            "created_at": iso(self.created_at),
            "expires_at": iso(self.expires_at),
            "actor": self.actor,
            "verb": str(self.verb),
            "target": self.target,
            "argument": dict(self.argument),
            "attempt_id": self.attempt_id,
            "status": self.status,
            "handled_by": self.handled_by,
            "handled_at": iso(self.handled_at),
            "result": self.result,
        }


class NewestAttempt(Struct, frozen=True, kw_only=True):
    """The newest attempt of a task, with its outcome and the task's status."""

    attempt: str
    number: int
    is_over: bool
    outcome: str | None
    error: str | None
    task_status: str


class Control(DataAccess):
    """Writes requests and outcomes; `Steering`, the workers and the reaper carry them out."""

    def request(
        self,
        verb: Verb,
        target: str = "",
        argument: Mapping[str, Any] | None = None,
        *,
        actor: str,
        attempt_id: str | None = None,
        idempotency_key: str | None = None,
        expires_after_s: float = EXPIRES_AFTER_S,
    ) -> int:
        """Write a control row; its id. The same key again gives the id of the first row and writes nothing.

        A verb on a running task is aimed at the attempt that runs now, unless `attempt_id` names another.
        Joins the caller's transaction or makes its own.

        Raises:
            NotFound: The verb wants a task and there is none with that id.
            InputError: The argument is too large.
        """
        text = to_json(dict(argument or {})) or "{}"
        if len(text.encode()) > MAX_ARGUMENT_BYTES:
            raise InputError("the note or argument is too long", hint=f"keep it under {MAX_ARGUMENT_BYTES // 1024} KiB")
        wall = self._clock.wall_ms()
        values = {
            "wall": wall,
            "expires_at": wall + round(expires_after_s * 1000),
            "actor": actor,
            "verb": verb,
            "target": target,
            "argument": text,
            "attempt_id": attempt_id,
            "key": idempotency_key,
        }
        if self._db.in_transaction:
            return self._add(verb, values)
        with self._db.transaction():
            return self._add(verb, values)

    def _add(self, verb: Verb, values: dict[str, Any]) -> int:
        if verb in TASK_VERBS:
            state = self._db.row(SQL["task_state"], {"id": values["target"]})
            if state is None:
                raise NotFound(f"no task {values['target']!r}", hint="amplifier-swarm list-tasks shows the ids")
            values["attempt_id"] = values["attempt_id"] or state[3]
        if self._db.change(SQL["add_control"], values):
            return self._db.last_id()
        return int(self._db.value(SQL["control_with_key"], {"key": values["key"]}))

    def request_import(
        self, text: str, argument: Mapping[str, Any], *, actor: str, idempotency_key: str | None = None
    ) -> int:
        """Write a request to import a text, which is kept next to the row until it has an outcome; the row's id."""
        with self._db.transaction():
            row = self.request(Verb.IMPORT, "", argument, actor=actor, idempotency_key=idempotency_key)
            self._db.change(SQL["keep_request_text"], {"id": row, "body": text})
        return row

    def text(self, row_id: int) -> str | None:
        """The text of an open request to import; None once it has an outcome."""
        found = self._db.row(SQL["request_text"], {"id": row_id})
        return None if found is None else str(found[0])

    def get(self, row_id: int) -> ControlRow:
        """One row.

        Raises:
            NotFound: No such row.
        """
        row = self._db.row(SQL["control_row"], {"id": row_id})
        if row is None:
            raise NotFound(f"no control row {row_id}")
        return _from_row(row)

    def pending(self, *, limit: int = 100) -> list[ControlRow]:
        """Open rows, oldest first."""
        return [_from_row(row) for row in self._db.rows(SQL["controls_pending"], {"limit": limit})]

    def for_attempt(self, attempt: str) -> list[tuple[int, Verb, str]]:
        """Unanswered rows aimed at an attempt, as (id, verb, actor)."""
        rows = self._db.rows(SQL["controls_for_attempt"], {"attempt": attempt})
        return [(row_id, Verb(verb), actor) for row_id, verb, actor, _ in rows]

    def newest_attempt(self, task_id: str) -> NewestAttempt | None:
        """What a request about a task may be aimed at; None when nothing was tried yet."""
        row = self._db.row(SQL["newest_attempt_of"], {"id": task_id})
        if row is None:
            return None
        attempt, number, ended_at, outcome, error, status = row
        return NewestAttempt(
            attempt=attempt,
            number=number,
            is_over=ended_at is not None,
            outcome=outcome,
            error=error,
            task_status=status,
        )

    def prolong(self, row_id: int, *, by: str, seconds: float = EXPIRES_AFTER_S) -> None:
        """Mark an open row as being worked on: it expires so many seconds from now."""
        until = self._clock.wall_ms() + round(seconds * 1000)
        with self._db.transaction(durable=False):
            self._db.change(SQL["prolong_control"], {"id": row_id, "expires_at": until, "handled_by": by})

    def set_target(self, row_id: int, target: str) -> None:
        """Name what a request has added; joins the caller's transaction."""
        self._db.change(SQL["set_control_target"], {"id": row_id, "target": target})

    def amend(self, row_id: int, argument: Mapping[str, Any]) -> None:
        """Store what carrying a request out has found next to its argument; joins the caller's transaction."""
        self._db.change(SQL["amend_control"], {"id": row_id, "argument": to_json(dict(argument))})

    def landings(self, *, limit: int) -> list[ControlRow]:
        """Requests to land into branches of the user, newest first."""
        return [_from_row(row) for row in self._db.rows(SQL["control_landings"], {"limit": limit})]

    def aim(self, row_id: int, attempt: str) -> None:
        """Aim a waiting row at the attempt that runs now; one that is aimed already stays so."""
        with self._db.transaction():
            self._db.change(SQL["aim_control"], {"id": row_id, "attempt": attempt})

    def newest(self, *, limit: int, before: int | None = None) -> list[ControlRow]:
        """The audit, newest first."""
        values = {"before": before if before is not None else 2**62, "limit": limit}
        return [_from_row(row) for row in self._db.rows(SQL["controls_newest"], values)]

    def answer(self, row_id: int, status: str, result: str, *, by: str) -> bool:
        """Close a row with its outcome; False when it was closed already. Joins the caller's transaction, if any."""
        values = {
            "id": row_id,
            "status": status,
            "handled_by": by,
            "wall": self._clock.wall_ms(),
            "result": result,
        }
        if self._db.in_transaction:
            return bool(self._db.change(SQL["finish_control"], values))
        with self._db.transaction():
            return bool(self._db.change(SQL["finish_control"], values))


def _from_row(row: tuple[Any, ...]) -> ControlRow:
    row_id, created, expires, actor, verb, target, argument, attempt, *answer = row
    status, handled_by, handled_at, result = answer or ("pending", None, None, None)
    return ControlRow(
        id=row_id,
        created_at=created,
        expires_at=expires,
        actor=actor,
        verb=Verb(verb),
        target=target,
        argument=from_json(argument) or {},
        attempt_id=attempt,
        status=status,
        handled_by=handled_by,
        handled_at=handled_at,
        result=result,
    )
