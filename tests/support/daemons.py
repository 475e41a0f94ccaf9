"""Programs that leave a daemon behind which hides from every mark, and a judge that detects two overlapping agents.

Run as `python daemons.py FOLDER NAME [closed]`: the daemon leaves its parent twice, starts its own session with an
empty environment, and with `closed` closes every file that it inherited. It keeps FOLDER/judge locked while it lives
and writes its pid into FOLDER/NAME, which the program waits for. A process that cannot get the lock writes
FOLDER/overlap.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from pathlib import Path


def main() -> None:
    folder, name, *how = sys.argv[1:]
    if "awake" not in how:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                if "closed" in how:
                    os.closerange(0, 1024)
                    os.open(os.devnull, os.O_RDWR)
                    os.dup(0), os.dup(0)
                words = [sys.executable, "-I", "-S", __file__, folder, name, *how, "awake"]
                os.execve(sys.executable, words, {"PATH": "/usr/bin:/bin"})
            os._exit(0)
        os.wait()
        while not Path(folder, name).exists():
            time.sleep(0.01)
        return
    judge = os.open(f"{folder}/judge", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(judge, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        Path(folder, "overlap").touch()
    draft = Path(folder, f".{name}.{os.getpid()}")
    draft.write_text(str(os.getpid()))
    draft.rename(Path(folder, name))
    time.sleep(600)


if __name__ == "__main__":
    main()
