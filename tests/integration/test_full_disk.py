"""A disk that is full to the last byte, including logs and supervisord, ends nothing."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from start_harness import Harness, harness, task, until

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration
PAGE_BYTES = 4_096
FULL_FOR_S = 8.0  # long enough for every program to try to write its log


@pytest.fixture
def at() -> Iterator[Harness]:
    """A harness whose database, logs and sockets are on a small disk."""
    with harness() as made:
        disk = made.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True)
        if mounted.returncode != 0:
            pytest.skip("mounting a small disk needs root")
        try:
            made.db = disk / "tasks.db"
            TaskDatabase(made.db).close()
            yield made
        finally:
            made.clear_up()
            subprocess.run(["umount", "-l", str(disk)], check=True)


def use_up_pages(logs: Path) -> None:
    """Leave no room in the last page of any log, where further lines would still fit."""
    for log in logs.iterdir():
        with log.open("ab") as file:
            file.write(b"\n" * (-log.stat().st_size % PAGE_BYTES))


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        for size in (65_536, 512, 1):
            try:
                while True:
                    filler.write(b"x" * size)
            except OSError:
                continue


def test_a_run_continues_when_there_is_space_again(at: Harness) -> None:
    at.add(task("a", f"touch {at.marker('begun')}; {until(at.folder, 'go')}"), *(task(f"b{n}") for n in range(5)))
    run = at.start("--workers", "2", "--verbose", SWARM_MIN_FREE_MB="0")
    at.wait_marker("begun")
    at.wait_for("the others", lambda: all(at.status(f"b{n}") is Status.COMPLETED for n in range(5)))
    supervisord = at.pid_of("supervisor.supervisord")
    filler = at.db.with_name("filler")
    use_up_pages(at.db.with_name("tasks.db.swarm") / "var" / "log")
    fill(filler)
    at.marker("go").touch()
    end = time.monotonic() + FULL_FOR_S
    while time.monotonic() < end:
        assert run.poll() is None, at.everything()
        assert at.pids_of("supervisor.supervisord") == [supervisord], at.everything()
        fill(at.db.with_name("more"))  # whatever space a log has freed
        time.sleep(0.2)
    filler.unlink()
    at.db.with_name("more").unlink()
    assert at.wait_end(run) == 0, at.everything()
    assert at.status("a") is Status.COMPLETED
