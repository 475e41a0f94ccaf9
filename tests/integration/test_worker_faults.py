"""A worker on a machine in trouble: a full disk, a stuck writer, a database that cannot be read."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_swarm import LiveSwarm, live_swarm, wait_until

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.store.engine.connection import Connection

pytestmark = pytest.mark.integration


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    with live_swarm(tmp_path) as swarm:
        yield swarm


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A separate disk of a few MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True)
    if made.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing_and_costs_no_attempt(small_disk: Path) -> None:
    with live_swarm(small_disk) as swarm:
        go = small_disk.with_name("go")
        swarm.add(
            swarm.scripted("a", max_retries=0, script={"builder": [{"wait_for": str(go)}]}),
            *(swarm.scripted(f"b{n}", max_retries=0) for n in range(3)),
        )
        swarm.worker("worker-1", "--no-validation", SWARM_MIN_FREE_MB="0")
        swarm.wait_for_agent("a")
        filler = swarm.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        go.touch()
        wait_until(lambda: "full" in swarm.logs(), swarm.logs)
        filler.unlink()
        for task in ("a", "b0", "b1", "b2"):
            swarm.wait_for(task, Status.COMPLETED)
        assert {swarm.db.tasks.get(t)["failures"] for t in ("a", "b0", "b1", "b2")} == {0}
        assert {swarm.db.tasks.get(t)["crashes"] for t in ("a", "b0", "b1", "b2")} == {0}
        assert swarm.db.connection.value("PRAGMA integrity_check") == "ok"


def test_a_writer_that_holds_the_lock_for_long_costs_the_running_task_nothing(swarm: LiveSwarm) -> None:
    go = swarm.folder / "go"
    swarm.add(swarm.scripted("a", max_retries=0, script={"builder": [{"wait_for": str(go)}]}))
    swarm.worker("worker-1", "--no-validation", SWARM_HEARTBEAT_S="0.2")
    swarm.wait_for_agent("a")
    other = Connection(swarm.path)
    try:
        with other.transaction():
            go.touch()
            wait_until(lambda: "settle_waited" in swarm.logs(), swarm.logs)
    finally:
        other.close()
    task = swarm.wait_for("a", Status.COMPLETED)
    assert (task["attempt_count"], task["failures"], task["crashes"]) == (1, 0, 0)


def test_output_of_a_gigabyte_stays_within_its_bound_and_memory(swarm: LiveSwarm) -> None:
    swarm.add(TaskSpec(id="a", name="a", run="head -c 300000000 /dev/zero", agent_cli="command"))
    swarm.worker("worker-1", SWARM_OUTPUT_LIMIT_MB="1")
    swarm.wait_for("a", Status.COMPLETED, s=60)
    session = swarm.db.tasks.sessions(swarm.attempts("a")[0]["id"])[0]
    assert session["output_bytes"] == 300_000_000
    stored = swarm.db.connection.value("SELECT sum(length(data)) FROM output")
    assert stored <= 1.3 * 1024 * 1024
    peak_kib = next(
        int(line.split()[1])
        for line in Path(f"/proc/{swarm.db.workers.alive()[0].process.pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    assert peak_kib < 80 * 1024


def test_an_agent_that_closes_its_streams_is_still_waited_for(swarm: LiveSwarm) -> None:
    done = swarm.folder / "done"
    command = f"exec >&- 2>&- <&-; sleep 0.5; : > {done}"
    swarm.add(TaskSpec(id="a", name="a", run=command, agent_cli="command"))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert done.exists()


def test_binary_output_is_kept_byte_for_byte(swarm: LiveSwarm) -> None:
    swarm.add(TaskSpec(id="a", name="a", run=r"printf '\000\377\200\033[31mred'", agent_cli="command"))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    session = swarm.db.tasks.sessions(swarm.attempts("a")[0]["id"])[0]
    assert b"".join(c.data for c in swarm.db.output.read(session["id"])) == b"\x00\xff\x80\x1b[31mred"
