"""The agent of the chaos runs: holds its task's lock while it lives, and writes what it saw into the ledger.

Run as `python -I -S agent.py FOLDER SLEEP_MS MANNER`; it imports no more than it must, as it is started thousands of
times. A lock belongs to an open file, and forked processes inherit it: the kernel holds the lock until the last process
of this session's tree has ended, so a process that gets the lock knows that no other works on the task.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time

LEDGER, LOCKS, RUNS = "ledger", "locks", "runs"
LEFT_BEHIND_S = 3600


def main() -> int:
    """Play one session; the exit code is the answer."""
    folder, sleep_ms, manner = sys.argv[1:]
    if manner == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    task = os.environ["AMPLIFIER_SWARM_TASK_ID"]
    lock = os.open(f"{folder}/{LOCKS}/{task}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except BlockingIOError:
        alone = False
    note(folder, "start", task, "alone" if alone else "beside-another")
    if manner in ("leaves", "stubborn"):
        leave_behind(folder, task)
    if manner == "writes":
        write_work(task)
    time.sleep(int(sleep_ms) / 1000)
    code = exit_code(folder, task, manner)
    note(folder, "end", task, str(code))
    return code


def note(folder: str, event: str, task: str, saw: str) -> None:
    """Append one line in one write, so that the lines of many agents never mix."""
    with open("/proc/self/stat", "rb", buffering=0) as file:
        start_time = file.read().rpartition(b")")[2].split()[19].decode()
    environ = os.environ
    words = (
        str(time.clock_gettime_ns(time.CLOCK_BOOTTIME)),
        event,
        task,
        environ["AMPLIFIER_SWARM_ATTEMPT"],
        environ["AMPLIFIER_SWARM_ATTEMPT_NUMBER"],
        environ["AMPLIFIER_SWARM_ROLE"],
        str(os.getpid()),
        start_time,
        saw,
    )
    append(f"{folder}/{LEDGER}", " ".join(words).encode() + b"\n")


def append(path: str, data: bytes) -> int:
    """Write at the end of a file; returns its size afterwards."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, data)
        return os.lseek(file, 0, os.SEEK_CUR)
    finally:
        os.close(file)


def leave_behind(folder: str, task: str) -> None:
    """A process in its own session that would outlive the agent, and holds the lock with it."""
    if os.fork() == 0:
        os.setsid()
        note(folder, "left", task, "-")
        quiet = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(quiet, standard)
        time.sleep(LEFT_BEHIND_S)
        os._exit(0)


def write_work(task: str) -> None:
    """The task's own file in the working directory."""
    with open(f"work-{task}.txt", "w") as file:
        file.write(f"{task}\n")


def exit_code(folder: str, task: str, manner: str) -> int:
    if manner == "fails":
        return 1
    if manner == "fails-once":
        return int(append(f"{folder}/{RUNS}/{task}", b".") == 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
