"""A worker reduced to its keeper, to be killed by tests: forks one, starts a command and prints what happens.

Arguments: a file that the keeper writes to when it was orphaned and all is gone, then the command.
Prints one JSON object a line: {"keeper": pid}, each event as {"event": NAME, …}, {"interrupted": true}
on SIGINT, and {"inherited": NAME} after it has ended what a lost keeper left.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from pathlib import Path

from swarm_worker.keeper import Keeper, KeeperLost, Launch


def tell(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def main() -> None:
    proof, *argv = sys.argv[1:]
    keeper = Keeper.fork(on_orphaned=lambda: Path(proof).write_text("gone"))
    signal.signal(signal.SIGINT, lambda number, frame: tell(interrupted=True))
    tell(keeper=keeper.pid)
    null = os.open(os.devnull, os.O_RDWR)
    keeper.start(Launch(argv=argv, env=dict(os.environ), cwd="/"), null, null, null)
    while not keeper.lost:
        select.select([keeper], [], [])
        for event in keeper.events():
            fields = {name: getattr(event, name) for name in event.__slots__}
            tell(event=type(event).__name__, **fields)
            if isinstance(event, KeeperLost):
                tell(inherited=type(keeper.inherit()).__name__)
    signal.pause()


main()
