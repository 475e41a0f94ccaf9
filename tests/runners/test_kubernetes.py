"""Sessions in pods of a stand-in cluster, whose containers are real processes: what is left when things die.

No real cluster is involved: what a real one does otherwise than its documentation says would not be noticed here.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from live_swarm import LiveSwarm, wait_until
from pod_harness import ESCAPE, call, clients, is_free, is_readable, output, swarm_on, use_cluster
from stand_in_cluster import StandInCluster

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.processes.procfs import all_pids
from swarm_shared.runners.kubernetes.runner import RUNS
from swarm_shared.store.queue.swarm import RUNNER_DOWN

pytestmark = pytest.mark.integration


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInCluster]:
    cluster = StandInCluster(tmp_path)
    monkeypatch.setenv("PATH", cluster.path)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def swarm(tmp_path: Path, cluster: StandInCluster) -> Iterator[LiveSwarm]:
    with swarm_on(cluster, tmp_path) as swarm:
        yield swarm


def test_work_in_a_worktree_lands_and_the_rest_of_the_repository_is_read_only(swarm: LiveSwarm) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    git = ("git", "-C", str(swarm.project))
    call(*git, "init", "--quiet", "--initial-branch=main")
    call(*git, *who, "commit", "--quiet", "--allow-empty", "--message=Start")
    tries = f"! echo x >> .git && ! touch {swarm.project}/x && ! echo x >> {swarm.project}/.git/config"
    swarm.add(TaskSpec(id="a", name="a", run=f"set -e; {tries}; git status > /dev/null; echo x > made"))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED)
    assert call(*git, "show", "swarm/integration:made") == "x"


def test_variables_reach_the_command_and_no_command_line_and_no_manifest(
    swarm: LiveSwarm, cluster: StandInCluster
) -> None:
    env = {"OF_TASK": "two\nlines 'x'", "OF_TOKEN": "hush-hush-1", "PATH": "/usr/bin:/bin:/x"}
    run = "env > seen; touch begun; until [ -e seen-by-us ]; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=run, env=env))
    swarm.worker("worker-1", "--no-validation", SOME_TOKEN="hush-hush-2")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    lines = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in all_pids() if is_readable(pid))
    (name,) = cluster.store.names()
    manifest = str(cluster.store.get(name))
    modes = {path.name: path.stat().st_mode & 0o077 for path in (cluster.volume / RUNS / name).iterdir()}
    (swarm.project / "seen-by-us").touch()
    assert b"hush" not in lines
    assert "hush" not in manifest
    assert modes["command"] == 0
    swarm.wait_for("a", Status.COMPLETED)
    seen = (swarm.project / "seen").read_text()
    assert "OF_TASK=two\nlines 'x'\n" in seen
    assert "OF_TOKEN=hush-hush-1\n" in seen
    assert "PATH=/usr/bin:/bin:/x\n" in seen
    assert "AMPLIFIER_SWARM_TASK_ID=a\n" in seen
    assert "hush-hush-2" not in seen


@pytest.mark.parametrize("code", [7, 70, 125, 137])
def test_every_exit_code_of_the_command_is_its_own(swarm: LiveSwarm, code: int) -> None:
    swarm.add(TaskSpec(id="a", name="a", run=f"exit {code}", max_retries=0))
    swarm.worker("worker-1", "--no-validation")
    assert f"exited with code {code}" in swarm.wait_for("a", Status.FAILED)["last_error"]
    assert RUNNER_DOWN not in swarm.db.swarm.flags()


def test_a_stop_gives_the_command_time_to_save(swarm: LiveSwarm, cluster: StandInCluster) -> None:
    run = "trap 'echo saved > saved; exit 3' TERM; touch begun; while :; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=run))
    worker = swarm.worker("worker-1", "--no-validation", SWARM_KILL_GRACE_S="10")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    for _ in range(2):
        swarm.hand_down(worker, signal.SIGTERM)
    worker.wait(30)
    assert (swarm.project / "saved").read_text() == "saved\n"
    assert cluster.store.names() == []


def test_output_is_complete_and_in_its_order_through_a_failure_of_the_api_server(
    swarm: LiveSwarm, cluster: StandInCluster
) -> None:
    run = "touch begun; for i in $(seq 2000); do echo line-$i; done; until [ -e go ]; do sleep 0.05; done; echo end"
    swarm.add(TaskSpec(id="a", name="a", run=run))
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    cluster.begin("api-down")
    (swarm.project / "go").touch()
    wait_until(lambda: output(swarm).endswith("end\n"), swarm.logs)
    cluster.end("api-down")
    swarm.wait_for("a", Status.COMPLETED, s=60)
    assert output(swarm).splitlines() == [*(f"line-{number}" for number in range(1, 2001)), "end"]


VICTIMS = [("client",), ("worker",), ("keeper",), ("worker", "keeper"), ("worker", "keeper", "client")]


@pytest.mark.parametrize("victims", VICTIMS, ids="+".join)
def test_after_a_kill_nothing_is_left_and_the_task_is_done_again(
    swarm: LiveSwarm, cluster: StandInCluster, victims: tuple[str, ...]
) -> None:
    swarm.add(TaskSpec(id="a", name="a", run=ESCAPE, timeout_minutes=1, max_retries=5))
    held = swarm.project / "held"
    swarm.reaper()
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: held.exists() and not is_free(held), swarm.logs)
    (worker,) = swarm.db.workers.alive()
    assert worker.keeper is not None
    pids = {"worker": [worker.process.pid], "keeper": [worker.keeper.pid], "client": clients(swarm)}
    for pid in [pid for victim in victims for pid in pids[victim]]:
        os.kill(pid, signal.SIGSTOP)
    for pid in [pid for victim in victims for pid in pids[victim]]:
        os.kill(pid, signal.SIGKILL)
    if {"worker", "keeper"} & {*victims}:
        swarm.worker("worker-2", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED, s=90)
    assert is_free(held)
    assert len(swarm.attempts("a")) == 2
    assert cluster.store.names() == []
    assert swarm.leftovers() == []


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("quota", "exceeded quota"),
        ("image-missing", "ImagePullBackOff"),
        ("unschedulable", "Insufficient cpu"),
    ],
)
def test_a_cluster_that_starts_nothing_holds_the_queue_and_costs_no_attempt(
    swarm: LiveSwarm, cluster: StandInCluster, fault: str, text: str
) -> None:
    use_cluster(swarm, cluster, ", patience_minutes: 0.02")
    waits = "touch begun; until [ -e go ]; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=waits), TaskSpec(id="b", name="b", run="true"))
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    cluster.begin(fault)
    (swarm.project / "go").touch()
    wait_until(lambda: RUNNER_DOWN in swarm.db.swarm.flags(), swarm.logs, s=60)
    wait_until(lambda: swarm.status("b") is Status.NOT_STARTED, swarm.logs)
    (attempt,) = swarm.attempts("b")
    assert attempt["failure_class"] == "provider"
    assert text in swarm.db.swarm.flags()[RUNNER_DOWN].reason
    cluster.end(fault)
    swarm.reaper()
    swarm.wait_for("b", Status.COMPLETED, s=90)
    task = swarm.db.tasks.get("b")
    assert (task["failures"], task["crashes"]) == (0, 0)
    assert cluster.store.names() == []


@pytest.mark.parametrize(("fault", "text"), [("oom", "OOMKilled"), ("evict", "Evicted")])
def test_a_command_that_used_too_much_fails_and_its_error_says_so(
    swarm: LiveSwarm, cluster: StandInCluster, fault: str, text: str
) -> None:
    swarm.add(TaskSpec(id="a", name="a", run="touch begun; sleep 600", max_retries=0))
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    cluster.begin(fault)
    task = swarm.wait_for("a", Status.FAILED, s=60)
    assert "137" in task["last_error"]
    assert text in output(swarm, 2)
    assert RUNNER_DOWN not in swarm.db.swarm.flags()
    assert cluster.store.names() == []


def test_an_answer_that_is_lost_starts_no_second_pod(swarm: LiveSwarm, cluster: StandInCluster) -> None:
    swarm.add(TaskSpec(id="a", name="a", run="echo x >> made"))
    worker = swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: cluster.journal("removed") or worker.poll() is not None, swarm.logs)  # the trial
    cluster.begin("lost-answer")
    swarm.wait_for("a", Status.COMPLETED, s=60)
    assert (swarm.project / "made").read_text() == "x\n"
    created = cluster.journal("created")
    assert len(created) == len({*created}) == len(cluster.journal("started"))


def test_time_in_the_queue_counts_against_no_limit(swarm: LiveSwarm, cluster: StandInCluster) -> None:
    swarm.add(TaskSpec(id="a", name="a", run="touch begun; true", timeout_minutes=0.05, max_retries=0))
    worker = swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: cluster.journal("removed") or worker.poll() is not None, swarm.logs)  # the trial
    cluster.begin("unschedulable")
    wait_until(lambda: len(cluster.journal("created")) == 2, swarm.logs)
    began = time.monotonic()
    wait_until(lambda: time.monotonic() > began + 5, swarm.logs)  # longer than its limit
    assert swarm.status("a") is Status.IN_PROGRESS
    cluster.end("unschedulable")
    swarm.wait_for("a", Status.COMPLETED, s=60)


MATRIX_S = 40.0
LONG_S = 240.0
# Overlapping attempts of one task would meet at its lock.
LEDGER = """flock -n $AMPLIFIER_SWARM_TASK_ID.lock sh -c 'echo start >> ledger; sleep 1' || {
echo overlap >> ledger; exit 1; }"""
FAULTS = ("api-down", "node-lost", "quota", "image-missing", "unschedulable")
ONCE = ("lost-answer", "evict", "oom", "preempt", "delete")


def test_no_attempt_overlaps_and_none_is_lost_while_everything_fails(swarm: LiveSwarm, cluster: StandInCluster) -> None:
    swarm.settings |= {"SWARM_CRASH_BUDGET": "1000", "SWARM_CRASH_BACKOFF_S": "0", "SWARM_MAX_RETRIES": "1000"}
    swarm.settings |= {"SWARM_STOP_ON_SAME_PROBLEM": "false"}
    ids = [f"t{number}" for number in range(20)]
    swarm.add(*(TaskSpec(id=task, name=task, run=LEDGER, timeout_minutes=1) for task in ids))
    rng = random.Random(7)
    names = (f"worker-{number}" for number in itertools.count(1))  # one that crashes often would wait longer and longer
    reaper, workers = swarm.reaper(), [swarm.worker(next(names), "--no-validation") for _ in range(2)]
    wait_until(lambda: (swarm.project / "ledger").exists(), swarm.logs, s=LONG_S)
    ends = time.monotonic() + MATRIX_S
    done = dict.fromkeys(("client", "worker", "keeper", "reaper", "fault"), 0)
    while time.monotonic() < ends:
        workers = [worker for worker in workers if worker.poll() is None]
        workers += [swarm.worker(next(names), "--no-validation") for _ in range(2 - len(workers))]
        if reaper.poll() is not None:
            reaper = swarm.reaper()
        time.sleep(rng.uniform(0.3, 1.5))  # when it strikes is the point of the test
        alive = swarm.db.workers.alive()
        targets = {
            "client": clients(swarm),
            "worker": [worker.process.pid for worker in alive],
            "keeper": [worker.keeper.pid for worker in alive if worker.keeper is not None],
            "reaper": [reaper.pid],
        }
        victim = rng.choice(["client", "client", "worker", "both", "keeper", "reaper", "fault", "fault", "once"])
        if victim == "fault":
            cluster.begin(fault := rng.choice(FAULTS))
            time.sleep(rng.uniform(0.5, 2))
            cluster.end(fault)
            done["fault"] += 1
        elif victim == "once":
            cluster.begin(rng.choice(ONCE))
            done["fault"] += 1
        for name in ("worker", "keeper") if victim == "both" else (victim,):
            if targets.get(name):
                kill(pid := rng.choice(targets[name]))
                done[name] += 1
                wait_until(partial(is_dead, pid), swarm.logs)
    cluster.end(*FAULTS, *ONCE)
    swarm.db.swarm.resume(actor="test")
    for _ in range(2):
        swarm.worker(next(names), "--no-validation")
    if reaper.poll() is not None:
        swarm.reaper()
    for task in ids:
        swarm.wait_for(task, Status.COMPLETED, s=LONG_S)
    ledger = (swarm.project / "ledger").read_text().split()
    print(f"kubernetes: {done}, {ledger.count('start')} starts")
    assert ledger.count("overlap") == 0
    assert sum(done.values()) > 10
    started = cluster.journal("started")
    assert len(started) == len({*started})
    wait_until(lambda: cluster.store.names() == [], cluster.store.names)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
