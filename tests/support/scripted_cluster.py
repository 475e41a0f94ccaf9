"""A Slurm cluster of shell scripts: `sbatch` runs its script on this machine, without pid namespaces."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

_PROGRAMS = {
    "sbatch": """if [ -e $state/refuses ]; then echo "sbatch: error: invalid partition specified: x" >&2; exit 1; fi
for script; do :; done
printf '%s\\n' "$@" > $state/words
echo RUNNING > $state/job
[ -e $state/waits ] && { echo "PENDING|$(cat $state/waits)" > $state/job; echo 7; exit; }
if [ -e $state/elsewhere ]; then echo FAILED > $state/job; else
    SLURM_JOB_ID=7 SLURMD_NODENAME=n1 setsid sh -c 'sh "$1"; echo COMPLETED > $2' sh "$script" $state/job \
        < /dev/null > /dev/null 2>&1 &
fi
echo 7
""",
    "scancel": "rm -f $state/hangs; echo CANCELLED > $state/job\n",
    "squeue": '[ ! -e $state/job ] || echo "7|$(cat $state/job)"\n',
    "scontrol": """case "$*" in
    *config) [ ! -e $state/silent ] || { echo "Unable to contact slurm controller" >&2; exit 1; }
        echo "ClusterName = t" ;;
    *node*) echo "NodeName=n1 State=IDLE" ;;
    *) echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1 ;;
esac
""",
    "unshare": """[ ! -e $state/no-namespaces ] || { echo "unshare failed: Operation not permitted" >&2; exit 1; }
case "$*" in *--kill-child*) while [ -e $state/hangs ]; do sleep 0.05; done ;; esac
while :; do case $1 in --*) shift ;; *) break ;; esac; done
"$@"
""",
    "git": "exit 0\n",
}
_TOOLS = ("cat", "env", "flock", "id", "mv", "rm", "setsid", "sh", "sleep", "touch")


class ScriptedCluster:
    """Its programs, on a path that has no others."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state, self.programs = folder / "cluster", folder / "cluster-bin"
        self.state.mkdir()
        self.programs.mkdir()
        for name, text in _PROGRAMS.items():
            (self.programs / name).write_text(f"#!/bin/sh\nstate={self.state}\n{text}")
            (self.programs / name).chmod(0o755)
        for tool in _TOOLS:
            os.symlink(shutil.which(tool) or tool, self.programs / tool)
        monkeypatch.setenv("PATH", str(self.programs))

    def does(self, name: str, text: str = "") -> None:
        """From now on: `refuses`, `waits` for a reason, `hangs`, `elsewhere`, `silent` or `no-namespaces`."""
        (self.state / name).write_text(text)

    @property
    def words(self) -> list[str]:
        """What `sbatch` was called with last."""
        return (self.state / "words").read_text().splitlines()
