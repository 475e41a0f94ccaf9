"""What Slurm says about jobs and nodes.

Source: scontrol(1), squeue(1), scancel(1) of Slurm 22.05.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from swarm_shared.domain.runners import Run
from swarm_shared.runners.remote.asking import Silent, answer_of, ask

# Final states. COMPLETING, STOPPED, SUSPENDED and everything unknown are none of them.
OVER = frozenset({
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
    *("REVOKED", "TIMEOUT"),
})  # fmt: skip
# For a command that has written no exit code itself.
EXIT_BY_STATE = {"TIMEOUT": 124, "DEADLINE": 124, "OUT_OF_MEMORY": 137}
# The command is not the cause of these.
OF_THE_CLUSTER = frozenset({"BOOT_FAIL", "CANCELLED", "NODE_FAIL", "PREEMPTED", "REVOKED"})
# Nodes in these, without a mark that they do not answer, run what Slurm says and nothing else.
_UP = frozenset({"IDLE", "ALLOCATED", "MIXED"})
_SILENT_FLAGS = frozenset({
    *("NOT_RESPONDING", "POWERED_DOWN", "POWERING_DOWN", "POWERING_UP", "POWER_DOWN", "POWER_UP", "FAIL"),
    *("REBOOT_ISSUED", "REBOOT_REQUESTED", "UNKNOWN"),
})  # fmt: skip
_NO_JOB = "Invalid job id"
_FIELD = re.compile(r"(?:^|\s)(\w+)=(\S*)")


class Job(Struct, frozen=True, kw_only=True):
    """One job as Slurm knows it. `reason`: why it waits."""

    number: str
    state: str
    reason: str = ""


Ask = Callable[..., tuple[int, str, str]]


class Slurm:
    """One cluster, through its own programs. Every method raises `Silent` where there is no answer."""

    def __init__(self, ask: Ask = ask) -> None:
        self._ask = ask

    def cluster(self) -> str:
        """The name of the cluster that answers."""
        found = re.search(r"^ClusterName\s*=\s*(\S+)", self._answer("scontrol", "show", "config"), re.MULTILINE)
        if found is None:
            raise Silent("scontrol show config names no cluster")
        return found[1]

    def job(self, number: str, name: str) -> Job | None:
        """The job of that number and name; None: Slurm has no record of it (any more)."""
        ended = self._ask("scontrol", "--oneliner", "show", "job", number)
        code, _, complained = ended
        if code != 0 and _NO_JOB in complained:
            return None
        fields = dict(_FIELD.findall(answer_of(ended, "scontrol")))
        if fields.get("JobName") != name:
            return None  # numbers begin again where a cluster lost its records
        return Job(number=number, state=fields.get("JobState", ""), reason=fields.get("Reason", ""))

    def job_named(self, name: str) -> Job | None:
        """The job of that name, running, waiting, or lately ended."""
        printed = self._answer("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i|%T|%r")
        number, _, rest = printed.partition("\n")[0].partition("|")
        state, _, reason = rest.partition("|")
        return Job(number=number, state=state, reason=reason) if number else None

    def node_state(self, node: str) -> str:
        """As `scontrol` prints it: `IDLE`, `MIXED+DRAIN`, `DOWN*`."""
        printed = self._answer("scontrol", "--oneliner", "show", "node", node)
        fields: dict[str, str] = dict(_FIELD.findall(printed))
        return fields.get("State", "")

    def cancel(self, name: str) -> None:
        self._answer("scancel", f"--name={name}")

    def _answer(self, *words: str) -> str:
        return answer_of(self._ask(*words), words[0])


def is_up(state: str) -> bool:
    """Whether a node in that state is in contact, so that what Slurm says of its jobs is so."""
    base, *flags = state.split("+")
    return base in _UP and not _SILENT_FLAGS & {*flags}


def removal(run: Run) -> str:
    """The command that removes a job."""
    return f"scancel --name={run.name}"
