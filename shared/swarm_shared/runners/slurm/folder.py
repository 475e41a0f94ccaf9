"""The files of one job in the folder that this machine and the nodes share.

job.sh  what Slurm starts on the node
env.sh  variables and command line
node    the job's number and its node's name
lock    locked by everything that the job has started
"""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

from swarm_shared.domain.runners import Run
from swarm_shared.runners.remote.folder import RunFolder

RUNNER = "slurm"


class JobFolder(RunFolder):
    """The folder of a job."""

    @classmethod
    def of(cls, run: Run) -> tuple[str, JobFolder]:
        """The cluster and the folder that a run names."""
        cluster, _, base = run.engine.partition(":")
        return cluster, cls(Path(base), run.name)

    def job(self) -> tuple[str, str]:
        """The number of the job that took it, and its node's name; empty before."""
        job, _, node = self.text("node").partition(" ")
        return job, node

    def is_locked(self) -> bool:
        """Whether something that the job has started is alive.

        Raises:
            OSError: The file system does not answer.
        """
        with (self.path / "lock").open("rb+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    return True
                raise
        return False
