"""A filter of tasks: the tasks that a search or a bulk action selects, and its JSON form in a control row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

from swarm_shared.domain.models import Status


class Found(NamedTuple):
    """What a search reads of each task, in the order of the browse_… statements."""

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


class Filter(Struct, frozen=True, kw_only=True):
    """Which tasks are looked for; empty parts do not restrict.

    Args:
        words: All must occur in the id or the name, ignoring case; so `error` in the last error.
        since: Wall ms; nothing has changed about older ones.
        worker: Of the attempt that runs.
        fingerprint: Of the problem that stopped the task; applied by the query, through its index.
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
        """Whether it filters by more than status and phase: then only reading the tasks gives their number."""
        closer = (self.id_prefix, self.type, self.priority, self.worker, self.error, self.since, self.fingerprint)
        return bool(self.words) or any(part is not None for part in closer)

    def matcher(self) -> Callable[[Found], bool]:
        """Whether a task is among those that are looked for; made once for many, so that each costs little."""
        tests: list[Callable[[Found], bool]] = []
        statuses, words = frozenset(map(str, self.statuses)), tuple(word.casefold() for word in self.words)
        prefix, error, since = self.id_prefix, (self.error or "").casefold(), self.since
        if statuses:
            tests.append(lambda found: found.status in statuses)
        for column in ("phase", "type", "priority"):
            wanted = getattr(self, column)
            if wanted is not None:
                tests.append(_equals(column, wanted))
        if self.worker is not None:
            tests.append(_equals("worker_id", self.worker))
        if prefix is not None:
            tests.append(lambda found: found.id.startswith(prefix))
        if since is not None:
            tests.append(lambda found: found.updated_at >= since)
        if error:
            tests.append(lambda found: error in (found.last_error or "").casefold())
        for word in words:
            tests.append(_has_word(word))
        if len(tests) == 1:
            return tests[0]
        return lambda found: all(test(found) for test in tests)

    def as_json(self) -> dict[str, Any]:
        """What restricts, as `from_json` takes it."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}


EVERY_TASK = Filter()


def _equals(column: str, wanted: object) -> Callable[[Found], bool]:
    value_of = attrgetter(column)
    return lambda found: bool(value_of(found) == wanted)


def _has_word(word: str) -> Callable[[Found], bool]:
    return lambda found: word in f"{found.id} {found.name}".casefold()


def filter_from_json(given: Mapping[str, Any]) -> Filter:
    """The filter of a control row."""
    parts = {name: given[name] for name in Filter.__struct_fields__ if name in given}
    parts["statuses"] = tuple(Status(word) for word in parts.get("statuses", ()))
    parts["words"] = tuple(parts.get("words", ()))
    return Filter(**parts)
