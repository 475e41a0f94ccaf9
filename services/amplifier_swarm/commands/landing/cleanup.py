"""The `cleanup` commands of a worktree that is about to be removed: they give back what `setup` and agents took."""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path

from amplifier_swarm.start.ending.subtree import Subtree
from swarm_shared.agents.launching.environment import Inherited, session_environment
from swarm_shared.domain.models import Role, TaskSpec
from swarm_shared.redaction.redaction import of_process

TOLD_LINES = 5
READ_BYTES = 16 * 1024
_SHELL = "/bin/sh"


class Cleanup:
    """Runs them one after the other; when a call returns, nothing of them is left."""

    def __init__(self, commands: tuple[str, ...], *, limit_s: float, environ: Inherited) -> None:
        self._commands, self._limit_s, self._environ = commands, limit_s, environ
        self._below: Subtree | None = None

    def run(self, task: TaskSpec, cwd: Path) -> str | None:
        """Clean up after a task in its worktree; why that failed, with the end of what was printed, or None."""
        if not self._commands:
            return None
        environ = session_environment(
            self._environ,
            task=task,
            attempt_id=str(uuid.uuid4()),  # of none: these need not be found by their mark
            attempt_number=0,
            role=Role.CHECK,
            cwd=cwd,
        )
        for command in self._commands:
            failure = self._failure_of(command, environ, cwd)
            if failure is not None:
                return f"its cleanup failed: {failure}"
        return None

    def _failure_of(self, command: str, environ: Mapping[str, str], cwd: Path) -> str | None:
        below = self._below = self._below or Subtree()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [_SHELL, "-c", command],
                cwd=cwd,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                code: int | None = process.wait(self._limit_s)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                below.end(grace_s=0.0)
                process.wait()
            if code == 0:
                return None
            output.seek(max(0, output.seek(0, os.SEEK_END) - READ_BYTES))
            lines = output.read().decode("utf-8", "replace").splitlines()[-TOLD_LINES:]
        ended = f"not over within {self._limit_s:g} s" if code is None else f"exit {code}"
        return of_process().text("\n  ".join([f"{command} ({ended})", *lines]))
