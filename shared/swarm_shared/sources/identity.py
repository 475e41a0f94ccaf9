"""Matches the tasks of an earlier import with those of a later one, even if they were edited, moved or renumbered."""

from __future__ import annotations

import posixpath
from collections.abc import Container, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.domain.models import Source, TaskSpec
from swarm_shared.sources.plans.keys import FreeIds, same_text

SIMILAR = 0.6  # of two titles: the same item, edited
MAX_COMPARISONS = 20_000
ONE_TASK_A_FILE = frozenset({"backlog.md"})
_Place = tuple[str, str]  # format and path


class Known(Struct, frozen=True, kw_only=True):
    """A task of the queue, as far as it identifies an item."""

    name: str
    source: Source | None


def settle(
    specs: Sequence[TaskSpec], known: Mapping[str, Known], *, gone: Container[str] = frozenset()
) -> list[TaskSpec]:
    """The tasks under the ids that they have in the queue; new ones under ids that are free there.

    Only tasks with a source are looked at. An item is the same if it comes from the same file of the same format and
    has the same key, or the same text at another place, or a similar text that nothing else matches.

    A file that is gone is taken for the one of the same format most of whose items are the same. A task that is a
    separate file keeps its id when the tool renames the file.

    Args:
        known: All tasks of the queue by their id.
        gone: Paths of sources that no longer exist.
    """
    named = _matches(specs, known, gone)
    taken = set(known) | {spec.id for spec in specs if spec.source is None}
    given: set[str] = set(named.values())
    free = FreeIds()
    for spec in specs:
        if spec.source is None or spec.id in named:
            continue
        there = known.get(spec.id)
        is_free = spec.id not in taken or (there is not None and there.source is None and there.name == spec.name)
        is_free = is_free and spec.id not in given
        named[spec.id] = spec.id if is_free else free.of(_behind_folder(spec), taken, given)
        given.add(named[spec.id])
    if all(old == new for old, new in named.items()):
        return list(specs)
    return [
        replace(
            spec,
            id=named.get(spec.id, spec.id),
            dependencies=tuple(named.get(need, need) for need in spec.dependencies),
        )
        for spec in specs
    ]


def _matches(specs: Sequence[TaskSpec], known: Mapping[str, Known], gone: Container[str]) -> dict[str, str]:
    """The ids of tasks as in the file, each with its id in the queue."""
    old: dict[tuple[str, str], dict[str, Known]] = {}
    for task_id, task in known.items():
        if task.source is not None:
            old.setdefault((task.source.format, task.source.path), {})[task_id] = task
    new: dict[tuple[str, str], list[TaskSpec]] = {}
    for spec in specs:
        if spec.source is not None:
            new.setdefault((spec.source.format, spec.source.path), []).append(spec)
    named: dict[str, str] = {}
    for place, listed in new.items():
        if place in old:
            named.update(_matches_of_file(listed, old[place]))
    files = {
        (plan_format, posixpath.dirname(path), _key(spec)): spec
        for (plan_format, path), listed in new.items()
        if plan_format in ONE_TASK_A_FILE
        for spec in listed
        if spec.id not in named
    }
    for (plan_format, path), tasks in old.items():
        if (plan_format, path) in new:
            continue
        if plan_format in ONE_TASK_A_FILE:
            for task_id, task in tasks.items():
                file_of_task = (plan_format, posixpath.dirname(path), _key(task))
                if file_of_task in files:
                    named[files.pop(file_of_task).id] = task_id
        elif path in gone:
            named.update(_matches_of_moved(plan_format, new, tasks, named))
    return named


def _matches_of_moved(
    plan_format: str, new: Mapping[_Place, list[TaskSpec]], known: Mapping[str, Known], named: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """The items of a file that is gone, in the first one with mostly the same."""
    names = {_key(task): task.name for task in known.values()}
    for (other_format, _), listed in new.items():
        specs = [spec for spec in listed if spec.id not in named] if other_format == plan_format else []
        if 2 * sum(names.get(_key(spec)) == spec.name for spec in specs) > len(specs):
            return _matches_of_file(specs, known)
    return iter(())


def _matches_of_file(specs: Sequence[TaskSpec], known: Mapping[str, Known]) -> Iterator[tuple[str, str]]:
    left_old = {_key(task): task_id for task_id, task in known.items()}
    left_new: dict[str, TaskSpec] = {}
    for spec in specs:
        key = _key(spec)
        if key in left_old:
            yield spec.id, left_old.pop(key)
        elif "~" in key:
            left_new[key] = spec
    left_old = {key: task_id for key, task_id in left_old.items() if "~" in key}
    for key, task_id in _moved(left_new, left_old):
        yield left_new.pop(key).id, task_id
    for key, task_id in _edited(left_new, left_old, known):
        yield left_new.pop(key).id, task_id


def _moved(new: Mapping[str, TaskSpec], old: dict[str, str]) -> list[tuple[str, str]]:
    """Items with the text of exactly one that is left."""
    by_text: dict[str, list[str]] = {}
    for key in old:
        by_text.setdefault(same_text(key), []).append(key)
    found = []
    for key in new:
        candidates = by_text.get(same_text(key), [])
        if candidates:
            found.append((key, old.pop(candidates.pop(0))))
    return found


def _edited(new: Mapping[str, TaskSpec], old: dict[str, str], known: Mapping[str, Known]) -> list[tuple[str, str]]:
    """Items whose title is similar to one that is left: first at the same number or heading, then anywhere."""
    found: dict[str, str] = {}
    budget = MAX_COMPARISONS
    by_place: dict[str, dict[str, None]] = {}
    for key in old:
        by_place.setdefault(_place(key), {})[key] = None
    for same_place in (True, False):
        for key, spec in new.items():
            if key in found:
                continue
            candidates = list(by_place.get(_place(key), ()) if same_place else old)
            budget -= len(candidates)
            if budget < 0:
                return list(found.items())
            best = max(candidates, key=lambda each: _likeness(known[old[each]].name, spec.name), default=None)
            if best is not None and _likeness(known[old[best]].name, spec.name) >= SIMILAR:
                found[key] = old.pop(best)
                del by_place[_place(best)][best]
    return list(found.items())


def _key(task: TaskSpec | Known) -> str:
    return task.source.key if task.source is not None else ""


def _place(key: str) -> str:
    return key.partition("~")[0]


def _likeness(one: str, other: str) -> float:
    from difflib import SequenceMatcher  # only for a plan that was changed since its import

    matcher = SequenceMatcher(None, one.casefold(), other.casefold(), autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= SIMILAR else 0.0


def _behind_folder(spec: TaskSpec) -> str:
    """The id behind the name of the plan's folder."""
    assert spec.source is not None
    folder = spec.source.path.rpartition("/")[0].rpartition("/")[2]
    return f"{folder}.{spec.id}" if folder else spec.id
