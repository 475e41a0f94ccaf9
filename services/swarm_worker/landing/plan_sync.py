"""Ticking a task's item off in the plan that it came from, inside the commit that lands the task."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from swarm_shared.domain.models import Source
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.trees import TreeFile, renames_of, text_at, with_files

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

    def finish(self, tree: str, *, history: Sequence[str] = ()) -> str:
        """The tree with the item marked as done; the same tree where that cannot be done.

        Args:
            history: Commits that the tree was made from, to find a plan that has been renamed.
        """
        source, self.outcome = self._source, None
        if source is None:
            return tree
        git = self._repository.git
        path = posixpath.join(self._repository.prefix, source.path)
        file = text_at(git, tree, path)
        for renamed in renames_of(git, path, history) if file is None else ():
            path, file = renamed, text_at(git, tree, renamed)
        if file is None:
            self.outcome = NOT_TICKED, f"{source.path} no longer exists, or is not text"
            return tree
        from swarm_shared.sources.ticking import tick  # only workers with such tasks pay for the parsers

        text = tick(source.format, file.text, source.key)
        if text is None:
            self.outcome = NOT_TICKED, f"the item {source.key} is no longer in {source.path}"
            return tree
        self.outcome = TICKED, f"{source.key} in {posixpath.relpath(path, self._repository.prefix or '.')}"
        if text == file.text:
            return tree
        return with_files(git, tree, {path: TreeFile(mode=file.mode, text=text)})
