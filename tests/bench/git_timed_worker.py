"""A worker that times its own git commands: python git_timed_worker.py REPORT OPTIONS…"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarm_shared.git.plumbing.process import Completed, run_process
from swarm_worker import loop
from swarm_worker.__main__ import main


class Clocked:
    """Stands in for what runs git; by git's verb, how often and how many seconds from start to end."""

    def __init__(self) -> None:
        self.verbs: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])

    def __call__(self, command: Sequence[str], **how: Any) -> Completed:
        began = time.perf_counter()
        try:
            return run_process(command, **how)
        finally:
            verb = self.verbs[_verb(command)]
            verb[0] += 1
            verb[1] += time.perf_counter() - began


def _verb(command: Sequence[str]) -> str:
    words = iter(command[1:])
    for word in words:
        if word != "-c":
            return word
        next(words)
    return "git"


if __name__ == "__main__":
    clocked = Clocked()
    loop.run_process = clocked  # a measurement's own process
    code = main(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps(clocked.verbs))
    sys.exit(code)
