"""A queue whose workers are real processes, judged by a reaper in a time that the test sets."""

from __future__ import annotations

import subprocess
from pathlib import Path

from queue_harness import QueueHarness
from trees import wait_until

from swarm_shared.domain.clock import SystemClock
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.lifeline import Lifelines
from swarm_shared.reaping import Limits, Reaping
from swarm_shared.store.queue.claims import Claim, Claimant
from swarm_shared.store.queue.policy import Budgets

LEASE_S = 120
ORPHAN_TIMEOUT_S = 1800
OVERDUE_S = 30
STEP_S = 2  # the reaper polls every second; more than three seconds between two polls count as a standstill


class ReapingHarness(QueueHarness):
    """A queue whose workers are real processes that do nothing; time is moved manually within the real boot."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock.boot = SystemClock().boot_id()
        self.started: list[subprocess.Popen[bytes]] = []
        self.adopted: list[ProcessId] = []
        self.lifelines = Lifelines(folder / "state")
        self.reaping = self.another()
        self.reaping.run_once()

    def another(self) -> Reaping:
        """A reaper that knows only what is stored."""
        return Reaping(
            self.db.recovery,
            self.db.workers,
            clock=self.clock,
            budgets=Budgets(max_retries=2),
            limits=Limits(orphan_timeout_ms=ORPHAN_TIMEOUT_S * 1000, overdue_ms=OVERDUE_S * 1000),
            lifelines=self.lifelines,
            adopted=lambda: [process for process in self.adopted if process.is_alive()],
        )

    def spawn(self, *descriptors: int, **env: str) -> ProcessId:
        # In its own session, like a keeper's child; in the middle of its exec it shows no environment yet.
        command = ["/bin/sleep", "1000"]
        process = subprocess.Popen(command, env={"A": "B", **env}, start_new_session=True, pass_fds=descriptors)
        self.started.append(process)
        wait_until(Path(f"/proc/{process.pid}/environ").read_bytes, "its environment shows")
        found = ProcessId.of(process.pid)
        assert found is not None
        return found

    def end(self, process: ProcessId) -> None:
        """Kill it and wait for it."""
        (started,) = [each for each in self.started if each.pid == process.pid]
        started.kill()
        started.wait()

    def dead(self) -> ProcessId:
        process = self.spawn()
        self.end(process)
        return process

    def employ(self, worker: ProcessId, keeper: ProcessId, worker_id: str = "worker-1") -> None:
        run = self.db.workers.register(worker_id, worker, keeper, lease_s=LEASE_S)
        self._claimants[worker_id] = Claimant(run=run, worker_id=worker_id, agent_cli="command")

    def run_task(self, worker: ProcessId | None = None, keeper: ProcessId | None = None) -> Claim:
        self.add("t")
        self.employ(worker or self.spawn(), keeper or self.dead())
        return self.start()

    def beat(self, claim: Claim) -> None:
        assert self.db.workers.heartbeat(claim.run, began_mono_ms=self.clock.mono, lease_s=LEASE_S)

    def watch(self, seconds: float) -> int:
        """Let the reaper poll every few seconds for so long; returns how many attempts it closed."""
        closed = 0
        for _ in range(round(seconds / STEP_S)):
            self.clock.pass_s(STEP_S)
            closed += self.reaping.run_once()
        return closed

    def reap(self, reaping: Reaping | None = None) -> None:
        """Rounds until nothing is open; the gap between two scans of all processes passes manually."""

        def closed() -> bool:
            self.clock.pass_s(0.5)
            (reaping or self.reaping).run_once()
            return not self.db.recovery.open_attempts()

        wait_until(closed, "the attempt is closed")

    def is_fenced(self, claim: Claim) -> bool:
        return not self.db.queue.owns(claim)
