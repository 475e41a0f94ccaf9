"""Tries Slurm out: one job that proves that the node sees the same folders, and that its life can be seen from here."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from swarm_shared.domain.errors import ConfigError
from swarm_shared.runners.remote.asking import Silent
from swarm_shared.runners.runner import Command, Grounds, Runner
from swarm_shared.runners.slurm.ending import end
from swarm_shared.runners.slurm.folder import JobFolder
from swarm_shared.runners.slurm.jobs import OVER, Slurm

WAIT_S = 60.0
RUN_S = 30.0
POLL_S = 0.1
# A cluster that is full runs jobs later: these are no reasons to refuse it.
_BUSY = ("None", "Resources", "Priority", "QOSMax", "AssocMax", "AssocGrp", "QOSGrp", "BeginTime", "Licenses")
_SHARE = "set runners.slurm.folder to a folder that this machine and all nodes share, under the same path"
_SCRIPT = """echo made > made
[ -d "$1" ] || echo "the project root $1 is not there"
command -v git > /dev/null || echo "git was not found"
[ "$PPID" = 1 ] || echo "it has no pid namespace"
i=0
while [ ! -e go ] && [ $i -lt 150 ]; do sleep 0.1; i=$((i + 1)); done
[ -e go ] || echo "a file that this machine wrote did not appear"
"""


def try_out(runner: Runner, grounds: Grounds, folder: Path) -> None:
    """Run it.

    Raises:
        ConfigError: Slurm accepts no such job, or the job could not do what sessions need.
    """
    with tempfile.TemporaryDirectory(prefix="trial-", dir=folder) as name:
        shared = Path(name)
        command = Command(argv=("/bin/sh", "-c", _SCRIPT, "sh", str(grounds.project_root)), cwd=shared)
        started = runner.start(command, runner.environment(os.environ))
        assert started.run is not None
        _, folder_of_job = JobFolder.of(started.run)
        with tempfile.TemporaryFile() as printed:
            client = subprocess.Popen(
                started.argv, env=dict(started.env), stdin=subprocess.DEVNULL, stdout=printed, stderr=printed
            )
            try:
                begun = _wait_for_begin(client, folder_of_job)
                locked = begun and client.poll() is None and folder_of_job.is_locked()
                (shared / "go").touch()
                hangs = begun and not _ends(client)
            finally:
                client.kill()
                client.wait()
                answer = end(started.run, Slurm())
            printed.seek(0)
            text = printed.read().decode(errors="replace").strip()
        if not begun:
            return  # it waits for its turn
        if hangs:
            raise ConfigError(
                f"runner slurm: a job began, but did not end within {RUN_S:g} s{text and f': {text}'}",
                hint=f"look at its node with `sinfo`; or {_SHARE}",
            )
        _judge(shared, text, locked=locked, code=client.returncode)
    if not answer.gone:
        raise ConfigError(f"runner slurm: a job cannot be ended: {answer.text}", hint="try: squeue")


def _wait_for_begin(client: subprocess.Popen[bytes], folder: JobFolder) -> bool:
    """Whether it began; it did not where it waits only because the cluster is busy.

    Raises:
        ConfigError: It waits for something else.
    """
    until = time.monotonic() + WAIT_S
    while client.poll() is None and not folder.has_begun():
        if time.monotonic() > until:
            reason = _reason(folder)
            if reason.startswith(_BUSY):
                return False
            raise ConfigError(
                f"runner slurm: no job began within {WAIT_S:g} s: {reason}",
                hint="look at the options of runners.slurm, and at `sinfo`" if reason not in OVER else _SHARE,
            )
        time.sleep(POLL_S)
    return True


def _ends(client: subprocess.Popen[bytes]) -> bool:
    try:
        client.wait(RUN_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _reason(folder: JobFolder) -> str:
    try:
        job = Slurm().job_named(folder.name)
    except Silent as error:
        return str(error)
    if job is None:
        return "Slurm does not know it"
    return job.state if job.state in OVER else job.reason


def _judge(shared: Path, text: str, *, locked: bool, code: int) -> None:
    made = shared / "made"
    if code != 0 or text:
        raise ConfigError(f"runner slurm: a job failed: {text or f'exit code {code}'}", hint=_SHARE)
    if not made.exists() or made.stat().st_uid != os.geteuid():
        raise ConfigError("runner slurm: a file that a job wrote did not appear here, or is not yours", hint=_SHARE)
    if not locked:
        raise ConfigError(
            "runner slurm: a lock that a job holds is not seen here, so its end could not be proven",
            hint="use a file system with locks for all machines (NFS 4; Lustre mounted with -o flock)",
        )
