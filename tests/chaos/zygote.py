"""Starts the suite's programs by forking a process that has already imported them: a start costs a tenth.

Run by `chaos.spawner`, which writes one job as JSON into a line of standard input and reads `started PID` and
`gone PID CODE` from standard output. Each child runs the program's own `main` on a fresh database connection.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import yaml

import amplifier_swarm.__main__
import amplifier_swarm.commands.tasks.import_tasks
import swarm_reaper.__main__
import swarm_worker.__main__
import swarm_worker.session.agent_sessions
import swarm_worker.stages
import swarm_worker.workplaces.refiller
from chaos import points
from swarm_shared.store.importing import imports

MAINS = {
    points.WORKER: swarm_worker.__main__.main,
    points.REAPER: swarm_reaper.__main__.main,
    points.IMPORT: amplifier_swarm.__main__.main,
}
_USED_LATER = (yaml, amplifier_swarm.commands.tasks.import_tasks)
# As the crash limit: a validator that is killed a third time holds its task, which is right and ends the trial.
swarm_worker.session.agent_sessions.REPEATS = 1_000
# An idle worker makes spares at once, to be killed meanwhile: none is idle for long here.
swarm_worker.workplaces.refiller.IDLE_S = 0.0


def main() -> int:
    """Fork the requested programs until standard input ends."""
    for module in ("swarm_shared.taskfile.lint", "amplifier_swarm.plans.task_files"):
        importlib.import_module(module)
    gc.freeze()
    signal.signal(signal.SIGCHLD, lambda number, frame: report_ends())
    for line in sys.stdin:
        job = json.loads(line)
        # So that no end is reported before its start.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            become(job)
        report(f"started {pid}")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    return 0


def report_ends() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        report(f"gone {pid} {os.waitstatus_to_exitcode(status)}")


def report(words: str) -> None:
    os.write(1, words.encode() + b"\n")


def become(job: dict[str, Any]) -> NoReturn:
    """Be the program that the job asks for; never returns.

    Args:
        job: `program`, `argv`, `log`, `deaths`; and how it is to be tampered with: `point` and `nth`,
            `freeze` instead of dying there, `dawdle`, `small_imports`.
    """
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.setpgid(0, 0)  # as supervisord starts them
        redirect(Path(job["log"]))
        tamper(job)
        code = MAINS[job["program"]](job["argv"])
        flush((sys.stdout, sys.stderr))
    except BaseException:
        traceback.print_exc()
        flush((sys.stderr,))
    finally:
        os._exit(code)


def redirect(log: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.close(null)
    os.close(out)


def tamper(job: dict[str, Any]) -> None:
    if job["small_imports"]:
        # An import of a few tasks passes all the steps of one of many thousand.
        imports.AT_ONCE_ROWS, imports.BATCH_MS, imports.ROWS_BETWEEN_CHECKS = 0, 0, 5
    if job["point"] is not None:
        by = signal.SIGSTOP if job["freeze"] else signal.SIGKILL
        points.arm(job["point"], job["nth"], Path(job["deaths"]), by=by)
    if job["dawdle"]:
        points.dawdle()


def flush(streams: Iterable[Any]) -> None:
    for stream in streams:
        stream.flush()


if __name__ == "__main__":
    sys.exit(main())
