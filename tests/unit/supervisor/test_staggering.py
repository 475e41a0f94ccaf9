"""How many workers supervisord starts before it responds again."""

from __future__ import annotations

import pytest
from supervisor.states import ProcessStates

from swarm_shared.supervisor.plugin.staggering import AT_ONCE, BETWEEN_S, Turns, take_turns


class Process:
    """Like supervisord's: it starts when it is due, unless `starts` is false."""

    def __init__(self, state: int = ProcessStates.STOPPED, *, starts: bool = True) -> None:
        self.state, self.pid, self.looked_at = state, 0, 0
        self._starts = starts

    def get_state(self) -> int:
        return self.state

    def transition(self) -> None:
        self.looked_at += 1
        if self._starts and self.pid == 0:
            self.state, self.pid = ProcessStates.STARTING, 7


class Loop:
    """supervisord's loop over some processes."""

    def __init__(self, *processes: Process) -> None:
        self.processes, self.now = processes, 0.0
        turns = Turns(lambda: self.now)
        for process in processes:
            take_turns(process, turns)

    def run_pass(self, after_s: float = BETWEEN_S) -> int:
        """One pass; returns how many run after it."""
        self.now += after_s
        for process in self.processes:
            process.transition()
        return sum(process.pid != 0 for process in self.processes)


def test_a_few_start_in_each_pass_until_all_run() -> None:
    loop = Loop(*(Process() for _ in range(2 * AT_ONCE + 1)))
    assert [loop.run_pass() for _ in range(4)] == [AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 1, 2 * AT_ONCE + 1]


def test_a_pass_that_follows_immediately_starts_none() -> None:
    """As after each request that supervisord handles."""
    loop = Loop(*(Process() for _ in range(2 * AT_ONCE)))
    loop.run_pass()
    assert loop.run_pass(after_s=BETWEEN_S / 2) == AT_ONCE


def test_a_slow_pass_starts_no_more_than_a_fast_one() -> None:
    """Starting takes longer on a busy machine; the time of a pass must not make up for it."""
    loop = Loop(*(Process() for _ in range(3 * AT_ONCE)))
    for process in loop.processes:
        process.transition()
        loop.now += BETWEEN_S * (0.9 if process.pid else 0)
    assert sum(process.pid != 0 for process in loop.processes) == AT_ONCE


def test_processes_that_do_not_start_leave_their_turn_to_others() -> None:
    idle = [Process(ProcessStates.EXITED, starts=False) for _ in range(3 * AT_ONCE)]
    loop = Loop(*idle, *(Process() for _ in range(AT_ONCE)))
    assert loop.run_pass() == AT_ONCE


@pytest.mark.parametrize("state", [ProcessStates.STARTING, ProcessStates.RUNNING, ProcessStates.STOPPING])
def test_running_processes_never_wait(state: int) -> None:
    running = [Process(state) for _ in range(3 * AT_ONCE)]
    loop = Loop(*(Process() for _ in range(2 * AT_ONCE)), *running)
    loop.run_pass()
    assert all(process.looked_at == 1 for process in running)


def test_a_process_that_already_takes_turns_is_left_alone() -> None:
    process, turns = Process(), Turns(lambda: 0.0)
    for _ in range(3):
        take_turns(process, turns)
    process.transition()
    assert process.looked_at == 1
