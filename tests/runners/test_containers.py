"""Sessions in containers of real engines: what they see, what they leave, and what becomes of them when things die.

`make runners` runs this, as root: it installs the engines where they are missing.
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
from engines import IMAGE, LIMITS, call, containers, docker_daemon, have_image, use_engine
from live_swarm import LiveSwarm, wait_until

from swarm_shared.diagnosis.why import Why
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.domain.runners import ContainerOptions, RunnerOptions
from swarm_shared.processes.file_lock import try_lock
from swarm_shared.processes.procfs import all_pids
from swarm_shared.runners.proving import prove, proven_of
from swarm_shared.runners.runner import Grounds
from swarm_shared.store.queue.swarm import RUNNER_DOWN

pytestmark = pytest.mark.integration
MATRIX_S = 40.0
LONG_S = 120.0
# Leaves its parent and its session, ignores TERM, and holds the lock of the file `held` for as long as it lives.
ESCAPE = """[ -e tried ] && exit 0
touch tried held
setsid sh -c 'trap "" TERM; (exec flock -n held sleep 600) &' < /dev/null > /dev/null 2>&1
sleep 600"""
# Overlapping attempts of one task would meet at its lock.
LEDGER = """flock -n $AMPLIFIER_SWARM_TASK_ID.lock sh -c 'echo start >> ledger; sleep 1' || {
echo overlap >> ledger; exit 1; }"""


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "podman":
        have_image("podman")
        yield "podman"
        return
    with docker_daemon():
        have_image("docker")
        yield "docker"


@pytest.fixture
def swarm(tmp_path: Path, engine: str) -> Iterator[LiveSwarm]:
    swarm = LiveSwarm(tmp_path)
    use_engine(swarm, engine)
    yield swarm
    swarm.end()
    for name in containers(engine):
        call(engine, "rm", "--force", name)


def is_free(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        return try_lock(descriptor)
    finally:
        os.close(descriptor)


def processes_of(swarm: LiveSwarm, kind: str) -> list[int]:
    """Pids of the engine's clients (`run`) or supervisors (`conmon`, `shim`) of this swarm's containers."""
    rows = swarm.db.connection.rows("SELECT run_name FROM sessions WHERE run_name IS NOT NULL AND run_gone_at IS NULL")
    names = [name for (name,) in rows]
    found = []
    for pid in all_pids():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        program = os.path.basename(words[0])
        if any(name in words for name in names) and (program == "conmon") == (kind == "conmon"):
            found.append(pid)
    return found


def kill(*pids: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_session_sees_its_worktree_and_its_files_are_the_users(swarm: LiveSwarm, engine: str) -> None:
    (swarm.folder / "secret").write_text("x")
    looks = f"! cat {swarm.folder}/secret {swarm.path} && ! ls -A ~ | grep . && ! touch /etc/x && id -u > made"
    swarm.add(TaskSpec(id="a", name="a", run=looks, checks=("test -e made",)))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED)
    assert (swarm.project / "made").stat().st_uid == os.geteuid()
    assert containers(engine) == []


def test_work_in_a_worktree_lands_and_the_rest_of_the_repository_is_read_only(swarm: LiveSwarm) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    git = ("git", "-C", str(swarm.project))
    call(*git, "init", "--quiet", "--initial-branch=main")
    call(*git, *who, "commit", "--quiet", "--allow-empty", "--message=Start")
    tries = f"! echo x >> .git && ! touch {swarm.project}/x && ! echo x >> {swarm.project}/.git/config"
    run = f"set -e; touch {swarm.project}/.git/objects/y; {tries}; echo x > made"
    swarm.add(TaskSpec(id="a", name="a", run=run))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED)
    assert call(*git, "show", "swarm/integration:made") == "x"


def test_variables_reach_the_command_and_no_command_line(swarm: LiveSwarm) -> None:
    env = {"OF_TASK": "two\nlines", "OF_TOKEN": "hush-hush-1", "DOCKER_HOST": "tcp://x", "PATH": "/usr/bin:/bin:/x"}
    run = "env > seen; touch begun; until [ -e seen-by-us ]; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=run, env=env))
    swarm.worker("worker-1", "--no-validation", SOME_TOKEN="hush-hush-2")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    lines = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes_of(swarm, "run"))
    (swarm.project / "seen-by-us").touch()
    assert lines
    assert b"hush" not in lines
    swarm.wait_for("a", Status.COMPLETED)
    seen = (swarm.project / "seen").read_text()
    assert "OF_TASK=two\nlines\n" in seen
    assert "OF_TOKEN=hush-hush-1\n" in seen
    assert "DOCKER_HOST=tcp://x\n" in seen
    assert "PATH=/usr/bin:/bin:/x\n" in seen
    assert "AMPLIFIER_SWARM_TASK_ID=a\n" in seen
    assert "hush-hush-2" not in seen


@pytest.mark.parametrize("code", [7, 125, 126, 127])
def test_every_exit_code_of_the_command_is_its_own(swarm: LiveSwarm, code: int) -> None:
    swarm.add(TaskSpec(id="a", name="a", run=f"exit {code}", max_retries=0))
    swarm.worker("worker-1", "--no-validation")
    assert f"exited with code {code}" in swarm.wait_for("a", Status.FAILED)["last_error"]
    assert RUNNER_DOWN not in swarm.db.swarm.flags()


def test_a_stop_gives_the_command_time_to_save(swarm: LiveSwarm, engine: str) -> None:
    run = "trap 'echo saved > saved; exit 3' TERM; touch begun; while :; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=run))
    worker = swarm.worker("worker-1", "--no-validation", SWARM_KILL_GRACE_S="10")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    for _ in range(2):
        swarm.hand_down(worker, signal.SIGTERM)
    worker.wait(20)
    assert (swarm.project / "saved").read_text() == "saved\n"
    assert containers(engine) == []


def test_a_session_that_ends_takes_its_escapee_along(swarm: LiveSwarm, engine: str) -> None:
    swarm.add(TaskSpec(id="b", name="b", run=ESCAPE.removesuffix("sleep 600") + "exit 0"))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("b", Status.COMPLETED)
    assert is_free(swarm.project / "held")
    assert containers(engine) == []


VICTIMS = [
    ("run",), ("conmon",), ("run", "conmon"), ("worker",), ("keeper",), ("worker", "keeper"),
    ("worker", "keeper", "run", "conmon"),
]  # fmt: skip


@pytest.mark.parametrize("victims", VICTIMS, ids="+".join)
def test_after_a_kill_nothing_is_left_and_the_task_is_done_again(
    swarm: LiveSwarm, engine: str, victims: tuple[str, ...]
) -> None:
    if engine == "docker" and "conmon" in victims:
        victims = tuple(each for each in victims if each != "conmon")  # docker has none
    if not victims:
        return
    swarm.add(TaskSpec(id="a", name="a", run=ESCAPE, timeout_minutes=0.2, max_retries=5))
    held = swarm.project / "held"
    swarm.reaper()
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: held.exists() and not is_free(held), swarm.logs)
    (worker,) = swarm.db.workers.alive()
    assert worker.keeper is not None
    pids = {"worker": [worker.process.pid], "keeper": [worker.keeper.pid]}
    chosen = [pid for victim in victims for pid in pids.get(victim) or processes_of(swarm, victim)]
    assert len(chosen) >= len(victims)
    for pid in chosen:
        os.kill(pid, signal.SIGSTOP)
    kill(*chosen)
    if {"worker", "keeper"} & {*victims}:
        swarm.worker("worker-2", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED, s=60)
    assert is_free(held)
    assert len(swarm.attempts("a")) == 2
    assert containers(engine) == []
    assert swarm.leftovers() == []


def test_no_attempt_overlaps_and_none_is_lost_while_everything_is_killed(swarm: LiveSwarm, engine: str) -> None:
    swarm.settings |= {"SWARM_CRASH_BUDGET": "1000", "SWARM_CRASH_BACKOFF_S": "0", "SWARM_MAX_RETRIES": "1000"}
    swarm.settings |= {"SWARM_STOP_ON_SAME_PROBLEM": "false"}
    ids = [f"t{number}" for number in range(30)]
    swarm.add(*(TaskSpec(id=task, name=task, run=LEDGER, timeout_minutes=0.2) for task in ids))
    rng = random.Random(7)
    names = (f"worker-{number}" for number in itertools.count(1))  # one that crashes often would wait longer and longer
    reaper, workers = swarm.reaper(), [swarm.worker(next(names), "--no-validation") for _ in range(2)]
    ends = time.monotonic() + MATRIX_S
    killed = dict.fromkeys(("run", "conmon", "worker", "keeper", "reaper"), 0)
    while time.monotonic() < ends:
        workers = [worker for worker in workers if worker.poll() is None]
        workers += [swarm.worker(next(names), "--no-validation") for _ in range(2 - len(workers))]
        if reaper.poll() is not None:
            reaper = swarm.reaper()
        time.sleep(rng.uniform(0.3, 1.5))  # when it strikes is the point of the test
        victim = rng.choice(["run", "run", "conmon", "worker", "both", "keeper", "reaper"])
        alive = swarm.db.workers.alive()
        targets = {
            "run": processes_of(swarm, "run"),
            "conmon": processes_of(swarm, "conmon"),
            "worker": [worker.process.pid for worker in alive],
            "keeper": [worker.keeper.pid for worker in alive if worker.keeper is not None],
            "reaper": [reaper.pid],
        }
        for name in ("worker", "keeper") if victim == "both" else (victim,):
            if targets[name]:
                pid = rng.choice(targets[name])
                kill(pid)
                killed[name] += 1
                wait_until(partial(is_dead, pid), swarm.logs)
    for _ in range(2):
        swarm.worker(next(names), "--no-validation")
    if reaper.poll() is not None:
        swarm.reaper()
    for task in ids:
        swarm.wait_for(task, Status.COMPLETED, s=LONG_S)
    ledger = (swarm.project / "ledger").read_text().split()
    print(f"{engine}: killed {killed}, {ledger.count('start')} starts")
    assert ledger.count("overlap") == 0
    assert sum(killed.values()) > 10
    assert containers(engine) == []


def test_an_engine_that_starts_nothing_holds_the_queue_and_costs_no_attempt(swarm: LiveSwarm, engine: str) -> None:
    waits = "touch begun; until [ -e go ]; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=waits), TaskSpec(id="b", name="b", run="true"))
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    call(engine, "tag", IMAGE, "localhost/swarm-kept:1")
    call(engine, "rmi", "--force" if engine == "docker" else "--no-prune", IMAGE)
    try:
        (swarm.project / "go").touch()
        wait_until(lambda: RUNNER_DOWN in swarm.db.swarm.flags(), swarm.logs)
        wait_until(lambda: swarm.status("b") is Status.NOT_STARTED, swarm.logs)
        (attempt,) = swarm.attempts("b")
        assert attempt["failure_class"] == "provider"
        assert "swarm-test" in swarm.db.swarm.flags()[RUNNER_DOWN].reason
        reasons = Why(swarm.db.connection, swarm.db.clock).explain("b", default_cli="command").reasons
        assert RUNNER_DOWN in [reason.kind for reason in reasons]
    finally:
        call(engine, "tag", "localhost/swarm-kept:1", IMAGE)
    swarm.reaper()
    swarm.wait_for("b", Status.COMPLETED, s=60)
    task = swarm.db.tasks.get("b")
    assert (task["failures"], task["crashes"]) == (0, 0)


def test_limits_bite(swarm: LiveSwarm, engine: str) -> None:
    use_engine(swarm, engine, memory="64MiB", pids=40, cpus=0.5)
    eats, forks = "dd if=/dev/zero of=/dev/null bs=200M count=1", "set -e; for i in $(seq 60); do sleep 2 & done; wait"
    swarm.add(TaskSpec(id="a", name="a", run=eats, max_retries=0), TaskSpec(id="b", name="b", run=forks, max_retries=0))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.FAILED)
    swarm.wait_for("b", Status.FAILED)


def test_limits_that_would_be_ignored_are_refused(swarm: LiveSwarm, engine: str) -> None:
    if engine == "docker":
        return  # it has no way to do without control groups
    use_engine(swarm, engine, memory="64MiB", args=[*LIMITS, "--cgroups=disabled"])
    worker = swarm.worker("worker-1", "--no-validation")
    assert worker.wait(30) == 3
    assert "runners.podman.memory would be ignored" in swarm.logs()


def test_the_proof_holds(tmp_path: Path, engine: str) -> None:
    options = ContainerOptions(image=IMAGE, network="off", args=LIMITS)
    grounds = Grounds(
        home=Path.home(), project_root=tmp_path, common_dir=None, database=tmp_path / "db", state_dir=tmp_path / "state"
    )
    proofs = prove(proven_of(engine, RunnerOptions(**{engine: options})), grounds)
    assert [proof.text for proof in proofs if not proof.held] == []
    assert containers(engine) == []
