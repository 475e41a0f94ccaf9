"""A worker that counts its own commits and the time in them: python counted_worker.py REPORT OPTIONS…"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from swarm_shared.connection import Connection
from swarm_worker.__main__ import main

FULL, NORMAL = "FULL", "NORMAL"


class Count:
    """Wraps the two ends of every transaction of this process."""

    def __init__(self) -> None:
        self.commits = {FULL: 0, NORMAL: 0}
        self.commit_s = {FULL: 0.0, NORMAL: 0.0}
        self.lock_s = 0.0
        self._kind = NORMAL  # the worker has one connection, and a connection one transaction

    def install(self) -> None:
        begin, finish = Connection.begin, Connection.finish

        def counted_begin(connection: Connection, *, durable: bool) -> None:
            self._kind = FULL if durable else NORMAL
            began = time.perf_counter()
            begin(connection, durable=durable)
            self.lock_s += time.perf_counter() - began

        def counted_finish(connection: Connection, *, commit: bool) -> None:
            began = time.perf_counter()
            finish(connection, commit=commit)
            self.commits[self._kind] += commit
            self.commit_s[self._kind] += time.perf_counter() - began

        Connection.begin = counted_begin  # type: ignore[assignment, method-assign]  # a measurement's own process
        Connection.finish = counted_finish  # type: ignore[assignment, method-assign]

    def report(self) -> str:
        return json.dumps({"commits": self.commits, "commit_s": self.commit_s, "lock_s": self.lock_s})


if __name__ == "__main__":
    count = Count()
    count.install()
    code = main(sys.argv[2:])
    Path(sys.argv[1]).write_text(count.report())
    sys.exit(code)
