"""One action on many tasks: one request, carried out in bounded batches."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.domain.errors import NotFound, StateError
from swarm_shared.domain.models import Status, Verb
from swarm_shared.store.engine.data_access import DataAccess, from_json, to_json
from swarm_shared.store.queue.recovery import Recovery
from swarm_shared.store.requests.control import Control, ControlRow
from swarm_shared.store.requests.steering import MEANT, MustStop, Steering
from swarm_shared.store.sql import SQL
from swarm_shared.store.views.browse import Browse
from swarm_shared.store.views.task_filter import Filter, filter_from_json

BATCH = 250  # tasks per transaction: no other process can write meanwhile
REASONS_KEPT = 3


class Step(Struct, frozen=True, kw_only=True):
    """How far a bulk action has come; `cursor` counts tasks of a list, or is the key of the last one looked at."""

    cursor: int = 0
    done: int = 0
    refused: int = 0
    refusals: tuple[str, ...] = ()

    def summary(self) -> str:
        """As text for display."""
        text = f"{self.done:,} done"
        if self.refused:
            text += f", {self.refused:,} refused: " + "; ".join(self.refusals)
        return text if self.refused <= len(self.refusals) else f"{text}; …"


class Bulk(DataAccess):
    """Asking for it, and carrying it out."""

    def request_ids(
        self, verb: Verb, ids: Sequence[str], argument: Mapping[str, Any], *, actor: str, key: str | None
    ) -> int:
        """Ask for a verb on the named tasks; the control row's id.

        Raises:
            InputError: Too many to be written down.
        """
        return self._request(verb, {"ids": list(ids)}, argument, actor, key)

    def request_matching(
        self, verb: Verb, wanted: Filter, argument: Mapping[str, Any], *, actor: str, key: str | None
    ) -> int:
        """Ask for a verb on all that match now and are in a status that it is meant for; the control row's id.

        Raises:
            StateError: It is meant for none of the statuses that are looked for.
        """
        chosen = meant(verb, wanted)
        if chosen is None:
            raise StateError(
                f"{verb} does not apply to tasks in these statuses", hint="it is for: " + ", ".join(MEANT[verb])
            )
        which = {"filter": chosen.as_json(), "upto": int(self._db.value(SQL["last_seq"]))}
        return self._request(verb, which, argument, actor, key)

    def progress(self, row: int) -> Step:
        """How far it has come."""
        found = self._db.row(SQL["bulk_step"], {"control": row})
        if found is None:
            return Step()
        cursor, done, refused, refusals = found
        return Step(cursor=cursor, done=done, refused=refused, refusals=tuple(from_json(refusals)))

    def step(self, row: ControlRow) -> bool:
        """Deal with the next tasks, in one transaction with the record of having done so; whether that was all.

        Tasks that an agent works on get their own control row, aimed at the attempt.
        """
        with self._db.transaction(durable=False):
            before = self.progress(row.id)
            ids, cursor, is_last = self._next(row.argument, before.cursor)
            after = self._carry_out(row, ids, replace(before, cursor=cursor))
            values = {"control": row.id, "cursor": after.cursor, "done": after.done, "refused": after.refused}
            self._db.change(SQL["put_bulk_step"], {**values, "refusals": to_json(list(after.refusals))})
        return is_last

    def _request(
        self, verb: Verb, which: dict[str, Any], argument: Mapping[str, Any], actor: str, key: str | None
    ) -> int:
        control = Control(self._db, self._clock)
        whole = {"verb": verb, **which, **({"argument": dict(argument)} if argument else {})}
        return control.request(Verb.BULK, "", whole, actor=actor, idempotency_key=key)

    def _next(self, argument: Mapping[str, Any], cursor: int) -> tuple[list[str], int, bool]:
        """Ids of the next tasks, where to continue after them, and whether none follows."""
        if "ids" in argument:
            ids = argument["ids"][cursor : cursor + BATCH]
            return ids, cursor + len(ids), cursor + len(ids) >= len(argument["ids"])
        browse = Browse(self._db, self._clock)
        found, following = browse.matching(filter_from_json(argument["filter"]), after=cursor, limit=BATCH)
        ids = [one.id for one in found if one.seq <= argument["upto"]]
        is_last = following is None or following >= argument["upto"]
        return ids, following or cursor, is_last

    def _in_engines(self) -> frozenset[str]:
        """Ids of tasks whose containers their engine must be asked about, which takes too long for a transaction."""
        recovery = Recovery(self._db, self._clock, random.Random())
        return frozenset(each.task_id for each in recovery.open_attempts() if recovery.open_runs(each))

    def _carry_out(self, row: ControlRow, ids: Sequence[str], step: Step) -> Step:
        verb, argument = Verb(row.argument["verb"]), row.argument.get("argument", {})
        steering, control = Steering(self._db, self._clock), Control(self._db, self._clock)
        in_engines = self._in_engines() if argument.get("gone") else frozenset()
        done, reasons = 0, []
        for task_id in ids:
            try:
                own = task_id in in_engines
                if own or isinstance(steering.apply(verb, task_id, argument, actor=row.actor), MustStop):
                    control.request(verb, task_id, argument, actor=row.actor)
            except (StateError, NotFound) as refusal:
                reasons.append(refusal.message)
                continue
            done += 1
        return replace(
            step,
            done=step.done + done,
            refused=step.refused + len(reasons),
            refusals=(*step.refusals, *reasons)[:REASONS_KEPT],
        )


def meant(verb: Verb, wanted: Filter) -> Filter | None:
    """The filter without statuses that the verb is not for, None if no other is left.

    Completed tasks are run again only when they are named.
    """
    allowed: tuple[Status, ...] = MEANT[verb]
    if verb in (Verb.RETRY, Verb.REJECT) and Status.COMPLETED in wanted.statuses:
        allowed = (*allowed, Status.COMPLETED)
    statuses = tuple(status for status in allowed if not wanted.statuses or status in wanted.statuses)
    return replace(wanted, statuses=statuses) if statuses else None
