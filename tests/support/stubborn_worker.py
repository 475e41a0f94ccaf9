"""A worker that claims one task, runs a given process tree for it through a real keeper, and obeys no request.

Arguments: database, worker id, lease in seconds. The command of its agent is a JSON list in the variable AGENT, so that
the worker itself does not have the tree's number. What is started becomes the keeper; its child prints one JSON line
once the agent runs: attempt, worker (its pid). It renews its lease four times within it, and continues until it is
killed. SIGUSR1 makes it take the write lock and keep it; then it prints {"locked": true}. With FREEZE in its
environment it stops itself between its claim and the start of its agent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Role, Stage
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.sweep import marks
from swarm_shared.store.queue.claims import Claim, Claimant
from swarm_worker.processes.keeper import fork_worker
from swarm_worker.processes.session_tree import Launch, Tree


def report(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def prove(path: str) -> None:
    with TaskDatabase(path, create=False) as database:
        database.workers.record_tree_gone(ProcessId.mine())


def run_agent(database: TaskDatabase, claim: Claim, command: list[str]) -> None:
    session = database.queue.open_session(claim, role=Role.BUILDER, name="", stage=Stage.BUILDING, prompt="")
    null = os.open(os.devnull, os.O_RDWR)
    env = {**os.environ, **marks(claim.attempt)}
    agent = ProcessId.of(Tree().start(Launch(argv=tuple(command), env=env, cwd="/"), null, null, null))
    assert agent is not None
    database.queue.session_runs(session, pid=agent.pid, pid_start=agent.start_time)


def main() -> None:
    path, worker_id, lease = sys.argv[1:]
    command = json.loads(os.environ["AGENT"])
    lease_s = float(lease)
    keeper = fork_worker(on_orphaned=lambda: prove(path))
    database = TaskDatabase(path)
    run = database.workers.register(worker_id, ProcessId.mine(), keeper.process, lease_s=lease_s)
    claim = None
    while claim is None:
        claim = database.queue.claim(Claimant(run=run, worker_id=worker_id, agent_cli="command"))
        time.sleep(0.01)
    if "FREEZE" in os.environ:
        os.kill(os.getpid(), signal.SIGSTOP)
    run_agent(database, claim, command)
    report(attempt=claim.attempt, worker=os.getpid())
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    while True:
        if signal.sigtimedwait([signal.SIGUSR1], lease_s / 4) is not None:
            with database.connection.transaction():
                report(locked=True)
                signal.pause()
        database.workers.heartbeat(run, began_mono_ms=database.clock.mono_ms(), lease_s=lease_s)


main()
