"""The client against a real supervisord: every call that the suite makes; none waits for a process."""

from __future__ import annotations

import os
import signal

import pytest
from supervision import swarm

from swarm_shared.supervisor.client import (
    SupervisorAbsent,
    SupervisorClient,
    SupervisorRefused,
    SupervisorState,
)

pytestmark = pytest.mark.integration

ONE = {"SWARM_WORKERS": "1"}


def test_stopping_and_starting_twice_is_no_error_and_an_unknown_name_is_one() -> None:
    with swarm(environ=ONE) as running:
        running.wait_ready("worker-1")
        running.client.stop_process("swarm-dashboard")
        running.client.stop_process("swarm-dashboard")
        running.wait_for("its end", lambda: not running.client.process("swarm-dashboard").is_up)
        running.client.signal("swarm-dashboard", signal.SIGTERM)
        running.client.start_process("swarm-dashboard")
        running.client.start_process("swarm-dashboard")
        assert running.client.process("swarm-dashboard").is_up
        with pytest.raises(SupervisorRefused, match="swarm-unknown") as refusal:
            running.client.start_process("swarm-unknown")
        assert refusal.value.hint


def test_stop_all_reaches_every_program_before_any_has_ended() -> None:
    with swarm(environ=ONE) as running:
        running.wait_ready("worker-1")
        names = ("worker-1", "swarm-reaper", "swarm-dashboard")
        running.wait_for("programs", lambda: all(running.noted("ready", name) for name in names))
        for name in names:
            running.note("hold", name)
        running.client.stop_all()
        running.wait_for("SIGTERM to all", lambda: all(running.noted("stopping", name) for name in names))
        assert len(running.pids()) == len(names)


def test_a_shutdown_is_seen_as_stopping_and_then_as_absent() -> None:
    with swarm(environ=ONE) as running:
        client = running.client
        running.wait_ready("worker-1")
        assert client.state() is SupervisorState.RUNNING
        assert client.pid() == running.process.pid
        running.note("hold", "worker-1")
        client.shutdown()
        client.shutdown()
        running.wait_for("SIGTERM", lambda: running.noted("stopping", "worker-1"))
        assert client.state() is SupervisorState.STOPPING
        assert [slot.name for slot in client.slots()] == ["swarm-worker-1"]
        assert client.orphans() == ()
        with pytest.raises(SupervisorRefused, match="SHUTDOWN_STATE"):
            client.scale(2)
        with pytest.raises(SupervisorRefused, match="SHUTDOWN_STATE"):
            client.pid()

        os.kill(client.slots()[0].pid, signal.SIGKILL)
        assert running.wait_end() == 0
        with pytest.raises(SupervisorAbsent) as error:
            client.state()
        assert error.value.exit_code == 7
        assert error.value.hint


def test_a_service_reaches_the_supervisord_that_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with swarm(environ=ONE) as running:
        pid = running.wait_ready("worker-1")["worker-1"]
        with open(f"/proc/{pid}/environ", encoding="utf-8") as file:
            environ = dict(pair.split("=", 1) for pair in file.read().split("\0") if pair)
        monkeypatch.setenv("SUPERVISOR_SERVER_URL", environ["SUPERVISOR_SERVER_URL"])
        assert SupervisorClient.from_environment().pid() == running.process.pid
