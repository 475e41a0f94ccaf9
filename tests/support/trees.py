"""Process trees that are hard to kill, and ways to count what is left of them without asking the product.

Every process of a tree has a number in its command line that no other tree has; it also is the number of
seconds that its sleepers would sleep.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

DEADLINE_S = 20.0
_POLL_S = 0.01


def fresh_token() -> str:
    """A number for one tree: practically unique, and a sleeping time of more than a day."""
    return str(10**5 + random.SystemRandom().randrange(10**9))


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return when the condition holds; fail with the text and the last value of the condition if it never does."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {deadline_s} s: {what} (last: {value!r})"
        time.sleep(_POLL_S)


def alive(token: str) -> list[int]:
    """The pids of living processes with the token in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        # An ended process shows no command line. The test's own helper may have several tokens.
        if token.encode() in arguments and b"tree_worker.py" not in b"".join(arguments):
            found.append(int(folder.name))
    return found


def wait_gone(token: str) -> None:
    """Wait until nothing of the tree is left."""
    wait_until(lambda: not alive(token), f"tree {token} is gone; {len(alive(token))} left")


def kill_rest(token: str) -> None:
    """Kill what is left of a tree, once; the end of a test, where nothing may be asserted any more."""
    for pid in alive(token):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it was about to end


def _python(script: str, token: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", script, token]


def _shell(script: str, token: str) -> list[str]:
    return ["/bin/sh", "-c", script, "sh", token]


def plain(token: str) -> list[str]:
    """A shell and two background children. 3 processes."""
    return _shell('sleep "$1" & sleep "$1" & wait', token)


def scattered(token: str) -> list[str]:
    """Sleepers in separate sessions, without environment, and orphaned at once. 4 processes."""
    return _shell(
        '(setsid sleep "$1" &); (env -i setsid sleep "$1" &); env -i sleep "$1" & wait',
        token,
    )


def left_behind(token: str) -> list[str]:
    """Ends at once with 7 and leaves two orphans, one of which holds standard output open. 2 processes."""
    return _shell('setsid sleep "$1" & env -i setsid sleep "$1" >/dev/null & exit 7', token)


def deaf(token: str) -> list[str]:
    """Everything ignores every signal that can be ignored. 3 processes."""
    return _shell('trap "" TERM INT HUP QUIT USR1; sleep "$1" & setsid sleep "$1" & wait; wait', token)


def stopped(token: str) -> list[str]:
    """Stopped by SIGSTOP, child and parent. 2 processes."""
    return _shell('sleep "$1" & kill -STOP $!; kill -STOP $$; wait', token)


def reborn(token: str) -> list[str]:
    """On TERM it forks a copy that ignores signals into its own session and exits. 1 process."""
    return _python(
        """
import os, signal, sys, time
def again(number, frame):
    if os.fork():
        os._exit(0)
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGTERM, again)
while True:
    time.sleep(int(sys.argv[1]))
""",
        token,
    )


def headless(token: str) -> list[str]:
    """The main thread has ended, so that it looks like a zombie, but a second thread continues. 1 process."""
    number = {"x86_64": 60, "aarch64": 93}.get(os.uname().machine, 1)
    return _python(
        f"""
import ctypes, sys, threading, time
threading.Thread(target=time.sleep, args=(int(sys.argv[1]),)).start()
ctypes.CDLL(None).syscall({number}, 0)
""",
        token,
    )


def chain(token: str, *, sessions: bool = False, seconds: float = 60) -> list[str]:
    """Forks and exits, over and over: no pid lives for more than a moment. 1 process, sometimes 2."""
    return _python(
        f"""
import os, time
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    {"os.setsid()" if sessions else "pass"}
""",
        token,
    )
