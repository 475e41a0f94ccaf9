"""What every runner promises about the commands that it runs. `promised_by` names the runners.

`tests/runners` checks all of it; other modules import the tests that they repeat for a single runner.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from live_swarm import LiveSwarm, wait_until
from runner_engines import AGENTS_ELSEWHERE, CONFINING, EVERY, FOLLOWED, promised_by
from runner_harness import RunnerHarness, call, command_lines, output

from swarm_shared.diagnosis.why import Why
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.store.swarm.swarm import RUNNER_DOWN

WAITS = "touch begun; until [ -e go ]; do sleep 0.05; done"
WHO = ("-c", "user.name=a", "-c", "user.email=a@b")


def begun(runner: RunnerHarness) -> None:
    """Wait for a command; with a reaper, so that a cluster that has just been repaired may fail once more."""
    wait_until((runner.swarm.project / "begun").exists, runner.swarm.logs, s=90)


@promised_by(*EVERY)
def test_the_same_task_file_gives_the_same_result_in_every_runner(runner: RunnerHarness) -> None:
    swarm = runner.swarm
    run = 'echo "$A"; echo "$A" > made; umask >> made; sh -c "kill -9 \\$\\$"; echo $? >> made; pwd >> made'
    swarm.add(
        TaskSpec(id="a", name="a", run=run, env={"A": 'x\'y\nz, "w" ä'}, checks=("grep -q 137 made",)),
        TaskSpec(id="b", name="b", run="exit 7", max_retries=0),
        TaskSpec(id="c", name="c", run="true", checks=("false",), max_retries=0),
        TaskSpec(id="d", name="d", run="no-such-program", max_retries=0),
        TaskSpec(id="e", name="e", run="seq 60000; echo wrong >&2", dependencies=("a",)),
        TaskSpec(id="f", name="f", run="sh -c 'kill -9 $$'", max_retries=0),
    )
    swarm.worker("worker-1", "--no-validation")
    for task in ("a", "e"):
        swarm.wait_for(task, Status.COMPLETED, s=60)
    for task, text in (("b", "code 7"), ("c", "false"), ("d", "code 127"), ("f", "code 137")):
        assert text in swarm.wait_for(task, Status.FAILED, s=60)["last_error"]
    lines = (swarm.project / "made").read_text().splitlines()
    assert lines == ["x'y", 'z, "w" ä', "0022", "137", str(swarm.project)]
    assert [line for line in output(swarm).splitlines() if line.isdigit()] == [str(n) for n in range(1, 60001)]
    assert "wrong\n" in output(swarm, 2)
    assert RUNNER_DOWN not in swarm.db.swarm.flags()
    assert runner.runs() == []
    assert swarm.leftovers() == []


@promised_by("podman", "docker", "kubernetes")
def test_a_session_sees_its_worktree_and_its_files_belong_to_the_user(runner: RunnerHarness) -> None:
    swarm, hidden = runner.swarm, " ".join(map(str, runner.hidden()))
    looks = (
        f"for path in {hidden}; do ! cat $path || exit 9; done; ! ls -A ~ | grep . && ! touch /etc/x && id -u > made"
    )
    swarm.add(TaskSpec(id="a", name="a", run=looks, checks=("test -e made",)))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED, s=60)
    assert (swarm.project / "made").stat().st_uid == os.geteuid()
    assert runner.runs() == []


def with_repository(swarm: LiveSwarm) -> tuple[str, ...]:
    """Make the project a repository; how git is called there."""
    git = ("git", "-C", str(swarm.project))
    call(*git, "init", "--quiet", "--initial-branch=main")
    call(*git, *WHO, "commit", "--quiet", "--allow-empty", "--message=Start")
    return git


@promised_by(*FOLLOWED)
def test_work_in_a_worktree_lands(runner: RunnerHarness) -> None:
    swarm = runner.swarm
    git = with_repository(swarm)
    swarm.add(TaskSpec(id="a", name="a", run="echo x > made"))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED, s=60)
    assert call(*git, "show", "swarm/integration:made") == "x"


@promised_by(*CONFINING)
def test_the_repository_is_read_only_except_for_the_worktree_and_objects(runner: RunnerHarness) -> None:
    swarm = runner.swarm
    with_repository(swarm)
    tries = f"! echo x >> .git && ! touch {swarm.project}/x && ! echo x >> {swarm.project}/.git/config"
    swarm.add(TaskSpec(id="a", name="a", run=f"set -e; touch {swarm.project}/.git/objects/y; {tries}; echo x > made"))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED, s=60)


@promised_by(*FOLLOWED)
def test_variables_reach_the_command_and_no_command_line(runner: RunnerHarness) -> None:
    swarm = runner.swarm
    env = {"OF_TASK": "two\nlines 'x'", "OF_TOKEN": "hush-hush-1", "DOCKER_HOST": "tcp://x", "PATH": "/usr/bin:/bin:/x"}
    run = "env > seen; touch begun; until [ -e go ]; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=run, env=env))
    swarm.reaper()
    swarm.worker("worker-1", "--no-validation", SOME_TOKEN="hush-hush-2")
    begun(runner)
    lines = command_lines()
    (swarm.project / "go").touch()
    assert b"swarm_worker" in lines
    assert b"hush-hush" not in lines
    swarm.wait_for("a", Status.COMPLETED, s=60)
    seen = (swarm.project / "seen").read_text()
    for text in (
        "OF_TASK=two\nlines 'x'\n",
        "OF_TOKEN=hush-hush-1\n",
        "DOCKER_HOST=tcp://x\n",
        "PATH=/usr/bin:/bin:/x\n",
    ):
        assert text in seen
    assert "AMPLIFIER_SWARM_TASK_ID=a\n" in seen
    assert "hush-hush-2" not in seen


@promised_by(*FOLLOWED)
def test_every_exit_code_of_the_command_is_passed_through(runner: RunnerHarness) -> None:
    """Including those that engines and clusters use for their own failures."""
    codes = (7, 70, 124, 125, 126, 127, 137)
    swarm = runner.swarm
    swarm.settings["SWARM_STOP_ON_SAME_PROBLEM"] = "false"
    swarm.add(*(TaskSpec(id=f"c{code}", name=f"c{code}", run=f"exit {code}", max_retries=0) for code in codes))
    swarm.worker("worker-1", "--no-validation")
    for code in codes:
        assert f"exited with code {code}" in swarm.wait_for(f"c{code}", Status.FAILED, s=60)["last_error"]
    assert RUNNER_DOWN not in swarm.db.swarm.flags()


@promised_by(*EVERY)
def test_a_stop_gives_the_command_time_to_save(runner: RunnerHarness) -> None:
    swarm = runner.swarm
    run = "trap 'echo saved > saved; exit 3' TERM; touch begun; while :; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=run))
    swarm.reaper()
    worker = swarm.worker("worker-1", "--no-validation", SWARM_KILL_GRACE_S="20")
    begun(runner)
    for _ in range(2):
        swarm.hand_down(worker, signal.SIGTERM)
    worker.wait(60)
    assert (swarm.project / "saved").read_text() == "saved\n"
    assert runner.runs() == []


@promised_by(*FOLLOWED)
def test_a_runner_that_starts_nothing_holds_the_queue_and_costs_no_attempt(runner: RunnerHarness) -> None:
    swarm = runner.swarm
    swarm.add(TaskSpec(id="a", name="a", run=WAITS), TaskSpec(id="b", name="b", run="true", max_retries=0))
    swarm.reaper()
    swarm.worker("worker-1", "--no-validation")
    begun(runner)
    with runner.break_down():
        assert_held(swarm, runner.breakdown)
    swarm.wait_for("b", Status.COMPLETED, s=90)
    assert_nothing_counted(swarm, "b")
    assert runner.runs() == []


@promised_by("bwrap", "podman", "docker")
def test_a_runner_whose_program_is_gone_holds_the_queue_and_costs_no_attempt(runner: RunnerHarness) -> None:
    program = runner.link_program()
    assert_held_while(runner, program, program.unlink, "No such file")


def assert_held_while(runner: RunnerHarness, program: Path, breaks: Callable[[], object], text: str) -> None:
    """While the program that this link names is broken, no attempt counts; afterwards the task is done."""
    swarm, real = runner.swarm, program.readlink()
    swarm.add(TaskSpec(id="a", name="a", run=WAITS), TaskSpec(id="b", name="b", run="true", max_retries=0))
    swarm.worker("worker-1", "--no-validation")
    begun(runner)
    breaks()
    assert_held(swarm, text)
    program.unlink(missing_ok=True)
    program.symlink_to(real)
    swarm.db.swarm.resume(actor="test")
    swarm.wait_for("b", Status.COMPLETED, s=90)
    assert_nothing_counted(swarm, "b")
    assert runner.runs() == []


def assert_held(swarm: LiveSwarm, text: str) -> None:
    """The task `b` is not started, and the reason is shown. The task `a` is ended first: it waits for the file `go`."""
    (swarm.project / "go").touch()
    wait_until(lambda: RUNNER_DOWN in swarm.db.swarm.flags(), swarm.logs, s=60)
    wait_until(lambda: swarm.status("b") is Status.NOT_STARTED, swarm.logs)
    (attempt,) = swarm.attempts("b")
    assert attempt["failure_class"] == "provider"
    assert text in swarm.db.swarm.flags()[RUNNER_DOWN].reason
    reasons = Why(swarm.db.connection, swarm.db.clock).explain("b", default_cli="command").reasons
    assert RUNNER_DOWN in [reason.kind for reason in reasons]


def assert_nothing_counted(swarm: LiveSwarm, task: str) -> None:
    row = swarm.db.tasks.get(task)
    assert (row["failures"], row["crashes"]) == (0, 0)


@promised_by(*AGENTS_ELSEWHERE)
def test_waiting_for_a_turn_counts_towards_no_limit(runner: RunnerHarness) -> None:
    swarm = runner.swarm
    swarm.settings["SWARM_ORPHAN_TIMEOUT_MIN"] = "0.1"
    swarm.worker("worker-1", "--no-validation")
    wait_until(swarm.db.workers.alive, swarm.logs, s=60)
    with runner.fill():
        swarm.add(TaskSpec(id="a", name="a", run="true", timeout_minutes=0.05, max_retries=0))
        wait_until(lambda: swarm.status("a") is Status.IN_PROGRESS and runner.runs(), swarm.logs)
        began = swarm.db.clock.mono_ms()
        wait_until(lambda: swarm.db.clock.mono_ms() > began + 8_000)  # longer than each limit
        assert swarm.status("a") is Status.IN_PROGRESS
    swarm.wait_for("a", Status.COMPLETED, s=90)
    assert len(swarm.attempts("a")) == 1


@promised_by(*AGENTS_ELSEWHERE)
def test_a_cluster_that_does_not_respond_is_waited_for_and_no_output_is_lost(runner: RunnerHarness) -> None:
    swarm = runner.swarm
    run = "touch begun; seq 2000; until [ -e go ]; do sleep 0.05; done; echo end"
    swarm.add(TaskSpec(id="a", name="a", run=run))
    swarm.reaper()
    swarm.worker("worker-1", "--no-validation")
    begun(runner)
    with runner.silence():
        (swarm.project / "go").touch()
        wait_until(lambda: output(swarm).endswith("end\n"), swarm.logs)
    swarm.wait_for("a", Status.COMPLETED, s=90)
    assert output(swarm).splitlines() == [*(str(number) for number in range(1, 2001)), "end"]
    assert len(swarm.attempts("a")) == 1


@promised_by(*AGENTS_ELSEWHERE)
def test_a_run_that_another_user_ends_costs_no_attempt(runner: RunnerHarness) -> None:
    swarm = runner.swarm
    swarm.add(TaskSpec(id="a", name="a", run="[ -e begun ] && exit 0; touch begun; sleep 600", max_retries=0))
    swarm.reaper()
    swarm.worker("worker-1", "--no-validation")
    begun(runner)
    runner.end_as_another_user()
    swarm.wait_for("a", Status.COMPLETED, s=120)
    assert_nothing_counted(swarm, "a")
    assert runner.runs() == []
