"""The `cleanup` commands of a worktree that another task takes over or that is removed, run by a worker."""

from __future__ import annotations

import os
import shlex
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

from swarm_shared.agents.launching.environment import Inherited, session_environment
from swarm_shared.domain.models import Role, TaskSpec
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.git_errors import GitTimeout
from swarm_shared.git.worktrees.outside_run import OutsideRun
from swarm_shared.redaction.redaction import of_process
from swarm_shared.runners.runner import Command
from swarm_worker.config import WorkerConfig

SHOWN_LINES = 5
_SHELL = "/bin/sh"
_READ_BYTES = 16 * 1024


def cleanup_of(
    config: WorkerConfig, repository: Repository, spec: TaskSpec, *, outside: OutsideRun
) -> Callable[[Path], str | None] | None:
    """What runs the commands in a folder and gives the reason why that failed; None if there are none.

    Args:
        repository: With a git that inherits the lock of the worktree, as the commands do; what starts its processes
            also proves that nothing of them is left.
        spec: The task that the worktree was for.
        outside: Stores what the commands run outside our process tree, in case that this worker dies.
    """
    if not config.cleanup:
        return None

    def run_all(cwd: Path) -> str | None:
        failures = (_failure_of(command, config, repository, spec, cwd, outside) for command in config.cleanup)
        return next((f"its cleanup failed: {failure}" for failure in failures if failure is not None), None)

    return run_all


def _failure_of(
    command: str, config: WorkerConfig, repository: Repository, spec: TaskSpec, cwd: Path, outside: OutsideRun
) -> str | None:
    env = session_environment(
        Inherited(config.check_runner.environment(config.environ)),
        task=spec,
        attempt_id=str(uuid.uuid4()),  # of no attempt: their caller ends them
        attempt_number=0,
        role=Role.CHECK,
        cwd=cwd,
    )
    git = repository.git
    start = config.check_runner.start(Command(argv=(_SHELL, "-c", command), cwd=cwd), env)
    if start.run is not None:
        outside.store(start.run)
    # Into a file: the end of a pipe would be waited for until everything that the command leaves running has ended.
    with tempfile.NamedTemporaryFile(prefix="swarm-cleanup-") as output:
        try:
            ended = git.run(
                [_SHELL, "-c", f'exec "$@" > {shlex.quote(output.name)} 2>&1', _SHELL, *start.argv],
                cwd=cwd,
                env=start.env,
                stdin=None,
                timeout_s=config.check_timeout_s,
                limit_bytes=None,
                keep_open=git.keep_open,
            )
        except GitTimeout as error:
            return f"{command} (did not end within {error.timeout_s:g} s)"
        finally:
            # Where that is not proven the worktree stays as it is: what runs in it may still write.
            outside.end()
            config.check_runner.clear_up(cwd)
        if ended.code == 0:
            return None
        output.seek(max(0, output.seek(0, os.SEEK_END) - _READ_BYTES))
        lines = output.read().decode("utf-8", "replace").splitlines()[-SHOWN_LINES:]
    return of_process().text("\n  ".join([f"{command} (exit {ended.code})", *lines]))
