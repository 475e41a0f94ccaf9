"""Ticking a task's item off in the plan that it came from, inside the commit that lands the task."""

from __future__ import annotations

import posixpath

from swarm_shared.domain.models import Source
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.trees import TreeFile, text_at, with_files
from swarm_shared.sources import tick

TICKED, NOT_TICKED = "ticked", "not_ticked"


class PlanSync:
    """The item of one task. `outcome` is the result of the last `finish`: a kind of event and its message."""

    def __init__(self, repository: Repository, source: Source | None) -> None:
        self._repository = repository
        self._source = source if source is not None and source.tick else None
        self.outcome: tuple[str, str] | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is an item to tick."""
        return self._source is not None

    def finish(self, tree: str) -> str:
        """The tree with the item ticked; the same tree if that is not possible."""
        source, self.outcome = self._source, None
        if source is None:
            return tree
        git = self._repository.git
        path = posixpath.join(self._repository.prefix, source.path)
        file = text_at(git, tree, path)
        if file is None:
            self.outcome = NOT_TICKED, f"{source.path} no longer exists, or is not text"
            return tree
        text = tick(source.format, file.text, source.key)
        if text is None:
            self.outcome = NOT_TICKED, f"the item {source.key} is no longer in {source.path}"
            return tree
        self.outcome = TICKED, f"{source.key} in {source.path}"
        if text == file.text:
            return tree
        return with_files(git, tree, {path: TreeFile(mode=file.mode, text=text)})
