"""Housekeeping: disk space, the log, unfinished imports, old output; each at its time and no sooner."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace
from queue_harness import QueueHarness

from swarm_reaper.config import ReaperConfig, reaper_config
from swarm_reaper.threads.housekeeping import MEASURE_EVERY_MS, TRY_RUNNERS_EVERY_MS, Housekeeping, Sizes
from swarm_shared.database import TaskDatabase
from swarm_shared.diagnosis import diagnose
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.models import Outcome, Role, Stage, TaskSpec
from swarm_shared.settings.settings import resolve
from swarm_shared.store.importing import imports
from swarm_shared.store.queue.policy import AttemptResult
from swarm_shared.store.swarm.swarm import RUNNER_DOWN

MIB = 1024 * 1024
DAY_S = 86_400


@dataclass
class Disk:
    sizes: Sizes = field(default_factory=lambda: Sizes(database=0, wal=0, free=10_000 * MIB))

    def measure(self, path: Path) -> Sizes:
        return self.sizes


class House(QueueHarness):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.disk = Disk()
        self.pauses = 0

    def config(self, **changes: object) -> ReaperConfig:
        return replace(reaper_config(resolve({"db": self.path}, {})), **changes)  # type: ignore[arg-type]

    def keep(self, **changes: object) -> Housekeeping:
        return Housekeeping(self.db, self.config(**changes), pause=self._pause, sizes=self.disk.measure)

    def _pause(self, seconds: float) -> bool:
        self.pauses += 1
        return False

    def write_output(self, pieces: int) -> None:
        claim = self.take()
        session = self.db.queue.open_session(claim, role=Role.BUILDER, name="", stage=Stage.BUILDING, prompt=None)
        for number in range(pieces):
            self.db.output.append(session, [(1, b"x")], position=number, limit_bytes=MIB)
        self.settle(claim)

    def output_left(self) -> int:
        return int(self.db.connection.value("SELECT count(*) FROM output"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.db.close()


def test_a_nearly_full_disk_stops_claims_until_there_is_room(house: House) -> None:
    house.add("t")
    keeping = house.keep()
    keeping.run_once()
    assert house.db.swarm.flags() == {}
    house.disk.sizes = replace(house.disk.sizes, free=100 * MIB)
    keeping.run_once()
    flag = house.db.swarm.flags()["disk_low"]
    assert "100 MiB free" in flag.reason
    assert house.claim() is None
    house.disk.sizes = replace(house.disk.sizes, free=205 * MIB)  # at the exact limit: not yet
    keeping.run_once()
    assert "disk_low" in house.db.swarm.flags()
    house.disk.sizes = replace(house.disk.sizes, free=5_000 * MIB)
    keeping.run_once()
    assert house.db.swarm.flags() == {}
    assert house.claim() is not None


def test_output_of_completed_tasks_is_trimmed_after_the_configured_days_and_never_by_default(house: House) -> None:
    house.add("t")
    house.write_output(450)
    house.clock.pass_s(3 * DAY_S)
    house.keep().run_once()
    assert house.output_left() == 450
    keeping = house.keep(keep_output_days=4.0)
    keeping.run_once()
    assert house.output_left() == 450
    house.clock.pass_s(2 * DAY_S)
    keeping.run_once()
    assert house.output_left() == 0
    assert house.pauses >= 2  # in chunks


def test_output_of_tasks_that_did_not_complete_is_kept(house: House) -> None:
    house.add("t")
    house.write_output(3)
    house.db.connection.change("UPDATE tasks SET status = 'failed', completed_at = NULL")
    house.clock.pass_s(9 * DAY_S)
    house.keep(keep_output_days=1.0).run_once()
    assert house.output_left() == 3


def test_a_large_log_is_checkpointed(house: House) -> None:
    house.add(*(f"t{number}" for number in range(50)))
    wal = house.path.with_name(house.path.name + "-wal")
    assert wal.stat().st_size > 0
    house.disk.sizes = replace(house.disk.sizes, wal=65 * MIB)
    house.keep().run_once()
    assert wal.stat().st_size == 0


def test_sizes_are_measured_without_opening_the_files(house: House) -> None:
    sizes = Sizes.of(house.path)
    assert sizes.database == house.path.stat().st_size
    assert sizes.free > 0
    assert Sizes.of(house.path.with_name("missing.db")).database == 0


def test_work_that_waits_long_to_land_is_reported_by_the_reaper(house: House) -> None:
    house.add("a")
    house.run(AttemptResult(outcome=Outcome.PASSED, base_sha="b", head_sha="h"))
    house.clock.pass_s(601)
    house.keep().run_once()
    house.keep().run_once()
    assert house.events().count("landing_late") == 1


def test_the_disk_use_of_worktrees_is_stored_once_a_minute(house: House) -> None:
    state_dir = house.config().state_dir
    for kind, name in (("worktrees", "a"), ("worktrees", "b"), ("spares", "s"), ("filling", "f")):
        folder = state_dir / kind / name
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"x" * 8192)
    keep = house.keep()
    keep.run_once()
    used = house.db.swarm.disk_use()
    assert used is not None
    assert used[:2] == (2, 1)
    assert used[2] >= 4 * 8192
    finding = next(found for found in diagnose(house.db, at_rest=True) if found.code == "worktrees")
    assert finding.text.startswith("2 worktrees and 1 spare, ")
    shutil.rmtree(state_dir / "spares")
    keep.run_once()
    assert house.db.swarm.disk_use() == used
    house.clock.pass_s(MEASURE_EVERY_MS / 1000)
    keep.run_once()
    assert (house.db.swarm.disk_use() or ())[:2] == (2, 0)


def test_tasks_start_again_once_the_runner_works(house: House) -> None:
    tries, works = [], []

    def try_runners() -> None:
        tries.append(1)
        if not works:
            raise ConfigError("runner podman: nothing", hint="")

    keeping = house.keep(try_runners=try_runners)
    house.db.swarm.note_runner_down("no image", actor="worker-1")
    keeping.run_once()
    house.clock.pass_s(TRY_RUNNERS_EVERY_MS / 1000 - 1)
    keeping.run_once()
    assert tries == [1]
    assert house.claim() is None
    works.append(1)
    house.clock.pass_s(1)
    keeping.run_once()
    assert RUNNER_DOWN not in house.db.swarm.flags()


def test_no_runner_is_tried_while_it_works(house: House) -> None:
    tries: list[int] = []
    house.keep(try_runners=lambda: tries.append(1)).run_once()
    assert tries == []


# ───── imports ─────


def test_an_import_that_is_running_in_the_reaper_is_left_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "AT_ONCE_ROWS", 10)
    with TaskDatabase(house.path, clock=house.clock) as of_the_thread:
        result = of_the_thread.imports.run(
            [TaskSpec(id=f"t{n}", name="x") for n in range(100)],
            source="a text",
            actor="test",
            progress=lambda done, of: house.keep().run_once(),
        )
    assert (result.imported, house.db.tasks.page()[1]) == (100, 100)
