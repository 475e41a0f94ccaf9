"""What a runner started in a worktree outside our process tree, stored so that others can follow it.

The lock of a worktree is inherited by our own processes. A container is none of them: it outlives its client, and with
that the lock. So its name is stored before it starts, and it must be proven gone before anyone uses the worktree.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from swarm_shared.domain.runners import Run
from swarm_shared.git.running.git_errors import GitError
from swarm_shared.runners.following import FOLLOWERS, end


class OutsideRun:
    """The run of one worktree, if there is any. To be used by the process that has locked the worktree.

    Args:
        path: The file that stores it; missing: there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def store(self, run: Run) -> None:
        """Store it; it survives a power failure. To be called before it is started."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.new")  # no safe id begins with a dot
        with draft.open("wb") as out:
            out.write(msgspec.json.encode(run))
            out.flush()
            os.fsync(out.fileno())
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def end(self, tend: Callable[[], None] = lambda: None) -> None:
        """End it and forget it, once its engine reports it gone.

        Raises:
            GitError: That is not proven; it stays stored.
        """
        try:
            run = msgspec.json.decode(self._path.read_bytes(), type=Run)
        except FileNotFoundError:
            return
        except msgspec.MsgspecError as error:
            raise self._unproven(f"{self._path} cannot be read: {error}") from error
        if run.runner not in FOLLOWERS:
            raise self._unproven(f"{run.runner} is not a known runner")
        answer = end(run, tend)
        if not answer.gone:
            raise self._unproven(f"{answer.text} ({run.runner} {run.name})")
        self._path.unlink()

    def _unproven(self, reason: str) -> GitError:
        return GitError(
            f"a command may still run in the worktree: {reason}",
            hint=f"remove what runs there; if its engine is gone for good, delete {self._path}",
        )
