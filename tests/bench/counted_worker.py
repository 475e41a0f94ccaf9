"""A worker that counts its own commits and the time in them: python counted_worker.py REPORT OPTIONS…"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from swarm_shared.store.engine.connection import Connection
from swarm_worker.__main__ import main


class Count:
    """Wraps the two ends of every transaction of this process, and the syncs after them."""

    def __init__(self) -> None:
        self.commits = self.syncs = 0
        self.commit_s = self.sync_s = self.lock_s = 0.0

    def install(self) -> None:
        begin, finish, sync = Connection.begin, Connection.finish, Connection.sync

        def counted_begin(connection: Connection) -> None:
            began = time.perf_counter()
            begin(connection)
            self.lock_s += time.perf_counter() - began

        def counted_finish(connection: Connection, *, commit: bool) -> None:
            began = time.perf_counter()
            finish(connection, commit=commit)
            self.commits += commit
            self.commit_s += time.perf_counter() - began

        def counted_sync(connection: Connection) -> None:
            began = time.perf_counter()
            sync(connection)
            self.syncs += 1
            self.sync_s += time.perf_counter() - began

        # A measurement's own process.
        Connection.begin = counted_begin  # type: ignore[method-assign]
        Connection.finish = counted_finish  # type: ignore[method-assign]
        Connection.sync = counted_sync  # type: ignore[method-assign]

    def report(self) -> str:
        return json.dumps(vars(self))


if __name__ == "__main__":
    count = Count()
    count.install()
    code = main(sys.argv[2:])
    Path(sys.argv[1]).write_text(count.report())
    sys.exit(code)
