"""Runs one command in a runner to its end, to find out whether the runner works."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.runners import Run
from swarm_shared.runners.asking import Answer
from swarm_shared.runners.runner import Command, Runner


class Tried(Struct, frozen=True, kw_only=True):
    """How the command ended.

    Args:
        code: Its exit code; None: it did not end in time.
        printed, complained: Its standard output and standard error.
        ended: What came of ending its run; None: nothing of it is outside our process tree.
    """

    code: int | None
    printed: str = ""
    complained: str = ""
    ended: Answer | None


def try_command(
    runner: Runner, argv: tuple[str, ...], place: Path, *, timeout_s: float, end: Callable[[Run], Answer]
) -> Tried:
    """Run it in a folder, with the variables of this process that the runner passes on.

    Raises:
        OSError: It cannot be started.
    """
    start = runner.start(Command(argv=argv, cwd=place), runner.environment(os.environ))
    done, ended = None, None
    try:
        done = subprocess.run(
            start.argv,
            env=dict(start.env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pass
    finally:
        if start.run is not None:
            ended = end(start.run)
    if done is None:
        return Tried(code=None, ended=ended)
    printed, complained = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    return Tried(code=done.returncode, printed=printed, complained=complained, ended=ended)
