"""A long operation on a database, done by a process that a test kills halfway.

Arguments: what to do, and the database. An `upgrade` leads to a version that does not exist; an `import` brings TASKS
and prints the result; a `staging` or `publishing` import stops itself halfway, for the test to kill.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import TaskSpec
from swarm_shared.store import sql
from swarm_shared.store.engine import schema as migrations

TASKS = 6_000
# Half of it is quick; the rest takes longer than any test waits.
UPGRADE = """
ALTER TABLE tasks ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';
CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT;
INSERT INTO numbers
WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up LIMIT 1000000000) SELECT n FROM up;
"""


def upgrade(path: str) -> None:
    migrations.SCHEMA_VERSION += 1
    sql.migrations = lambda: [(migrations.SCHEMA_VERSION, UPGRADE)]  # type: ignore[assignment]
    TaskDatabase(path).close()


def bring_in(path: str, moment: str) -> None:
    def stop_there(done: int, of: int) -> None:
        if moment == ("staging" if 2 * done <= of else "publishing"):
            os.kill(os.getpid(), signal.SIGSTOP)

    needs = [((f"t{n - 1}",) if n % 3 else ()) for n in range(TASKS)]
    specs = [TaskSpec(id=f"t{n}", name=f"t{n}", dependencies=needs[n]) for n in range(TASKS)]
    with TaskDatabase(path) as database:
        result = database.imports.run(specs, source="a file", actor="test", progress=stop_there)
        print(json.dumps(result.shown()))


if __name__ == "__main__":
    what, path = sys.argv[1:]
    if what == "upgrade":
        upgrade(path)
    else:
        bring_in(path, what)
