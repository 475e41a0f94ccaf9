"""How the items of imported plans are marked as done, for merges of the files that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from swarm_shared.git.merging.marked import Mark
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.store.queue.landings import Landings


def plan_marks(landings: Landings, repository: Repository, path: str) -> Sequence[Mark]:
    """How the items of a plan are marked that tasks of the queue came from; none for what is no plan.

    Args:
        path: In the repository.
    """
    prefix = f"{repository.prefix}/" if repository.prefix else ""
    if not path.startswith(prefix):
        return ()
    items = landings.plan_items(path.removeprefix(prefix))
    return [partial(_tick, plan_format, key) for plan_format, key in items]


def _tick(plan_format: str, key: str, text: str) -> str | None:
    from swarm_shared.sources.ticking import tick  # only who ticks an item pays for the parsers

    return tick(plan_format, text, key)
