"""Which program ends a run if it fails to start, and which is only reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from amplifier_swarm.start.checks.problems import ServiceFailed
from amplifier_swarm.start.failed_services import FailedServices
from swarm_shared.supervisor.client import ProcessInfo


def process(name: str, state: str, *, stopped_at: int = 0, log: str = "") -> ProcessInfo:
    full = f"swarm-worker:{name}" if name.startswith("swarm-worker") else name
    return ProcessInfo(
        name=full,
        state=state,
        pid=0 if state in ("BACKOFF", "FATAL") else 10,
        exit_status=0,
        spawn_error="Exited too quickly",
        started_at=0,
        stopped_at=stopped_at,
        log=log,
    )


REAPER = process("swarm-reaper", "RUNNING")
ONE = process("swarm-worker-1", "RUNNING")


def test_three_failed_starts_in_a_row_end_the_run_and_print_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("one\nlast words\n")
    failed = FailedServices()
    for second in (1, 1, 2):
        assert not failed.judge([REAPER, process("swarm-worker-1", "BACKOFF", stopped_at=second)], ())
    with pytest.raises(ServiceFailed, match="swarm-worker-1 does not start: last words") as raised:
        failed.judge([REAPER, process("swarm-worker-1", "BACKOFF", stopped_at=3, log=str(log))], ())
    assert raised.value.tail == ("one", "last words")
    assert raised.value.exit_code == 7


def test_a_program_that_registered_can_start_so_its_early_exits_are_left_to_supervisord() -> None:
    failed = FailedServices()
    for second in range(1, 9):
        failed.judge([process("swarm-worker-1", "BACKOFF", stopped_at=second)], {"swarm-worker-1"})
    with pytest.raises(ServiceFailed):
        failed.judge([process("swarm-worker-1", "FATAL")], {"swarm-worker-1"})


def test_one_worker_of_several_that_does_not_start_is_reported_once() -> None:
    failed = FailedServices()
    table = [REAPER, ONE, process("swarm-worker-2", "FATAL")]
    assert [str(failure) for failure in failed.judge(table, ())] == [
        "swarm-worker-2 does not start: Exited too quickly"
    ]
    assert failed.judge(table, ()) == []


def test_a_dashboard_that_never_started_ends_the_run_and_one_that_did_is_only_reported() -> None:
    broken = process("swarm-dashboard", "FATAL")
    with pytest.raises(ServiceFailed):
        FailedServices().judge([REAPER, ONE, broken], ())
    failed = FailedServices()
    failed.judge([REAPER, ONE, process("swarm-dashboard", "RUNNING")], ())
    assert len(failed.judge([REAPER, ONE, broken], ())) == 1


def test_a_run_needs_a_reaper() -> None:
    failed = FailedServices()
    failed.judge([REAPER, ONE], ())
    with pytest.raises(ServiceFailed, match="swarm-reaper"):
        failed.judge([process("swarm-reaper", "FATAL"), ONE], ())
