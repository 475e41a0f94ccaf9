"""The process of a session that runs as a job: submits it, passes its output on, and ends with its exit code.

It is a child of the worker like every session's process. A stop reaches it as TERM, and the command through Slurm; what
becomes of the job when this process is killed is the follower's business. Everything that it is to run comes in
variables, never in a command line, which every user of this machine can read.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from swarm_shared.runners.remote.asking import Silent
from swarm_shared.runners.remote.output import Output
from swarm_shared.runners.remote.work import take_work, umask
from swarm_shared.runners.slurm.folder import JobFolder
from swarm_shared.runners.slurm.jobs import EXIT_BY_STATE, OVER, Slurm
from swarm_shared.runners.slurm.script import command_script, job_script

POLL_S = 0.1
ASK_EVERY_S = 10.0  # the command's own end is seen in the folder: Slurm is asked only whether the job is still there
SETTLE_S = 5.0  # how long a file of a node may take to be seen here
EXIT_NO_JOB = 70


class Job(Struct, frozen=True, kw_only=True):
    """What to run.

    Args:
        base, name: Of its folder.
        options: Words of `sbatch`.
        argv, env, cwd: Of the command.
    """

    base: str
    name: str
    options: tuple[str, ...]
    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str


class Client:
    """Runs one job and passes on what it writes."""

    def __init__(self, job: Job, slurm: Slurm, out: BinaryIO, err: BinaryIO) -> None:
        self._job, self._slurm = job, slurm
        self._folder = JobFolder(Path(job.base), job.name)
        self._output = Output(self._folder, out, err)
        self._err = err
        self._stop = False
        self._next_ask = time.monotonic() + ASK_EVERY_S
        self._seems_over = False

    def stop(self, *_: object) -> None:
        """Pass a stop on to the command, or withdraw a job that waits."""
        self._stop = True

    def run(self, stdin: bytes) -> int:
        """The exit code to end with."""
        job, folder = self._job, str(self._folder.path)
        self._folder.make({
            "job.sh": job_script(folder, job.cwd),
            "env.sh": command_script(job.argv, job.env, job.cwd, umask=umask()),
            "in": stdin,
            "lock": b"",
        })  # fmt: skip
        submitted = subprocess.run(
            self._submission(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._err, check=False
        )
        if submitted.returncode != 0:
            return EXIT_NO_JOB
        while (code := self._look()) is None:
            if self._stop:
                self._stop = False
                if self._folder.withdraw():
                    return 128 + signal.SIGTERM
                self._pass_stop_on()
            time.sleep(POLL_S)
        return code

    def _submission(self, folder: str) -> list[str]:
        return [
            *("sbatch", "--parsable", "--no-requeue", "--nodes=1", "--ntasks=1", "--export=ALL", "--chdir=/"),
            *(f"--job-name={self._job.name}", f"--output={folder}/log", "--open-mode=append", "--input=/dev/null"),
            *self._job.options,
            f"{folder}/job.sh",
        ]

    def _look(self) -> int | None:
        """Pass on what was written; the exit code once it is over."""
        code = self._folder.exit_code()  # first: what was written before it is complete
        self._output.pass_on()
        if code is not None:
            return code
        if refused := self._folder.text("refused"):
            self._output.complain(f"slurm: error: {refused}")
            return EXIT_NO_JOB
        now = time.monotonic()
        return self._ask(now) if now >= self._next_ask else None

    def _ask(self, now: float) -> int | None:
        self._next_ask = now + ASK_EVERY_S
        try:
            job = self._slurm.job_named(self._job.name)
        except Silent:
            return None  # it runs on, and may end meanwhile
        if job is not None and job.state not in OVER:
            self._seems_over = False
            return None
        if not self._seems_over:
            self._seems_over, self._next_ask = True, now + SETTLE_S
            return None
        state = "no longer known to Slurm" if job is None else job.state
        number = job.number if job else self._folder.job()[0]
        self._output.complain(f"slurm: error: job {number} ended without an exit code: {state}")
        return EXIT_NO_JOB if job is None else EXIT_BY_STATE.get(job.state, EXIT_NO_JOB)

    def _pass_stop_on(self) -> None:
        number, _ = self._folder.job()
        subprocess.Popen(
            ["scancel", "--full", "--signal=TERM", number],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def main() -> int:
    """Run the job that the environment describes."""
    client = Client(take_work(os.environ, Job), Slurm(), sys.stdout.buffer, sys.stderr.buffer)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, client.stop)
    try:
        return client.run(sys.stdin.buffer.read())
    except OSError as error:
        sys.stderr.write(f"slurm: error: {error}\n")
        return EXIT_NO_JOB


if __name__ == "__main__":
    raise SystemExit(main())
