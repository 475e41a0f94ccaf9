"""A worker reduced to its keeper and its tree, to be killed by tests: starts a command and prints what happens.

Arguments: a file that the keeper writes to when the worker died and everything has ended, then the command.
Prints one JSON object a line: {"keeper": pid, "worker": pid}, {"pid": the command's}, {"heard": number} for each
signal that the keeper passes on, {"exited": code}, and {"inherited": []} after it has ended what runs when the keeper
is lost.
The word "leave" on standard input makes it exit with code 7, whatever runs.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from pathlib import Path

from swarm_worker.processes.keeper import fork_worker
from swarm_worker.processes.session_tree import Exited, Launch, Tree


def report(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def main() -> None:
    proof, *argv = sys.argv[1:]
    keeper = fork_worker(on_orphaned=lambda: Path(proof).write_text("gone"))
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    report(keeper=keeper.process.pid, worker=os.getpid())
    tree = Tree()
    null = os.open(os.devnull, os.O_RDWR)
    report(pid=tree.start(Launch(argv=tuple(argv), env=dict(os.environ), cwd="/"), null, null, null))
    while not keeper.lost:
        ready, _, _ = select.select([keeper, readable, sys.stdin], [], [], tree.due_in())
        if readable in ready:
            os.read(readable, 512)
        if keeper in ready:
            for number in keeper.signals():
                report(heard=number)
        if sys.stdin in ready and os.read(0, 100):
            os._exit(7)
        for event in tree.events():
            if isinstance(event, Exited):
                report(exited=event.exit_code)
    report(inherited=tree.extinguish())
    signal.pause()


main()
