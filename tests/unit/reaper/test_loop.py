"""The loop: trouble with the database is told and waited out, and time-outs need no commit to be noticed."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from queue_desk import QueueDesk, failed

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
from swarm_shared.program.settings import resolve
from swarm_shared.store.queue.policy import Budgets


class LoopDesk(QueueDesk):
    def __init__(self, folder: Path, *, start: ProcessId | None = None) -> None:
        super().__init__(folder)
        self.clock.boot = SystemClock().boot_id()
        self.deaths = Deaths()
        config = reaper_config(resolve({"db": self.path}, {}))
        self.loop = ReaperLoop(self.db, config, Slots(None, self.clock), self.deaths, start=start)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[LoopDesk]:
    desk = LoopDesk(tmp_path)
    yield desk
    desk.deaths.close()
    desk.db.close()


def test_a_reaper_that_is_ended_before_its_next_round_answers_an_emergency_stop(
    desk: LoopDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Requests, "run_once", lambda _: None)
    row = desk.db.control.request(Verb.EMERGENCY_STOP, "", {}, actor="ann")
    desk.deaths.listen_to_stop_signals()
    os.kill(os.getpid(), signal.SIGTERM)
    desk.loop.run()
    assert desk.db.control.get(row).status == "done"


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_reaper_that_supervisord_ends_first_still_reports_a_killed_run(tmp_path: Path, is_killed: bool) -> None:
    start = subprocess.Popen(["sleep", "600"])
    owner = ProcessId.of(start.pid)
    desk = LoopDesk(tmp_path, start=owner)
    try:
        desk.loop.run_once()
        if is_killed:
            start.kill()
            start.wait()
        desk.deaths.listen_to_stop_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        desk.loop.run()
    finally:
        start.kill()
        start.wait()
        desk.deaths.close()
    assert [each for each in desk.events() if each == RUN_ENDED] == [RUN_ENDED] * is_killed
    desk.db.close()


def test_it_says_what_it_sees(desk: LoopDesk) -> None:
    assert not desk.loop.run_once()
    service = desk.db.swarm.services()["reaper"]
    assert service.process == ProcessId.mine()
    assert {"last_pass_at", "database_bytes", "wal_bytes", "disk_free_bytes", "stuck_writer"} <= set(service.detail)
    desk.clock.pass_s(6)
    desk.loop.run_once()
    assert desk.db.swarm.services()["reaper"].seen_at == desk.clock.wall


def test_scheduled_tasks_become_ready_for_people_to_see_without_any_worker(desk: LoopDesk) -> None:
    desk.budgets = Budgets(max_retries=2, retry_delay_s=60)
    desk.add("t")
    desk.run(failed(FailureClass.QUALITY))
    desk.loop.run_once()
    assert desk.status("t") is Status.SCHEDULED
    desk.clock.pass_s(61)
    desk.loop.run_once()
    assert desk.status("t") is Status.NOT_STARTED


def test_a_database_that_cannot_be_read_is_reported_now_and_then_and_waited_out(
    desk: LoopDesk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk.loop.run_once()

    def broken() -> None:
        raise DatabaseError("the file is damaged")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(desk.db.recovery, "open_attempts", broken)
        for _ in range(3):
            assert not desk.loop.run_once()
        assert caplog.text.count("the file is damaged") == 1
        desk.clock.pass_s(COMPLAIN_EVERY_MS / 1000)
        desk.loop.run_once()
        assert caplog.text.count("the file is damaged") == 2
    desk.add("t")
    assert not desk.loop.run_once()
    assert desk.db.swarm.services()["reaper"].stopped_at is None


def test_a_second_reaper_keeps_off_until_the_first_is_silent_for_long(desk: LoopDesk) -> None:
    first = subprocess.Popen(["/bin/sleep", "1000"])
    try:
        identity = ProcessId.of(first.pid)
        assert identity is not None
        desk.db.swarm.register_service("reaper", identity)
        desk.loop.run_once()
        assert desk.db.swarm.services()["reaper"].process == identity
        desk.clock.pass_s(STALE_AFTER_MS / 1000 + 1)
        desk.loop.run_once()
        assert desk.db.swarm.services()["reaper"].process == ProcessId.mine()
    finally:
        first.kill()
        first.wait()
