"""`runner: slurm`: each command is a batch job. It confines nothing: a command has your permissions on the node.

Source: sbatch(1) of Slurm 22.05.
"""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import Run, SlurmOptions
from swarm_shared.processes.sweep import MARK
from swarm_shared.runners.remote.asking import Silent
from swarm_shared.runners.remote.folder import MARKER
from swarm_shared.runners.remote.work import in_variables
from swarm_shared.runners.runner import Command, Grounds, Start
from swarm_shared.runners.slurm.client import Job
from swarm_shared.runners.slurm.folder import RUNNER, JobFolder
from swarm_shared.runners.slurm.jobs import Slurm
from swarm_shared.runners.slurm.trial import try_out
from swarm_shared.runners.variables import ALWAYS, only, refuse_unexportable

PROGRAMS = ("sbatch", "scancel", "scontrol", "squeue")
_CLIENT = "swarm_shared.runners.slurm.client"
# What Slurm's own programs need; whatever a task states for its command.
_OF_THE_CLIENT = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "SLURM_CONF", "SLURM_JWT")


class SlurmRunner:
    """Runs commands as jobs. Make it with `usable`, which tries it out."""

    def __init__(self, options: SlurmOptions, *, folder: Path, cluster: str, environ: Mapping[str, str]) -> None:
        """Bind to a cluster.

        Args:
            folder: For the files of runs, on the file system that the nodes share.
            cluster: Its name.
            environ: The swarm's own environment.
        """
        self._options, self._folder, self._cluster, self._environ = options, folder, cluster, environ

    @classmethod
    def usable(cls, options: SlurmOptions, grounds: Grounds) -> SlurmRunner:
        """The runner, tried out: a job has run in the shared folder, or waits only because the cluster is busy.

        Raises:
            ConfigError: Slurm is missing or does not answer, it accepts no job, or a job could not do what is needed.
        """
        for program in PROGRAMS:
            if shutil.which(program) is None:
                raise ConfigError(
                    f"runner slurm: the program {program} was not found",
                    hint="install Slurm's client programs (apt-get install slurm-client), or set runner: local",
                )
        try:
            cluster = Slurm().cluster()
        except Silent as error:
            raise ConfigError(f"runner slurm does not answer: {error}", hint="try: sinfo") from error
        folder = _folder(options, grounds)
        runner = cls(options, folder=folder, cluster=cluster, environ=dict(os.environ))
        try_out(runner, grounds, folder)
        return runner

    def start(self, command: Command, env: Mapping[str, str]) -> Start:
        refuse_unexportable(env, RUNNER, "a job")
        run = Run(runner=RUNNER, name=f"swarm-{uuid.uuid4().hex}", engine=f"{self._cluster}:{self._folder}")
        job = Job(
            base=str(self._folder),
            name=run.name,
            options=self.words(),
            argv=command.argv,
            env=dict(env),
            cwd=os.path.realpath(command.cwd),
        )
        return Start(
            argv=(sys.executable, "-P", "-m", _CLIENT),
            env={**only(self._environ, _OF_THE_CLIENT), **only(env, (MARK,)), **in_variables(job)},
            run=run,
            has_begun=JobFolder(self._folder, run.name).has_begun,
        )

    def clear_up(self, cwd: Path) -> tuple[str, ...]:
        return ()

    def environment(self, environ: Mapping[str, str], variables: tuple[str, ...] = ()) -> dict[str, str]:
        return only(environ, (*ALWAYS, *variables, *self._options.environment))

    def words(self) -> tuple[str, ...]:
        """The options of `sbatch`."""
        options = self._options
        stated = {
            "partition": options.partition,
            "account": options.account,
            "qos": options.qos,
            "cpus-per-task": options.cpus,
            # Slurm counts in units of 1024.
            "mem": None if options.memory is None else f"{-(-options.memory // 1024)}K",
            "gpus": options.gpus,
            "time": options.minutes,
        }
        return (*(f"--{name}={value}" for name, value in stated.items() if value not in (None, "")), *options.args)


def _folder(options: SlurmOptions, grounds: Grounds) -> Path:
    """The folder of runs, made with its marker if needed."""
    folder = Path(os.path.expanduser(options.folder)) if options.folder else grounds.state_dir / "slurm"
    try:
        if options.folder and not folder.parent.is_dir():
            raise FileNotFoundError(2, "its parent folder is not there")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / MARKER).touch()
    except OSError as error:
        raise ConfigError(
            f"runner slurm: {folder} cannot be used: {error.strerror}",
            hint="set runners.slurm.folder to a folder that this machine and all nodes share",
        ) from error
    stat = folder.stat()
    if stat.st_uid != os.geteuid() or stat.st_mode & 0o022:
        raise ConfigError(
            f"runner slurm: others could write to {folder}", hint="use a folder that you own, with mode 0700"
        )
    return Path(os.path.realpath(folder))
