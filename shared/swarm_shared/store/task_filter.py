"""Which tasks are meant: what a search and a bulk action look for, task by task, and as JSON in a control row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from swarm_shared.models import Status


class Found(NamedTuple):
    """What a search looks at of each task, in the order of the browse_… statements."""

    seq: int
    id: str
    name: str
    status: str
    phase: str
    type: str
    priority: int
    worker_id: str | None
    last_error: str | None
    updated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which tasks are looked for; empty parts do not restrict.

    Args:
        words: All must stand in the id or the name, whatever their case; so `error` in the last error.
        since: Wall ms; nothing has changed about older ones.
        worker: Of the attempt that runs.
        fingerprint: Of the problem that stopped the task; whoever finds tasks sees to it, by its index.
    """

    statuses: tuple[Status, ...] = ()
    phase: str | None = None
    words: tuple[str, ...] = ()
    id_prefix: str | None = None
    type: str | None = None
    priority: int | None = None
    worker: str | None = None
    error: str | None = None
    since: int | None = None
    fingerprint: str | None = None

    @property
    def needs_search(self) -> bool:
        """Whether no index gives just the tasks that are looked for."""
        return bool(self.looks_closer or (self.statuses and self.phase is not None))

    @property
    def looks_closer(self) -> bool:
        """Whether more than status and phase is asked for: then nothing but looking tells how many there are."""
        closer = (self.id_prefix, self.type, self.priority, self.worker, self.error, self.since, self.fingerprint)
        return bool(self.words) or any(part is not None for part in closer)

    def matches(self, found: Found) -> bool:
        """Whether a task is among those that are looked for."""
        return (
            (not self.statuses or found.status in self.statuses)
            and (self.phase is None or found.phase == self.phase)
            and (self.id_prefix is None or found.id.startswith(self.id_prefix))
            and (self.type is None or found.type == self.type)
            and (self.priority is None or found.priority == self.priority)
            and (self.worker is None or found.worker_id == self.worker)
            and (self.since is None or found.updated_at >= self.since)
            and (self.error is None or self.error.casefold() in (found.last_error or "").casefold())
            and (not self.words or self._has_words(f"{found.id} {found.name}".casefold()))
        )

    def _has_words(self, text: str) -> bool:
        return all(word.casefold() in text for word in self.words)

    def as_json(self) -> dict[str, Any]:
        """What restricts, as `from_json` takes it."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) not in (None, ())}


def filter_from_json(given: Mapping[str, Any]) -> Filter:
    """The filter of a control row."""
    parts = {f.name: given[f.name] for f in fields(Filter) if f.name in given}
    parts["statuses"] = tuple(Status(word) for word in parts.get("statuses", ()))
    parts["words"] = tuple(parts.get("words", ()))
    return Filter(**parts)
