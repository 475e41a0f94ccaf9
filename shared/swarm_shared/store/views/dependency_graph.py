"""Tasks and the links between them, for a drawing: around one, of a phase, or of phases; bounded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice

from msgspec import Struct

from swarm_shared.domain.models import Status
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.sql import SQL

MAX_LINKS = 4_000
PHASES_SCANNED = 6_000  # tasks whose links say how phases hang together, in all
SEEDS = 12


class GraphTask(Struct, frozen=True, kw_only=True):
    """A task as the graph shows it; `needs_more` and `frees_more`: links lead to tasks that it does not show."""

    seq: int
    id: str
    name: str
    phase: str
    status: Status
    stage: str | None
    estimated_hours: float | None
    claimed_at: int | None
    needs_more: bool
    frees_more: bool


class Cutting(Struct, frozen=True, kw_only=True):
    """Some tasks and the links among them as (needed, dependent); `links_cut`: there are more links than that."""

    tasks: list[GraphTask]
    links: list[tuple[int, int]]
    links_cut: bool


class Graph(DataAccess):
    """Reads only."""

    def around(self, seeds: Iterable[int], *, depth: int, limit: int) -> list[int]:
        """The tasks that can be reached from some over so many links, in either direction, nearest first."""
        found = dict.fromkeys(islice(seeds, limit))
        edge = list(found)
        for _ in range(depth):
            fresh: dict[int, None] = {}
            for pair in self._db.rows(SQL["neighbours"], {"seqs": json.dumps(edge), "limit": MAX_LINKS}):
                fresh.update((seq, None) for seq in pair if seq not in found)
            edge = list(islice(fresh, limit - len(found)))
            found.update(dict.fromkeys(edge))
            if not edge:
                break
        return list(found)

    def of_phase(self, phase: str | None, *, limit: int) -> list[int]:
        """The first tasks of a phase, or of all, in import order."""
        values = {"after": 0, "limit": limit, "phase": phase}
        name = "browse_all" if phase is None else "browse_phase"
        if phase is None:
            del values["phase"]
        return [row[0] for row in self._db.rows(SQL[name], values)]

    def at_work(self) -> list[int]:
        """What runs now, then what has failed or is held, then what is ready: a few."""
        return [row[0] for row in self._db.rows(SQL["tasks_at_work"], {"limit": SEEDS})]

    def cut_out(self, seqs: Iterable[int]) -> Cutting:
        """These tasks, in import order, with the links among them."""
        wanted = json.dumps(list(seqs))
        tasks = [
            GraphTask(
                seq=seq,
                id=task_id,
                name=name,
                phase=phase,
                status=Status(status),
                stage=stage,
                estimated_hours=None if hours is None else float(hours),
                claimed_at=claimed_at,
                needs_more=bool(needs_more),
                frees_more=bool(frees_more),
            )
            for seq, task_id, name, phase, status, stage, hours, claimed_at, needs_more, frees_more in self._db.rows(
                SQL["graph_tasks"], {"seqs": wanted}
            )
        ]
        rows = self._db.rows(SQL["links_within"], {"seqs": wanted, "limit": MAX_LINKS + 1})
        links = [(needs, task) for task, needs in rows[:MAX_LINKS]]
        return Cutting(tasks=tasks, links=links, links_cut=len(rows) > MAX_LINKS)

    def counts(self) -> dict[str, dict[Status, int]]:
        """How many tasks of each status each phase has; phases without tasks are left out."""
        found: dict[str, dict[Status, int]] = {}
        for phase, status, tasks, _ in self._db.rows(SQL["counters_by_phase"]):
            if tasks:
                found.setdefault(phase, {})[Status(status)] = tasks
        return found

    def phase_links(self, phases: list[str]) -> tuple[list[tuple[str, str]], int]:
        """Which phase needs which, as (needed, dependent), and how many tasks of each phase were looked at."""
        each = max(1, PHASES_SCANNED // max(1, len(phases)))
        known = set(phases)
        links = [
            (needed, phase)
            for phase in phases
            for needed, _ in self._db.rows(SQL["phase_links"], {"phase": phase, "limit": each})
            if needed in known
        ]
        return links, each
