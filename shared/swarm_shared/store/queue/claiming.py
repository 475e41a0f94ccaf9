"""The claim: one transaction that gives a ready task to one worker, with an attempt and a fencing token."""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.routes import Choice
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.queue.claims import Claim, Claimant, new_attempt_id
from swarm_shared.store.queue.limits.route_book import RouteBook
from swarm_shared.store.queue.overlaps import Overlaps
from swarm_shared.store.sql import SQL

CLASHES_PER_CLAIM = 200  # then the write lock is given back before the next look


class _Unfinished(Struct, frozen=True):
    """A claim met only tasks that overlap with running ones; there may be others behind them."""


class Claiming(DataAccess):
    """What a worker asks before it has a task."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        super().__init__(connection, clock)
        self._overlaps = Overlaps(connection, clock)
        self._routes = RouteBook(connection, clock)

    def claim(self, claimant: Claimant) -> Claim | None:
        """Claim the best ready task for this worker alone; None when no task may start now.

        Raises:
            DatabaseBusy: The write lock stayed taken beyond the busy timeout.
        """
        while True:
            # NORMAL is enough: a power failure that forgets the claim has ended the worker too.
            with self._db.transaction(durable=False):
                claim = self._claim(claimant)
                if isinstance(claim, Claim):
                    values = {"attempt": claim.attempt, "task": claim.task, "run": claim.run}
                    self._db.change(SQL["occupy_worker"], values)
            if not isinstance(claim, _Unfinished):
                return claim

    def anything_ready(self) -> bool:
        """Whether a claim is worth the write lock: something is ready, or scheduled and due. A read."""
        return self._db.row(SQL["anything_ready"], {"mono": self._clock.mono_ms()}) is not None

    def promote_due(self) -> int:
        """Make scheduled tasks ready whose time has come, for display. Returns how many. A claim does this as well."""
        due = self._db.value(SQL["next_due"])
        if due is None or int(due) > self._clock.mono_ms():
            return 0
        with self._db.transaction(durable=False):
            return self._db.change(SQL["promote_due"], {"wall": self._clock.wall_ms(), "mono": self._clock.mono_ms()})

    def ms_to_next_due(self) -> int | None:
        """Milliseconds until the next scheduled task or the end of a provider's hold; None when none waits for time."""
        mono = self._clock.mono_ms()
        moments = [self._db.value(SQL["next_due"]), self._db.value(SQL["next_hold_end"], {"mono": mono})]
        known = [int(moment) for moment in moments if moment is not None]
        return max(0, min(known) - mono) if known else None

    def _claim(self, claimant: Claimant) -> Claim | _Unfinished | None:
        wall, mono = self._clock.wall_ms(), self._clock.mono_ms()
        may = self._db.row(SQL["may_claim"], {"run": claimant.run, "mono": mono})
        if may is None:
            return None
        is_due, any_trouble = may
        if is_due:
            self._db.change(SQL["promote_due"], {"wall": wall, "mono": mono})
        choices = self._routes.choices(claimant.routing, claimant.agent_cli, any_trouble=bool(any_trouble))
        for _ in range(CLASHES_PER_CLAIM):
            claim = self._pick(claimant, choices, wall, mono)
            if isinstance(claim, Claim):
                if any_trouble and claim.routes is not None:
                    self._routes.note_claim(claim.attempt, claim.routes, spacing_s=claimant.spacing_s)
                return claim
            if claim is None and not self._overlaps.let_go():
                return None
        return _Unfinished()

    def _pick(
        self, claimant: Claimant, choices: Mapping[str, Choice | None], wall: int, mono: int
    ) -> Claim | _Unfinished | None:
        """The best ready task with open routes; unfinished when it now waits for files of a running task."""
        attempt = new_attempt_id(wall)
        row = self._db.row(
            SQL["claim_task"],
            {
                "attempt": attempt,
                "worker_id": claimant.worker_id,
                "wall": wall,
                "mono": mono,
                "closed": json.dumps([name for name, choice in choices.items() if choice is None]),
            },
        )
        if row is None:
            return None
        task, task_id, token, number, own_cli, note, files = row
        routes = choices[own_cli]
        assert routes is not None, "its agent CLI was closed"
        if claimant.serialize and self._overlaps.puts_behind(task, files):
            return _Unfinished()
        if self._overlaps.waits_for_turn(task):
            return _Unfinished()
        self._db.change(
            SQL["open_attempt"],
            {
                "attempt": attempt,
                "task": task,
                "number": number,
                "token": token,
                "run": claimant.run,
                "worker_id": claimant.worker_id,
                "agent_cli": routes.builder.agent_cli,
                "route": routes.builder.name,
                "validator_route": routes.validator.name,
                "wall": wall,
                "mono": mono,
                "note": note,
            },
        )
        self._event(
            "claimed",
            f"attempt {number}",
            task=task,
            task_id=task_id,
            attempt=attempt,
            worker_id=claimant.worker_id,
        )
        return Claim(
            task=task,
            task_id=task_id,
            attempt=attempt,
            number=number,
            token=token,
            agent_cli=routes.builder.agent_cli,
            routes=routes,
            note=note,
            run=claimant.run,
            worker_id=claimant.worker_id,
            claimed_at=wall,
        )
