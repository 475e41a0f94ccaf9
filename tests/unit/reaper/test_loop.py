"""The loop: database errors are reported and waited out, and timeouts are noticed without a commit."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from queue_harness import QueueHarness, failed

from swarm_reaper.config import reaper_config
from swarm_reaper.deaths import Deaths
from swarm_reaper.loop import COMPLAIN_EVERY_MS, STALE_AFTER_MS, ReaperLoop
from swarm_reaper.requests import Requests
from swarm_reaper.slots import Slots
from swarm_shared.domain.clock import SystemClock
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.domain.models import FailureClass, Status, Verb
from swarm_shared.notifying.collecting import RUN_ENDED
from swarm_shared.processes.identity import ProcessId
from swarm_shared.settings.settings import resolve
from swarm_shared.store.queue.policy import Budgets


class LoopHarness(QueueHarness):
    def __init__(self, folder: Path, *, start: ProcessId | None = None) -> None:
        super().__init__(folder)
        self.clock.boot = SystemClock().boot_id()
        self.deaths = Deaths()
        config = reaper_config(resolve({"db": self.path}, {}))
        self.loop = ReaperLoop(self.db, config, Slots(None, self.clock), self.deaths, start=start)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[LoopHarness]:
    harness = LoopHarness(tmp_path)
    yield harness
    harness.deaths.close()
    harness.db.close()


def test_a_reaper_that_is_ended_before_its_next_round_handles_an_emergency_stop(
    harness: LoopHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Requests, "run_once", lambda _: None)
    row = harness.db.control.request(Verb.EMERGENCY_STOP, "", {}, actor="ann")
    harness.deaths.listen_to_stop_signals()
    os.kill(os.getpid(), signal.SIGTERM)
    harness.loop.run()
    assert harness.db.control.get(row).status == "done"


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_reaper_that_supervisord_ends_first_still_reports_a_killed_run(tmp_path: Path, is_killed: bool) -> None:
    start = subprocess.Popen(["sleep", "600"])
    owner = ProcessId.of(start.pid)
    harness = LoopHarness(tmp_path, start=owner)
    try:
        harness.loop.run_once()
        if is_killed:
            start.kill()
            start.wait()
        harness.deaths.listen_to_stop_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        harness.loop.run()
    finally:
        start.kill()
        start.wait()
        harness.deaths.close()
    assert [each for each in harness.events() if each == RUN_ENDED] == [RUN_ENDED] * is_killed
    harness.db.close()


def test_a_round_is_logged(harness: LoopHarness) -> None:
    assert not harness.loop.run_once()
    service = harness.db.swarm.services()["reaper"]
    assert service.process == ProcessId.mine()
    assert {"last_pass_at", "database_bytes", "wal_bytes", "disk_free_bytes", "stuck_writer"} <= set(service.detail)
    harness.clock.pass_s(6)
    harness.loop.run_once()
    assert harness.db.swarm.services()["reaper"].seen_at == harness.clock.wall


def test_scheduled_tasks_become_visibly_ready_without_any_worker(harness: LoopHarness) -> None:
    harness.budgets = Budgets(max_retries=2, retry_delay_s=60)
    harness.add("t")
    harness.run(failed(FailureClass.QUALITY))
    harness.loop.run_once()
    assert harness.status("t") is Status.SCHEDULED
    harness.clock.pass_s(61)
    harness.loop.run_once()
    assert harness.status("t") is Status.NOT_STARTED


def test_a_database_that_cannot_be_read_is_reported_now_and_then_and_waited_out(
    harness: LoopHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    harness.loop.run_once()

    def broken() -> None:
        raise DatabaseError("the file is damaged")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(harness.db.recovery, "open_attempts", broken)
        for _ in range(3):
            assert not harness.loop.run_once()
        assert caplog.text.count("the file is damaged") == 1
        harness.clock.pass_s(COMPLAIN_EVERY_MS / 1000)
        harness.loop.run_once()
        assert caplog.text.count("the file is damaged") == 2
    harness.add("t")
    assert not harness.loop.run_once()
    assert harness.db.swarm.services()["reaper"].stopped_at is None


def test_a_second_reaper_waits_until_the_first_is_silent_for_long(harness: LoopHarness) -> None:
    first = subprocess.Popen(["/bin/sleep", "1000"])
    try:
        identity = ProcessId.of(first.pid)
        assert identity is not None
        harness.db.swarm.register_service("reaper", identity)
        harness.loop.run_once()
        assert harness.db.swarm.services()["reaper"].process == identity
        harness.clock.pass_s(STALE_AFTER_MS / 1000 + 1)
        harness.loop.run_once()
        assert harness.db.swarm.services()["reaper"].process == ProcessId.mine()
    finally:
        first.kill()
        first.wait()
