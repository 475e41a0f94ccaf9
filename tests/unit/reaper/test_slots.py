"""Slots: what is requested of supervisord for a scale, a restart, a resume, and how its silence is handled."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixed_time import ManualClock

from swarm_reaper.slots import REVIVE_FOR_MS, STEP_EVERY_MS, Slots
from swarm_shared.domain.errors import NotFound, SupervisorError
from swarm_shared.processes.identity import ProcessId
from swarm_shared.supervisor.client import (
    Orphan,
    ProcessInfo,
    Scaled,
    Slot,
    SupervisorClient,
    SupervisorUnreachable,
)


class Supervisord(SupervisorClient):
    """Answers from tables, and records the requests."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.asked: list[str] = []
        self.table: list[Slot] = []
        self.down = False
        self.scaled = Scaled(workers=3, added=("swarm-worker-3",), retiring=())
        self.inherited: tuple[Orphan, ...] = ()

    def _note(self, text: str) -> None:
        self.asked.append(text)
        if self.down:
            raise SupervisorUnreachable("nothing answers")

    def scale(self, workers: int, *, now: bool = False) -> Scaled:
        self._note(f"scale {workers} now={now}")
        return self.scaled

    def slots(self) -> tuple[Slot, ...]:
        self._note("slots")
        return tuple(self.table)

    def start_process(self, name: str) -> None:
        self._note(f"start {name}")

    def stop_process(self, name: str) -> None:
        self._note(f"stop {name}")

    def shutdown(self) -> None:
        self._note("shutdown")

    def processes(self) -> tuple[ProcessInfo, ...]:
        names = ("swarm-worker:swarm-worker-1", "swarm-dashboard", "swarm-reaper")
        return tuple(
            ProcessInfo(
                name=name,
                state="RUNNING",
                pid=77,
                exit_status=0,
                spawn_error="",
                started_at=0,
                stopped_at=0,
                log="",
            )
            for name in names
        )

    def restart_worker(self, slot: str, *, now: bool = False) -> None:
        self._note(f"restart {slot}" + (" now" if now else ""))

    def beat(self, pid: int, *, grace_s: int = 0) -> None:
        self._note("beat")

    def orphans(self) -> tuple[Orphan, ...]:
        self._note("orphans")
        return self.inherited


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def supervisord() -> Supervisord:
    return Supervisord()


def in_slot(number: int, state: str, *, pid: int = 0, retiring: bool = False) -> Slot:
    return Slot(name=f"swarm-worker-{number}", state=state, pid=pid, retiring=retiring)


def test_a_scale_reports_started_remaining_and_retiring_workers(supervisord: Supervisord, clock: ManualClock) -> None:
    slots = Slots(supervisord, clock)
    assert slots.scale({"workers": 3, "now": True}) == "3 workers requested: worker-3 starts"
    assert supervisord.asked == ["scale 3 now=True"]

    supervisord.scaled = Scaled(workers=1, added=(), retiring=("swarm-worker-2", "swarm-worker-3"))
    assert slots.scale({"workers": 1}) == "1 worker requested: worker-2, worker-3 leave after their current tasks"
    supervisord.scaled = Scaled(
        workers=3, added=("swarm-worker-3",), retiring=(), kept=("swarm-worker-2",), returning=("swarm-worker-1",)
    )
    assert slots.scale({"workers": 3}) == (
        "3 workers requested: worker-3 starts; worker-2 stays; worker-1 starts again when it has stopped"
    )
    supervisord.scaled = Scaled(workers=2, added=(), retiring=())
    assert slots.scale({"workers": 2}) == "2 workers requested"


def test_a_restart_of_an_idle_worker_is_over_when_another_process_runs(
    supervisord: Supervisord, clock: ManualClock
) -> None:
    slots = Slots(supervisord, clock)
    supervisord.table = [in_slot(1, "RUNNING", pid=77)]
    assert slots.restart("worker-1") is None
    assert slots.restart("worker-1") is None  # called again too soon: nothing
    assert supervisord.asked == ["slots", "restart swarm-worker-1"]
    for pid in (77, 0):
        clock.pass_s(STEP_EVERY_MS / 1000)
        supervisord.table = [in_slot(1, "RUNNING" if pid else "EXITED", pid=pid)]
        assert slots.restart("worker-1") is None
    clock.pass_s(STEP_EVERY_MS / 1000)
    supervisord.table = [in_slot(1, "STARTING", pid=78)]
    assert slots.restart("worker-1") == "worker-1 was restarted"
    assert supervisord.asked.count("restart swarm-worker-1") == 1


def test_a_restart_of_a_busy_worker_is_left_to_supervisord(supervisord: Supervisord, clock: ManualClock) -> None:
    slots = Slots(supervisord, clock)
    supervisord.table = [in_slot(1, "RUNNING", pid=77)]
    assert slots.restart("worker-1", task="setup") == "worker-1 restarts when it has finished setup"
    assert supervisord.asked[-1] == "restart swarm-worker-1"


def test_a_restart_now_interrupts_the_task_once(supervisord: Supervisord, clock: ManualClock) -> None:
    slots = Slots(supervisord, clock)
    supervisord.table = [in_slot(1, "RUNNING", pid=77)]
    for _ in range(4):
        assert slots.restart("worker-1", now=True, task="setup") is None
        clock.pass_s(STEP_EVERY_MS / 1000)
    assert supervisord.asked.count("restart swarm-worker-1 now") == 2
    supervisord.table = [in_slot(1, "RUNNING", pid=78)]
    assert slots.restart("worker-1", now=True) == "worker-1 was restarted"


def test_only_workers_are_restarted(supervisord: Supervisord, clock: ManualClock) -> None:
    with pytest.raises(NotFound):
        Slots(supervisord, clock).restart("swarm-reaper")


def test_after_a_resume_slots_that_exit_are_started_for_a_while(supervisord: Supervisord, clock: ManualClock) -> None:
    slots = Slots(supervisord, clock)

    supervisord.table = [
        in_slot(1, "EXITED"),
        in_slot(2, "RUNNING"),
        in_slot(3, "STOPPED"),
        in_slot(4, "EXITED", retiring=True),
    ]
    slots.run_once()
    assert supervisord.asked == []
    slots.revive()
    slots.run_once()
    assert supervisord.asked == ["slots", "start swarm-worker:swarm-worker-1"]
    supervisord.asked.clear()
    supervisord.table = [in_slot(2, "EXITED")]
    clock.pass_s(1)
    slots.run_once()
    assert supervisord.asked == ["slots", "start swarm-worker:swarm-worker-2"]
    supervisord.asked.clear()
    clock.pass_s(REVIVE_FOR_MS / 1000)
    slots.run_once()
    assert supervisord.asked == []


def test_a_shutdown_stops_the_reaper_last(supervisord: Supervisord, clock: ManualClock) -> None:
    Slots(supervisord, clock).shut_down()
    assert supervisord.asked == ["stop swarm-worker:swarm-worker-1", "stop swarm-dashboard", "shutdown"]


def test_a_supervisord_that_does_not_answer_is_reported_and_not_asked_again_at_once(
    supervisord: Supervisord, clock: ManualClock
) -> None:
    slots = Slots(supervisord, clock)
    supervisord.down = True
    assert slots.beat() is False
    supervisord.asked.clear()
    assert slots.adopted() == []
    assert slots.adopted() == []
    assert supervisord.asked == ["orphans"]
    with pytest.raises(SupervisorError):
        slots.scale({"workers": 1})
    slots.revive()
    slots.run_once()
    slots.shut_down()


def test_adopted_workers_are_named_with_their_start_time(supervisord: Supervisord, clock: ManualClock) -> None:
    supervisord.inherited = (Orphan(pid=5, start_time=99),)
    assert Slots(supervisord, clock).adopted() == [ProcessId.here(5, 99)]
    assert Slots(None, clock).adopted() == []
    assert Slots(None, clock).beat() is None
