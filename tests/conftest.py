"""The same environment for every test, wherever the suite was started and whichever tests came before."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from swarm_shared.agents.launching.environment import inherited
from swarm_shared.agents.presets.catalog import load_presets

# `nohup` ignores the first, a shell the others for background jobs; a process that starts a program passes this on.
_OFTEN_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
# A file system in memory that any Linux has, and the space that a whole run needs there.
_MEMORY, _SPACE_BYTES = Path("/dev/shm"), 4 << 30
# Of a swarm one of whose tasks runs this suite.
_FOREIGN = ("SWARM_", "SUPERVISOR_", "AMPLIFIER_SWARM_")

for number in _OFTEN_IGNORED:
    if signal.getsignal(number) is signal.SIG_IGN:
        # Still ignored, but no longer by started programs: a handler does not survive an exec.
        signal.signal(number, lambda number, frame: None)


def _fits_into_memory() -> bool:
    """Whether a whole run has enough space there, and the programs that tests write there can be started."""
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return False
    has_space = found.f_bavail * found.f_frsize >= _SPACE_BYTES
    return has_space and not found.f_flag & os.ST_NOEXEC and os.access(_MEMORY, os.W_OK | os.X_OK)


if "TMPDIR" not in os.environ and _fits_into_memory():
    # Otherwise each of the thousands of databases and repositories waits for a disk that other tests keep busy.
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)
_HANDED_ON = inherited(os.environ, load_presets())
for name in [name for name in os.environ if name.startswith(_FOREIGN) or (name not in _HANDED_ON and name != "PWD")]:
    del os.environ[name]
# Without it, each of the thousands of programs that the suite starts compiles all of our modules.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.umask(0o022)
# An example that takes longer than 200 ms fails by default: on a busy machine, any of them may.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """Exclude modules and tests, which stay until the end, from later garbage collections."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _files_are_closed() -> Iterator[None]:
    """Databases that tests leave open are in reference cycles; more than 1,024 open files break `select`."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _working_directory_is_kept() -> Iterator[None]:
    before = os.getcwd()
    yield
    assert os.getcwd() == before, "later tests would run in another directory: use monkeypatch.chdir"
