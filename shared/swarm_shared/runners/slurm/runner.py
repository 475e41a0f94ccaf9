"""`runner: slurm`: each command is a batch job. It confines nothing: a command has your permissions on the node.

Source: sbatch(1) of Slurm 22.05.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import Run, SlurmOptions
from swarm_shared.runners.remote.asking import Silent
from swarm_shared.runners.remote.folder import make_base
from swarm_shared.runners.remote.work import start_of_client
from swarm_shared.runners.runner import Command, Grounds, Start
from swarm_shared.runners.slurm.client import Job
from swarm_shared.runners.slurm.folder import RUNNER, JobFolder
from swarm_shared.runners.slurm.jobs import Slurm
from swarm_shared.runners.slurm.trial import try_out
from swarm_shared.runners.variables import ALWAYS, only, refuse_unexportable

PROGRAMS = ("sbatch", "scancel", "scontrol", "squeue")
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
        own = only(self._environ, _OF_THE_CLIENT)
        return start_of_client(run, JobFolder(self._folder, run.name), job, own=own, env=env)

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
    """The folder of runs, made if needed."""
    folder = Path(os.path.expanduser(options.folder)) if options.folder else grounds.state_dir / "slurm"
    hint = "set runners.slurm.folder to a folder that this machine and all nodes share"
    return make_base(folder, runner=RUNNER, hint=hint, parents=not options.folder)
