"""Slots: what is asked of supervisord for a scale, a restart, a resume, and how its silence is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixed_time import ManualClock

from swarm_reaper.slots import REVIVE_FOR_MS, STEP_EVERY_MS, Slots
from swarm_shared.errors import NotFound, SupervisorError
from swarm_shared.processes import ProcessId
from swarm_shared.supervisor_client import (
    Orphan,
    ProcessInfo,
    Scaled,
    Slot,
    SupervisorClient,
    SupervisorUnreachable,
)


class Supervisord(SupervisorClient):
    """Answers from tables, and writes down what it was asked."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.asked: list[str] = []
        self.table: list[Slot] = []
        self.down = False
        self.restart_steps = 2
        self.inherited: tuple[Orphan, ...] = ()

    def _note(self, text: str) -> None:
        self.asked.append(text)
        if self.down:
            raise SupervisorUnreachable("nothing answers")

    def scale(self, workers: int, *, now: bool = False) -> Scaled:
        self._note(f"scale {workers} now={now}")
        return Scaled(workers=workers, added=("swarm-worker-3",), retiring=())

    def slots(self) -> tuple[Slot, ...]:
        self._note("slots")
        return tuple(self.table)

    def start_process(self, name: str) -> None:
        self._note(f"start {name}")

    def stop_process(self, name: str) -> None:
        self._note(f"stop {name}")

    def shutdown(self) -> None:
        self._note("shutdown")

    def process(self, name: str) -> ProcessInfo:
        return next(each for each in self.processes() if each.name == name)

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

    def restart_process(self, name: str, *, old_pid: int) -> bool:
        self._note(f"restart {name} {old_pid}")
        self.restart_steps -= 1
        return self.restart_steps < 0

    def orphans(self) -> tuple[Orphan, ...]:
        self._note("orphans")
        return self.inherited


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def supervisord() -> Supervisord:
    return Supervisord()


def test_a_scale_tells_what_was_started(supervisord: Supervisord, clock: ManualClock) -> None:
    said = Slots(supervisord, clock).scale({"workers": 3, "now": True})
    assert said == "3 workers; started worker-3"
    assert supervisord.asked == ["scale 3 now=True"]


def test_a_restart_is_done_in_steps_with_the_pid_to_get_rid_of(supervisord: Supervisord, clock: ManualClock) -> None:
    slots = Slots(supervisord, clock)
    done = []
    for _ in range(4):
        done.append(slots.restart("worker-1"))
        assert not slots.restart("worker-1") or done[-1]  # asked again too soon: nothing
        clock.pass_s(STEP_EVERY_MS / 1000)
    assert done[:3] == [False, False, True]
    assert set(supervisord.asked[:3]) == {"restart swarm-worker:swarm-worker-1 77"}


def test_only_workers_are_restarted(supervisord: Supervisord, clock: ManualClock) -> None:
    with pytest.raises(NotFound):
        Slots(supervisord, clock).restart("swarm-reaper")


def test_after_a_resume_slots_that_exit_are_started_for_a_while(supervisord: Supervisord, clock: ManualClock) -> None:
    slots = Slots(supervisord, clock)

    def slot(number: int, state: str, *, retiring: bool = False) -> Slot:
        return Slot(name=f"swarm-worker-{number}", state=state, pid=0, retiring=retiring)

    supervisord.table = [slot(1, "EXITED"), slot(2, "RUNNING"), slot(3, "STOPPED"), slot(4, "EXITED", retiring=True)]
    slots.run_once()
    assert supervisord.asked == []
    slots.revive()
    slots.run_once()
    assert supervisord.asked == ["slots", "start swarm-worker:swarm-worker-1"]
    supervisord.asked.clear()
    supervisord.table = [slot(2, "EXITED")]
    clock.pass_s(1)
    slots.run_once()
    assert supervisord.asked == ["slots", "start swarm-worker:swarm-worker-2"]
    supervisord.asked.clear()
    clock.pass_s(REVIVE_FOR_MS / 1000)
    slots.run_once()
    assert supervisord.asked == []


def test_a_shutdown_leaves_the_reaper_for_the_end(supervisord: Supervisord, clock: ManualClock) -> None:
    Slots(supervisord, clock).shut_down()
    assert supervisord.asked == ["stop swarm-worker:swarm-worker-1", "stop swarm-dashboard", "shutdown"]


def test_one_that_does_not_answer_is_told_and_not_asked_again_at_once(
    supervisord: Supervisord, clock: ManualClock
) -> None:
    slots = Slots(supervisord, clock)
    supervisord.down = True
    assert slots.is_reachable() is False
    supervisord.asked.clear()
    assert slots.adopted() == []
    assert slots.adopted() == []
    assert supervisord.asked == ["orphans"]
    with pytest.raises(SupervisorError):
        slots.scale({"workers": 1})
    slots.revive()
    slots.run_once()
    slots.shut_down()


def test_the_adopted_are_named_with_their_start_time(supervisord: Supervisord, clock: ManualClock) -> None:
    supervisord.inherited = (Orphan(pid=5, start_time=99),)
    assert Slots(supervisord, clock).adopted() == [ProcessId.here(5, 99)]
    assert Slots(None, clock).adopted() == []
    assert Slots(None, clock).is_reachable() is None
