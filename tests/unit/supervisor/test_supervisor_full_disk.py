"""supervisord's logs on a disk without room: lines are lost, nothing is raised, and later lines are written again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import resource, signal, sys
from supervisor import loggers
from swarm_shared.supervisor.plugin.full_disk import survive_full_disk

survive_full_disk()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = sys.argv[1]
logger = loggers.getLogger(20)
loggers.handle_file(logger, path, "%(message)s\\n", rotating=True, maxbytes=300, backups=1)

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def log(text):
    for number in range(50):
        logger.info(f"{text} {number}")

log("before")
limit(0)
log("lost" * 1000)
for handler in logger.handlers:
    handler.reopen()
log("lost" * 1000)
limit(resource.RLIM_INFINITY)
log("after")
logger.close()
"""


def test_lines_that_cannot_be_written_are_lost_and_later_ones_are_not(tmp_path: Path) -> None:
    log = tmp_path / "supervisord.log"
    with open("/dev/full", "wb") as nowhere:
        done = subprocess.run([sys.executable, "-c", SCRIPT, str(log)], stderr=nowhere, timeout=60)
    assert done.returncode == 0
    assert "after 49" in log.read_text() + log.with_name("supervisord.log.1").read_text()


def test_the_unpatched_handlers_raise_there() -> None:
    """Otherwise the patch is no longer needed."""
    script = SCRIPT.replace("survive_full_disk()\nsignal", "signal")
    with open("/dev/full", "wb") as nowhere:
        done = subprocess.run([sys.executable, "-c", script, "/dev/full"], stderr=nowhere, timeout=60)
    assert done.returncode != 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_log_that_is_always_full_ends_nothing() -> None:
    with open("/dev/full", "wb") as nowhere:
        done = subprocess.run([sys.executable, "-c", SCRIPT, "/dev/full"], stderr=nowhere, timeout=60)
    assert done.returncode == 0
