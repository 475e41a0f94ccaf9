"""Commands a second of a huey consumer: python huey_rate.py DATABASE COUNT WORKERS COMMAND…

In its own program, because huey brings the SQLite of Python into its process.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from huey import SqliteHuey

READY_WITHIN_S, DONE_WITHIN_S = 30.0, 120.0
POLL_S = 0.02


def rate(database: str, count: int, workers: int, command: Sequence[str]) -> float:
    """Fill a queue, start process workers behind a gate, open it, and wait for the last result.

    Raises:
        TimeoutError: The workers did not come up, or results are missing.
    """
    huey: Any = SqliteHuey(filename=database)  # its defaults: write-ahead log, every commit synced
    fork = multiprocessing.get_context("fork")  # as huey starts its workers
    ready, gate = fork.Semaphore(0), fork.Event()

    @huey.on_startup()
    def wait_for_the_gate() -> None:
        ready.release()
        gate.wait()

    @huey.task()
    def run() -> float:
        subprocess.run(command, check=True)
        return time.monotonic()  # one clock for all processes; the result is stored and synced after it

    for _ in range(count):
        run()
    consumer = huey.create_consumer(workers=workers, worker_type="process")
    consumer.start()
    try:
        for _ in range(workers):
            if not ready.acquire(timeout=READY_WITHIN_S):
                raise TimeoutError("the workers of huey did not start")
        began = time.monotonic()
        gate.set()
        while huey.result_count() < count:
            if time.monotonic() > began + DONE_WITHIN_S:
                raise TimeoutError(f"{huey.result_count()} of {count} results after {DONE_WITHIN_S:g} s")
            time.sleep(POLL_S)
        ended = max(huey.serializer.deserialize(kept) for kept in huey.all_results().values())
    finally:
        gate.set()  # none may wait there when all are asked to exit
        consumer.stop(graceful=True)
    return count / (ended - began)


if __name__ == "__main__":
    print(rate(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
