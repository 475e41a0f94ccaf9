"""A real Slurm cluster of two nodes on this machine, on the loopback interface only."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from free_port import free_ports
from live_swarm import wait_until
from runner_harness import call

from swarm_shared.processes.procfs import all_pids, read_stat
from swarm_shared.runners.slurm.jobs import is_up

NODES = ("n1", "n2")
_CONF = """ClusterName=swarm-test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
CommunicationParameters=NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=10
InactiveLimit=0
KillWait=5
UnkillableStepTimeout=20
MinJobAge=600
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={n1} CPUs=8 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={n2} CPUs=8 State=UNKNOWN
PartitionName=p Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


# Starts the daemons, and becomes their parent: like a service manager, and no parent of any worker. The
# daemons write over their environment, so a reaper knows only by their parents that no attempt has started them.
_MANAGER = """
import ctypes, os, signal, subprocess, sys
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
signal.signal(signal.SIGCHLD, reap)
for line in sys.stdin:
    subprocess.Popen(line.split(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""


class Cluster:
    """Its daemons, each of which a test may kill and start again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._munged: subprocess.Popen[bytes] | None = None
        self._manager: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        ports = dict(zip(("ctld", *NODES), free_ports(1 + len(NODES)), strict=True))
        host = socket.gethostname().partition(".")[0]
        text = _CONF.format(folder=self.folder, host=host, **ports)
        self.folder.chmod(0o755)  # the user munge works below it
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "state").mkdir()
        os.environ["SLURM_CONF"] = str(self.folder / "slurm.conf")
        self._begin_munge()
        self._manager = subprocess.Popen([sys.executable, "-c", _MANAGER], stdin=subprocess.PIPE, text=True)
        self.start("slurmctld")
        for node in NODES:
            self.start(node)
        wait_until(lambda: self.states() == ["IDLE", "IDLE"], self.logs)

    def start(self, daemon: str) -> None:
        """Start `slurmctld` or the slurmd of a node."""
        assert self._manager is not None
        assert self._manager.stdin is not None
        self._manager.stdin.write("slurmctld -D\n" if daemon == "slurmctld" else f"slurmd -D -N {daemon}\n")
        self._manager.stdin.flush()
        wait_until(lambda: self.pid(daemon) is not None, self.logs)

    def kill(self, daemon: str) -> None:
        if (pid := self.pid(daemon)) is not None:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: self.pid(daemon) is None, self.logs)

    def revive(self) -> None:
        """Start what was killed, and wait until both nodes work."""
        for daemon in ("slurmctld", *NODES):
            if self.pid(daemon) is None:
                self.start(daemon)
        wait_until(lambda: all(map(self._works, NODES)), lambda: (self.states(), self.logs()), s=90)

    def _works(self, node: str) -> bool:
        state = self.state(node)
        if "DRAIN" in state or state.startswith("DOWN"):
            call("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)
        return "DRAIN" not in state and is_up(state)

    def pid(self, daemon: str) -> int | None:
        """The daemon's process, if it is alive."""
        name = "slurmctld" if daemon == "slurmctld" else f"slurmd-{daemon}"
        try:
            pid = int((self.folder / f"{name}.pid").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.path.basename(words[0]).startswith(name.partition("-")[0].encode()) else None

    def step_daemons(self) -> list[int]:
        """The processes that follow one job each on its node."""
        assert self._manager is not None
        stats = {pid: read_stat(pid) for pid in all_pids()}
        own = self._manager.pid  # it adopts what a slurmd detaches
        return [pid for pid, stat in stats.items() if stat and stat.parent == own and stat.name == "slurmstepd"]

    def state(self, node: str) -> str:
        printed = call("scontrol", "--oneliner", "show", "node", node, check=False)
        return next((word.removeprefix("State=") for word in printed.split() if word.startswith("State=")), "")

    def states(self) -> list[str]:
        return [self.state(node) for node in NODES]

    def jobs(self, *, check: bool = True) -> list[str]:
        """The names of the sessions' jobs that are not over; without `check` none where the controller is dead."""
        names = call("squeue", "--noheader", "--format=%j", check=check).split()
        return [name for name in names if name.startswith("swarm-")]

    def logs(self) -> str:
        return "\n".join(f"── {path.name}\n{path.read_text()[-1500:]}" for path in self.folder.glob("*.log"))

    def end(self) -> None:
        os.environ.pop("SLURM_CONF", None)
        for daemon in (*NODES, "slurmctld"):
            self.kill(daemon)
        if self._manager is not None:
            self._manager.communicate(timeout=10)
        if self._munged is not None:
            self._munged.terminate()
            self._munged.wait(10)

    def _begin_munge(self) -> None:
        """A separate munged, with its own key."""
        folder = self.folder / "munge"
        folder.mkdir(mode=0o755)
        key = folder / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        for path in (folder, key):
            shutil.chown(path, "munge", "munge")
        self._munged = subprocess.Popen([
            *("runuser", "-u", "munge", "--", "munged", "--foreground", f"--key-file={key}", "--force"),
            *(f"--socket={folder}/socket", f"--pid-file={folder}/pid", f"--seed-file={folder}/seed"),
        ], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        wait_until((folder / "socket").exists)


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster that is ended, whatever the test did."""
    cluster = Cluster(folder)
    try:
        cluster.begin()
        yield cluster
    finally:
        cluster.end()
