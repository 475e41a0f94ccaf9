"""Lets an ordinary user run a Python that is below a closed folder, such as the home of root, without opening it.

The program is started again in its own mount namespace, where that folder is an empty, open one with nothing but the
Python in it. Nothing changes outside, and the namespace ends with the program.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

_SCRIPT = """
set -e
aside=$(mktemp -d)
mount --bind "$2" "$aside"
mount -t tmpfs -o mode=755 none "$1"
mkdir -p "$2"
mount --bind "$aside" "$2"
shift 2
exec "$@"
"""
_OTHERS_MAY_PASS = 0o001


def closed_above(path: Path) -> Path | None:
    """The outermost folder above the path that others may not pass through."""
    return next((each for each in reversed(path.parents) if not each.stat().st_mode & _OTHERS_MAY_PASS), None)


def start_again_opened(*more: str) -> None:
    """Does not return if it can help; `more` are further arguments for the next start."""
    python = Path(sys.base_prefix).resolve()
    closed = closed_above(python)
    if closed is None or shutil.which("unshare") is None:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    again = [sys.executable, *sys.argv, *more]
    os.execvp("unshare", ["unshare", "--mount", "sh", "-c", _SCRIPT, "sh", str(closed), str(python), *again])
