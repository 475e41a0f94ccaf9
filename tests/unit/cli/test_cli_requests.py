"""Requests while a reaper is registered: what the command line does if it does not respond, and if it ends."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest
from cli_harness import CliHarness

from amplifier_swarm.command_line import submit as asking
from swarm_shared.domain.models import TaskSpec
from swarm_shared.processes.identity import ProcessId


def test_a_request_that_the_reaper_does_not_handle_expires_with_advice(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "EXPIRES_AFTER_S", 0.2)
    monkeypatch.setattr(asking, "EXPIRY_GRACE_MS", 0)
    harness.queue(TaskSpec(id="a", name="A"))
    with harness.open() as database:
        database.swarm.register_service("reaper", ProcessId.mine())  # it is alive and does nothing
        ran = harness.run("hold", "a")
        assert ran.code == 7
        assert "amplifier-swarm doctor" in ran.err
        assert database.control.newest(limit=1)[0].status == "expired"
    assert harness.status_of("a") == "not_started"


@pytest.mark.parametrize("words", [("hold", "a"), ("pause",)])
def test_a_request_is_carried_out_directly_once_the_reaper_has_ended(
    harness: CliHarness, words: tuple[str, ...]
) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    reaper = subprocess.Popen(["sleep", "600"])  # it is alive and does nothing
    process = ProcessId.of(reaper.pid)
    assert process is not None
    with harness.open() as database:
        database.swarm.register_service("reaper", process)

        def end_with_a_request_unhandled() -> None:
            while not database.control.pending():
                time.sleep(0.01)
            reaper.kill()
            reaper.wait()

        ending = threading.Thread(target=end_with_a_request_unhandled)
        ending.start()
        ran = harness.run(*words)
        ending.join()
        assert (ran.code, ran.err) == (0, "")
        assert database.control.newest(limit=1)[0].status == "done"
