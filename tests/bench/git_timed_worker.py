"""A worker that times its own git commands: python git_timed_worker.py REPORT OPTIONS…"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarm_shared.git.running.process import Completed, run_process
from swarm_worker.__main__ import main
from swarm_worker.landing import careful_git


class Clocked:
    """Replaces what runs git.

    `ran`: for each process its start (milliseconds since the epoch), git's verb, its milliseconds from start to end and
    of processor time, and the worker's own processor time so far.
    """

    def __init__(self) -> None:
        self.ran: list[tuple[float, str, float, float, float]] = []

    def __call__(self, command: Sequence[str], **how: Any) -> Completed:
        at_ms, began, used = 1000 * time.time(), time.perf_counter(), _used_ms(resource.RUSAGE_CHILDREN)
        try:
            return run_process(command, **how)
        finally:
            wall_ms = 1000 * (time.perf_counter() - began)
            cpu_ms = _used_ms(resource.RUSAGE_CHILDREN) - used  # of git alone: nothing else was waited for meanwhile
            self.ran.append((at_ms, _verb(command), wall_ms, cpu_ms, _used_ms(resource.RUSAGE_SELF)))


def _used_ms(whose: int) -> float:
    used = resource.getrusage(whose)
    return 1000 * (used.ru_utime + used.ru_stime)


def _verb(command: Sequence[str]) -> str:
    words = iter(command[1:])
    for word in words:
        if word != "-c":
            return word
        next(words)
    return "git"


if __name__ == "__main__":
    clocked = Clocked()
    assert careful_git.run_process is run_process, "git is started elsewhere now"
    careful_git.run_process = clocked  # a measurement's own process
    code = main(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps(clocked.ran))
    sys.exit(code)
