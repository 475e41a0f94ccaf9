"""Runs part of a test as a user to whom permissions apply; they do not apply to root."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

NOBODY = 65534


def as_ordinary_user(work: Callable[[Path], None], uid: int = NOBODY) -> None:
    """Call `work` with an empty folder in a child that has given up root; errors that it raises fail the test here.

    What `work` imports has to be loaded already: the child may not be allowed to read the interpreter's files.
    """
    # Not below /dev/shm, which is always a private one for a confined command.
    folder = Path(tempfile.mkdtemp(prefix="ordinary-user-", dir="/tmp"))
    report = folder / "failure.txt"
    try:
        if os.geteuid() == 0:
            os.chown(folder, uid, uid)
        child = os.fork()
        if child == 0:
            os._exit(_in_child(work, folder, report, uid))
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, report.read_text() if report.exists() else f"status {status}"
    finally:
        shutil.rmtree(folder, ignore_errors=os.geteuid() != 0)


def _in_child(work: Callable[[Path], None], folder: Path, report: Path, uid: int) -> int:
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        os.chdir(folder)
        os.environ["HOME"] = str(folder)
        work(folder / "work")
    except BaseException:
        report.write_text(traceback.format_exc())
        return 1
    finally:
        sys.stdout.flush()
    return 0
