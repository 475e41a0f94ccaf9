"""Running the user's `sync_command` for completed tasks whose source cannot be ticked."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from swarm_reaper.config import ReaperConfig
from swarm_reaper.threads.side_thread import SideThread
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.processes.file_lock import alone
from swarm_shared.program.logs import event
from swarm_shared.redaction.redaction import of_process
from swarm_shared.store.importing.syncs import Sync, Syncs

LOG = logging.getLogger("swarm.reaper")
POLL_S = 1.0
WITHIN_S = 60.0
ERROR_CHARS = 300


class SourceSync:
    """One task at a time; a hanging command is killed, and it never blocks anything else."""

    def __init__(self, database: TaskDatabase, command: str, cwd: Path, *, within_s: float = WITHIN_S) -> None:
        self._syncs, self._command = Syncs(database.connection, database.clock), command
        self._cwd, self._within_s = cwd, within_s
        self._syncs.begin()

    def run_once(self) -> bool:
        """Run the command for the next due task; False when none is due."""
        sync = self._syncs.take()
        if sync is None:
            return False
        error = self._run(sync)
        self._syncs.settle(sync, error)
        event(LOG, "synced" if error is None else "sync_failed", task=sync.task_id, key=sync.key, reason=error)
        return True

    def _run(self, sync: Sync) -> str | None:
        """Why it failed; None when it did not."""
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", filled(self._command, sync)],
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return f"the command could not be started: {error.strerror}"
        try:
            printed, _ = process.communicate(timeout=self._within_s)
        except subprocess.TimeoutExpired:
            return f"the command did not end within {self._within_s:g} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also what it left behind
            process.wait()
        if process.returncode == 0:
            return None
        lines = printed.decode(errors="replace").strip().splitlines()
        how = f"exit code {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
        return of_process().text(f"{how}: {lines[-1]}" if lines else how)[:ERROR_CHARS]


def filled(command: str, sync: Sync) -> str:
    """The command with {id} (of the item in its source), {task} and {path}, each as one word of the shell."""
    for name, value in (("{id}", sync.key), ("{task}", sync.task_id), ("{path}", sync.path)):
        command = command.replace(name, shlex.quote(value))
    return command


class SourceSyncThread(SideThread):
    """Runs `sync_command` next to the reaper's loop; an interrupted command is run again by the next reaper."""

    def __init__(self, config: ReaperConfig, clock: Clock) -> None:
        super().__init__(config, clock, name="source sync", wanted=bool(config.sync_command))

    def serve(self, database: TaskDatabase) -> None:
        lock = self._config.state_dir / "sync.lock"
        while True:
            try:
                with alone(lock, wait=False) as taken:  # another reaper may be on duty
                    if taken:
                        self._sync(database)
            except (DatabaseError, OSError) as error:
                event(LOG, "sync_failed", level=logging.WARNING, reason=error)
            if self._stop.wait(POLL_S):
                return

    def _sync(self, database: TaskDatabase) -> None:
        """Run until asked to stop; then again, for the tasks that were completed last."""
        assert self._config.sync_command is not None, "it is not started without one"
        sync = SourceSync(database, self._config.sync_command, self._config.project_root)
        is_last = False
        while not is_last:
            is_last = self._stop.is_set()
            while sync.run_once():
                pass
            self._stop.wait(POLL_S)
