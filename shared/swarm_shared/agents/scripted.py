"""An agent that plays outcomes stated in the task, for tests and for trying the swarm without a model.

`script:` of a task holds, per role, a list of steps by attempt number (the last one repeats), or
`{steps: […], runs: PATH}`: then PATH counts this role's runs and each run takes the next step. A step's keys:

    output: [lines]       printed first
    answer: {…} or text   printed last; without it, the answer that passes
    stderr: text          exit: n (0)          signal: n, by which it ends
    wait_for PATH continues when it exists       touch: PATH, made at the start
    ledger: PATH          JSON lines at start and end are added to it
    spawn: [setsid, envi, doublefork]          long sleepers that it leaves behind
    sleep_s: n            hang: true           ignore_term: true
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any, NoReturn

POLL_S = 0.01
SLEEPER_S = 3600
PASSES: dict[str, Any] = {
    "builder": {"status": "success", "files_created": [], "files_modified": [], "tests_passed": True},
    "validator": {"verdict": "PASS", "confidence": 1.0, "critical_issues": [], "summary": "as scripted"},
}


def main() -> int:
    """Play one session. Returns the step's exit code."""
    sys.stdin.read()
    role = os.environ.get("AMPLIFIER_SWARM_ROLE", "builder")
    number = int(os.environ.get("AMPLIFIER_SWARM_ATTEMPT_NUMBER", "1"))
    script = json.loads(os.environ.get("AMPLIFIER_SWARM_SCRIPT") or "{}")
    return play(_step(script.get(role), number), role)


def play(step: dict[str, Any], role: str) -> int:
    """Do what a step says, in the order of the module's list; returns its exit code."""
    if step.get("ignore_term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _note(step, role, "start")
    for kind in step.get("spawn", ()):
        _spawn(kind)
    if touched := step.get("touch"):
        os.close(os.open(touched, os.O_WRONLY | os.O_CREAT, 0o644))
    for line in step.get("output", ()):
        print(line, flush=True)  # noqa: T201 - standard output is what this program is for
    _wait(step)
    if stderr_text := step.get("stderr"):
        print(stderr_text, file=sys.stderr, flush=True)  # noqa: T201
    if signum := step.get("signal"):
        _note(step, role, "end")
        _die_by(int(signum))
    answer = step.get("answer", PASSES.get(role, {}))
    print(answer if isinstance(answer, str) else json.dumps(answer), flush=True)  # noqa: T201
    _note(step, role, "end")
    return int(step.get("exit", 0))


def _step(stated: Any, number: int) -> dict[str, Any]:
    if isinstance(stated, dict):
        steps = stated.get("steps") or [{}]
        if runs := stated.get("runs"):
            number = _count_run(runs)
    else:
        steps = stated or [{}]
    step = steps[min(number, len(steps)) - 1]
    return dict(step)


def _count_run(path: str) -> int:
    """Adds this run to the file and returns how many it counts now; each run is one byte."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, b".")
        return os.lseek(file, 0, os.SEEK_CUR)
    finally:
        os.close(file)


def _note(step: dict[str, Any], role: str, what: str) -> None:
    if not (path := step.get("ledger")):
        return
    line = {
        "event": what,
        "task": os.environ.get("AMPLIFIER_SWARM_TASK_ID"),
        "attempt": os.environ.get("AMPLIFIER_SWARM_ATTEMPT"),
        "number": int(os.environ.get("AMPLIFIER_SWARM_ATTEMPT_NUMBER", "0")),
        "role": role,
        "pid": os.getpid(),
        "time": time.time(),
    }
    # One write with O_APPEND: lines of many agents never mix.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, json.dumps(line).encode() + b"\n")
    finally:
        os.close(file)


def _wait(step: dict[str, Any]) -> None:
    if awaited := step.get("wait_for"):
        while not os.path.exists(awaited):
            time.sleep(POLL_S)
    if seconds := step.get("sleep_s"):
        time.sleep(seconds)
    while step.get("hang"):
        signal.pause()


def _spawn(kind: str) -> None:
    """Leave a long-running process behind, hidden in one of the ways that agents' children use."""
    sleeper = ["sleep", str(SLEEPER_S)]
    if kind == "envi":
        sleeper = ["env", "-i", "setsid", *sleeper]
    if os.fork():
        return
    if kind != "envi":
        os.setsid()
    if kind == "doublefork" and os.fork():
        os._exit(0)
    quiet = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(quiet, standard)
    try:
        os.execvp(sleeper[0], sleeper)
    finally:
        os._exit(127)


def _die_by(signum: int) -> NoReturn:
    signal.signal(signum, signal.SIG_DFL) if signum not in (signal.SIGKILL, signal.SIGSTOP) else None
    os.kill(os.getpid(), signum)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
