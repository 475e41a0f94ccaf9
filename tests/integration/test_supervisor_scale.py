"""`scale` against a real supervisord: surplus workers retire, the others are not touched, its files agree."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from supervision import DEADLINE_S, QUICK_START, Swarm, swarm

from swarm_shared.settings.settings import MAX_WORKERS
from swarm_shared.supervisor.client import SupervisorClient, SupervisorRefused, process_name
from swarm_shared.supervisor.faults import STILL_RUNNING

pytestmark = pytest.mark.integration

THREE = ("worker-1", "worker-2", "worker-3")
USUAL_OPEN_FILES = 1024  # the soft limit if it was not changed, which supervisord requests
FIVE = (*THREE, "worker-4", "worker-5")


def assert_nothing_to_update(swarm_: Swarm) -> None:
    """What a user sees when supervisord re-reads its files: no changes, and no restarts."""
    before = swarm_.pids()
    assert "No config updates" in swarm_.ctl("reread").stdout
    assert swarm_.ctl("update").stdout == ""
    assert swarm_.pids() == before


@contextmanager
def scaling(running: Swarm, workers: int) -> Iterator[subprocess.Popen[str]]:
    """The command at its work, ended with the test if it does not end by itself."""
    command = running.ctl_command("scale", str(workers))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_scaling_up_and_down_does_not_affect_the_other_workers() -> None:
    with swarm() as running:
        running.wait_ready(*THREE)
        first = running.pids()
        assert len(first) == 5

        grown = running.ctl("scale", "5")
        assert (grown.returncode, grown.stdout.splitlines()[-1]) == (0, "workers: 5")
        running.wait_ready(*FIVE)
        assert_nothing_to_update(running)

        running.note("finish", "worker-4", "0")
        running.note("finish", "worker-5", "0")
        shrunk = running.ctl("scale", "3")
        assert shrunk.returncode == 0
        assert "waiting until swarm-worker-4, swarm-worker-5 finished" in shrunk.stdout.splitlines()[0]
        assert "swarm-worker:swarm-worker-4: retired" in shrunk.stdout
        assert running.pids() == first
        assert_nothing_to_update(running)


def test_a_surplus_worker_finishes_its_task_and_stays_when_it_is_needed_again() -> None:
    with swarm(conf=QUICK_START) as running:
        pids = running.wait_ready(*THREE)

        assert running.client.scale(1).retiring == ("swarm-worker-2", "swarm-worker-3")
        for worker in ("worker-2", "worker-3"):
            running.wait_for("the request to retire", lambda name=worker: running.noted("retiring", name))
        assert running.worker_pids() == pids
        assert [slot.name for slot in running.client.slots() if slot.retiring] == ["swarm-worker-2", "swarm-worker-3"]
        assert_nothing_to_update(running)

        again = running.ctl("scale", "2", "--nowait")
        assert again.returncode == 0
        assert "swarm-worker:swarm-worker-2: stays" in again.stdout
        running.wait_for("worker-2 stays", lambda: not running.noted("retiring", "worker-2"))
        assert running.noted("retiring", "worker-3")
        assert_nothing_to_update(running)

        running.note("finish", "worker-3", "0")
        running.wait_for("worker-3 has left", lambda: "worker-3" not in running.worker_pids())
        grown = running.client.scale(4)
        assert (grown.added, grown.kept) == (("swarm-worker-3", "swarm-worker-4"), ())
        for file in ("finish-worker-3", "retiring-worker-3"):
            (running.home / file).unlink()
        after = running.wait_ready(*THREE, "worker-4")
        assert (after["worker-1"], after["worker-2"]) == (pids["worker-1"], pids["worker-2"])
        assert_nothing_to_update(running)


def test_a_worker_that_exits_although_it_was_needed_again_is_replaced() -> None:
    with swarm(conf=QUICK_START) as running:
        pids = running.wait_ready(*THREE)
        running.client.scale(2)
        running.wait_for("the request to retire", lambda: running.noted("retiring", "worker-3"))
        os.kill(pids["worker-3"], signal.SIGSTOP)  # it has decided to exit and receives nothing more
        assert running.client.scale(3).kept == ("swarm-worker-3",)
        os.kill(pids["worker-3"], signal.SIGKILL)
        running.wait_for("a successor", lambda: running.wait_ready(*THREE)["worker-3"] != pids["worker-3"])
        assert_nothing_to_update(running)


def test_a_kept_worker_is_an_ordinary_worker_afterwards() -> None:
    with swarm(conf=QUICK_START) as running:
        pids = running.wait_ready(*THREE)
        running.client.scale(2)
        running.wait_for("the request to retire", lambda: running.noted("retiring", "worker-3"))
        running.client.scale(3)
        running.wait_for("worker-3 stays", lambda: not running.noted("retiring", "worker-3"))

        def restarted_by_hand() -> bool:
            return running.ctl("restart", process_name("worker-3")).returncode == 0

        running.wait_for("a restart by supervisorctl", restarted_by_hand)
        assert running.wait_ready(*THREE)["worker-3"] != pids["worker-3"]


def test_a_worker_that_is_being_stopped_starts_again_when_it_is_needed_again() -> None:
    with swarm(conf=QUICK_START) as running:
        pids = running.wait_ready(*THREE)
        running.note("hold", "worker-3")
        running.client.scale(2, now=True)
        running.wait_for("SIGTERM", lambda: running.noted("stopping", "worker-3"))
        assert running.client.scale(3).returning == ("swarm-worker-3",)
        assert running.worker_pids()["worker-3"] == pids["worker-3"]
        (running.home / "hold-worker-3").unlink()
        running.client.signal(process_name("worker-3"), signal.SIGTERM)
        running.wait_for("its successor", lambda: running.worker_pids().get("worker-3") not in (None, pids["worker-3"]))
        running.wait_ready(*THREE)
        assert_nothing_to_update(running)


def test_a_restarted_worker_finishes_its_task_first_and_others_are_not_affected() -> None:
    with swarm(conf=QUICK_START) as running:
        pids = running.wait_ready(*THREE)
        running.client.restart_worker("swarm-worker-2")
        running.wait_for("the request to leave", lambda: running.noted("retiring", "worker-2"))
        assert running.worker_pids() == pids
        assert_nothing_to_update(running)
        running.note("finish", "worker-2", "0")
        running.wait_for("its end", lambda: running.worker_pids().get("worker-2") != pids["worker-2"])
        for file in ("finish-worker-2", "retiring-worker-2"):
            (running.home / file).unlink(missing_ok=True)
        after = running.wait_ready(*THREE)
        assert {w: p for w, p in after.items() if w != "worker-2"} == {w: p for w, p in pids.items() if w != "worker-2"}


def test_a_worker_retired_by_a_scale_is_not_restarted() -> None:
    with swarm(conf=QUICK_START) as running:
        running.wait_ready(*THREE)
        running.client.scale(2)
        with pytest.raises(SupervisorRefused, match="swarm-worker-3 is leaving, as only 2 ") as refusal:
            running.client.restart_worker("swarm-worker-3")
        assert refusal.value.fault == STILL_RUNNING


def test_a_restart_now_interrupts_and_starts_a_worker_again() -> None:
    with swarm(conf=QUICK_START) as running:
        pids = running.wait_ready(*THREE)
        running.note("hold", "worker-2")
        running.client.restart_worker("swarm-worker-2", now=True)
        running.wait_for("the first SIGTERM", lambda: running.noted("stopping", "worker-2"))
        (running.home / "hold-worker-2").unlink()
        running.client.restart_worker("swarm-worker-2", now=True)
        running.wait_for("its successor", lambda: running.worker_pids().get("worker-2") not in (None, pids["worker-2"]))
        running.wait_ready(*THREE)


def test_the_command_waits_for_a_surplus_worker_and_ctrl_c_leaves_it_finishing() -> None:
    with swarm() as running:
        running.wait_ready(*THREE)
        with scaling(running, 2) as waiting:
            running.wait_for("the request to retire", lambda: running.noted("retiring", "worker-3"))
            assert waiting.poll() is None
            waiting.send_signal(signal.SIGINT)
            output, _ = waiting.communicate(timeout=DEADLINE_S)
        assert "no longer waiting" in output
        assert "worker-3" in running.worker_pids()

        with scaling(running, 2) as waiting:
            running.note("finish", "worker-3", "0")
            output, _ = waiting.communicate(timeout=DEADLINE_S)
        assert waiting.returncode == 0
        assert output.endswith("workers: 2\n")


@pytest.mark.parametrize("conf", ["", QUICK_START], ids=["while starting", "while running"])
def test_a_worker_that_crashes_while_it_retires_is_not_started_again(conf: str) -> None:
    with swarm(conf=conf) as running:
        running.wait_ready(*THREE)
        running.note("finish", "worker-3", "1")
        running.client.scale(2)
        running.wait_for("its end", lambda: "worker-3" not in running.worker_pids())
        running.wait_for("the slot to go", lambda: len(running.client.slots()) == 2)
        assert running.log.count("spawned: 'swarm-worker-3'") == 1
        assert "spawnerr" not in running.log  # nor was it attempted
        assert set(running.worker_pids()) == {"worker-1", "worker-2"}


def test_a_retired_slot_cannot_be_started_manually() -> None:
    with swarm(conf=QUICK_START) as running:
        running.wait_ready(*THREE)
        running.note("finish", "worker-3", "0")
        running.client.scale(2)
        running.wait_for("its end", lambda: "worker-3" not in running.worker_pids())
        with pytest.raises(SupervisorRefused):
            running.client.start_process(process_name("worker-3"))
        assert set(running.worker_pids()) == {"worker-1", "worker-2"}


def test_a_retired_slot_disappears_by_itself() -> None:
    with swarm() as running:
        running.wait_ready(*THREE)
        running.note("finish", "worker-3", "0")
        running.client.scale(2)
        running.wait_for("the slot to go", lambda: "retired: swarm-worker-3" in running.log)


def test_scale_now_stops_surplus_workers_and_retiring_ones() -> None:
    with swarm() as running:
        running.wait_ready(*THREE)
        running.client.scale(2)
        running.wait_for("the request to retire", lambda: running.noted("retiring", "worker-3"))
        done = running.ctl("scale", "1", "--now")
        assert done.returncode == 0, done.stdout
        assert not running.noted("retiring", "worker-2")
        assert set(running.worker_pids()) == {"worker-1"}


def test_scaling_to_none_and_back() -> None:
    with swarm() as running:
        running.wait_ready(*THREE)
        assert running.ctl("scale", "0", "--now").returncode == 0
        assert set(running.pids()) == {"swarm-reaper", "swarm-dashboard"}
        assert_nothing_to_update(running)
        running.client.scale(2)
        running.wait_ready("worker-1", "worker-2")


@pytest.mark.parametrize("words", [["257"], ["-1"], ["many"], [], ["3", "4"], ["3", "--later"], ["00003x"]])
def test_an_invalid_scale_is_a_usage_error(words: list[str]) -> None:
    with swarm() as running:
        done = running.ctl("scale", *words)
        assert (done.returncode, "scale N" in done.stdout) == (2, True)
        assert not running.override.exists()


def test_a_reload_keeps_the_count_and_a_shutdown_forgets_it() -> None:
    with swarm(environ={"SWARM_WORKERS": "2"}) as running:
        first = running.wait_ready("worker-1", "worker-2")
        running.client.scale(1, now=True)
        running.wait_ready("worker-1")
        os.kill(running.process.pid, signal.SIGHUP)
        running.wait_for("the worker after it", lambda: running.ready_pid("worker-1") != first["worker-1"])
        running.wait_ready("worker-1")
        assert running.process.poll() is None

        running.client.shutdown()
        assert running.wait_end() == 0
        assert not running.override.exists()


def test_help_for_scale_exists_and_help_for_other_commands_is_unchanged() -> None:
    with swarm() as running:
        helped = running.ctl("help", "scale").stdout
        assert "Surplus workers finish their task" in helped
        assert "No help" not in helped + running.ctl("help", "status").stdout
        assert "scale" in running.ctl("help").stdout


def test_the_most_workers_run_at_once_within_the_usual_limits_of_a_process_and_leave_again() -> None:
    """Cheap stand-ins that exit at their first signal: supervisord is what is tested."""
    with swarm(conf=f"{QUICK_START}command=/bin/sleep 600\n", environ={"SWARM_WORKERS": "1"}) as running:
        running.client = SupervisorClient(running.client.socket_path, timeout_s=60)
        running.client.scale(MAX_WORKERS)
        seen = set()  # how many run, each time that it responds

        def all_run() -> bool:
            seen.add(sum(slot.pid != 0 for slot in running.client.slots()))
            return MAX_WORKERS in seen

        running.wait_for("all workers", lambda: all_run() or None, deadline_s=120)
        assert seen - {1, MAX_WORKERS}, "it responded only before and after it started them"
        everyone = {f"worker-{number}" for number in range(1, MAX_WORKERS + 1)}
        assert running.worker_pids().keys() == everyone
        files = len(list(Path(f"/proc/{running.process.pid}/fd").iterdir()))
        assert files < USUAL_OPEN_FILES
        first = running.worker_pids()["worker-1"]
        with pytest.raises(SupervisorRefused, match=f"from 0 to {MAX_WORKERS}"):
            running.client.scale(MAX_WORKERS + 1)
        running.client.scale(1, now=True)
        running.wait_for("all but one to leave", lambda: len(running.client.slots()) == 1 or None, deadline_s=60)
        assert running.worker_pids() == {"worker-1": first}
