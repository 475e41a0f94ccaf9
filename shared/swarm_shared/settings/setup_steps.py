"""Setup commands of a worktree, and what they depend on: `setup` in swarm.yaml."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct

_KEYS = frozenset({"run", "inputs", "keep"})


class SetupStep(Struct, frozen=True, kw_only=True):
    """One command.

    Args:
        inputs: Files, as globs from the project root: with the same ones as before the command need not run again.
        keep: Folders and files that stay when another task takes the worktree over, from the project root too.
    """

    run: str
    inputs: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    def digest(self, cwd: Path) -> str:
        """The same text for the same command and the same inputs; a missing file counts as one."""
        found = hashlib.sha256(repr((self.run, self.keep)).encode("utf-8", "surrogatepass"))
        for pattern in self.inputs:
            for path in sorted(cwd.glob(pattern)) or [cwd / pattern]:
                content = path.read_bytes() if path.is_file() else None
                found.update(repr((str(path.relative_to(cwd)), content)).encode("utf-8", "surrogatepass"))
        return found.hexdigest()

    def is_done(self, cwd: Path, known: str | None) -> bool:
        """Whether what it made is there.

        Args:
            known: The digest of its last run here.
        """
        return known == self.digest(cwd) and all((cwd / path).exists() for path in self.keep)


def as_setup_steps(raw: Any) -> tuple[SetupStep, ...]:
    """A command, a mapping, or a list of either.

    Raises:
        ValueError: It is none of these.
    """
    items = raw if isinstance(raw, list | tuple) else [raw]
    return tuple(_as_step(item) for item in items)


def kept_paths(steps: tuple[SetupStep, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for step in steps for path in step.keep))


def _as_step(item: Any) -> SetupStep:
    if isinstance(item, SetupStep):
        return item
    if isinstance(item, str):
        return SetupStep(run=item)
    if not isinstance(item, Mapping) or not isinstance(item.get("run"), str) or set(item) - _KEYS:
        raise ValueError(item)
    step = SetupStep(run=item["run"], inputs=tuple(_paths(item, "inputs")), keep=tuple(_paths(item, "keep")))
    if step.keep and not step.inputs:
        raise ValueError(item)  # what is kept would never be recreated
    return step


def _paths(item: Mapping[str, Any], key: str) -> Iterator[str]:
    """Paths below the project root, without a slash at the end."""
    found = item.get(key, [])
    for path in [found] if isinstance(found, str) else found:
        if not isinstance(path, str):
            raise ValueError(item)
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or ".git" in parts or "\n" in path:
            raise ValueError(item)
        yield str(PurePosixPath(path))
