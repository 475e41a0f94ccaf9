"""Processes with an attempt's mark are found and killed, and those that cannot be judged are never called gone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import trees
from kill_marked import Verdict, kill_marked

from swarm_shared.domain.clock import SystemClock
from swarm_shared.processes import sweep as module
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import read_stat
from swarm_shared.processes.sweep import marks, sweep
from swarm_shared.processes.tree import ancestors, descendants

ATTEMPT = str(uuid4())
Spawn = Callable[..., ProcessId]


@pytest.fixture
def spawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spawn]:
    """Starts a sleeper with exactly this environment; the sweep sees only what this process started."""
    monkeypatch.setattr(module, "all_pids", lambda: [process.pid for process in descendants(os.getpid())])
    children: list[subprocess.Popen[bytes]] = []

    def start(env: dict[str, str], *argv: str) -> ProcessId:
        # In its own session, like a process that a keeper starts.
        child = subprocess.Popen(argv or ["/bin/sleep", "1000"], env=env, start_new_session=True)
        children.append(child)
        if env:  # in the middle of its exec it would show none
            trees.wait_until(lambda: module._environment(child.pid), "the environment shows")
        identity = ProcessId.of(child.pid)
        assert identity is not None
        return identity

    yield start
    for child in children:
        child.kill()
        child.wait()


def attempt() -> str:
    return str(uuid4())


@pytest.mark.parametrize(
    "env",
    [
        marks(ATTEMPT),
        {"AMPLIFIER_SWARM_ATTEMPT": ATTEMPT},
        {"AMPLIFIER_SWARM_ATTEMPT": ATTEMPT.upper(), "Z": "1"},
        {"AMPLIFIER_SWARM_ATTEMPT": str(uuid4()), "AMPLIFIER_SWARM_IN_" + ATTEMPT.replace("-", ""): "1"},
        {"A": "1", "AMPLIFIER_SWARM_IN_" + ATTEMPT.replace("-", "_").upper(): ""},
    ],
)
def test_the_mark_is_found_in_a_value_and_in_a_name(spawn: Spawn, env: dict[str, str]) -> None:
    marked = spawn(env)
    assert marked in sweep(ATTEMPT).found


@pytest.mark.parametrize(
    "env",
    [
        {"AMPLIFIER_SWARM_ATTEMPT": str(uuid4())},
        {"AMPLIFIER_SWARM_ATTEMPT": ATTEMPT + "0"},
        {"NOTE": f"AMPLIFIER_SWARM_ATTEMPT={ATTEMPT}"},
        {"OTHER": ATTEMPT},
    ],
)
def test_an_unrelated_process_that_only_mentions_the_attempt_is_left_alone(spawn: Spawn, env: dict[str, str]) -> None:
    stranger = spawn(env)
    result = sweep(ATTEMPT)
    assert stranger not in (*result.found, *result.unknown)


def test_the_marks_survive_a_nested_swarm() -> None:
    outer, inner = attempt(), attempt()
    nested = marks(outer) | marks(inner)
    pattern = module._mark_pattern(outer)
    assert pattern.search(b"\0".join(f"{name}={value}".encode() for name, value in nested.items()))


def test_an_empty_environment_is_unknown_unless_the_process_is_too_old_or_accounted_for(spawn: Spawn) -> None:
    bare = spawn({})
    assert bare in sweep(attempt()).unknown
    assert bare in sweep(attempt(), since=bare.start_time).unknown
    assert bare not in sweep(attempt(), since=bare.start_time + 1).unknown
    assert bare not in sweep(attempt(), others=[bare]).unknown
    assert bare not in sweep(attempt(), others=[ProcessId.mine()]).unknown


def test_an_environment_that_its_process_overwrote_is_unknown(spawn: Spawn) -> None:
    # As setproctitle does: the text of the title runs on into the environment's memory.
    script = """
import ctypes, time
fields = open("/proc/self/stat", "rb").read().rpartition(b")")[2].split()
start, end = int(fields[47]), int(fields[48])
ctypes.memset(start, 0, end - start)
ctypes.memmove(start, b"title of the process", 20)
print(flush=True)
time.sleep(1000)
"""
    rewritten = spawn(marks(ATTEMPT), *trees._python(script, "0"))
    trees.wait_until(lambda: rewritten in sweep(ATTEMPT).unknown, "the title is written")


def test_a_dead_process_is_neither_found_nor_unknown(spawn: Spawn) -> None:
    ended = spawn({}, "/bin/true")
    trees.wait_until(lambda: not ended.is_alive(), "it has ended")
    result = sweep(attempt())
    assert ended not in (*result.found, *result.unknown)


def test_the_sweeper_does_not_find_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "all_pids", lambda: [os.getpid()])
    monkeypatch.setattr(module, "_environment", lambda pid: f"AMPLIFIER_SWARM_ATTEMPT={ATTEMPT}".encode())
    assert sweep(ATTEMPT).found == ()


def kill(attempt_id: str, *recorded: ProcessId, deadline_s: float = trees.DEADLINE_S) -> Verdict:
    return kill_marked(attempt_id, recorded=recorded, deadline_s=deadline_s, clock=SystemClock())


def test_marked_processes_are_killed_with_their_unmarked_children(spawn: Spawn) -> None:
    attempt_id, token = attempt(), trees.fresh_token()
    script = 'env -i setsid sleep "$1" & sleep "$1" & wait'
    marked = spawn(marks(attempt_id) | {"PATH": os.environ["PATH"]}, *trees._shell(script, token))
    trees.wait_until(lambda: len(trees.alive(token)) == 3, "the tree is complete")
    verdict = kill(attempt_id)
    assert verdict.gone
    assert trees.alive(token) == []
    assert any(f"pid {marked.pid} " in text for text in verdict.seen)


def test_recorded_processes_are_killed_even_without_the_mark(spawn: Spawn) -> None:
    recorded = spawn({"A": "1"})
    assert kill(attempt(), recorded).gone
    assert recorded.is_alive() is False


def test_without_processes_the_attempt_is_gone_and_nothing_is_killed(spawn: Spawn) -> None:
    stranger = spawn({"A": "1"})
    assert kill(attempt()) == Verdict(gone=True, seen=())
    assert stranger.is_alive()


def test_an_unknown_process_is_named_not_killed_and_prevents_the_proof(spawn: Spawn) -> None:
    bare = spawn({})
    verdict = kill(attempt(), deadline_s=0.2)
    assert not verdict.gone
    assert any(f"pid {bare.pid} " in text for text in verdict.seen)
    assert bare.is_alive()


def test_a_helper_without_an_environment_in_an_unrelated_session_is_not_unknown(spawn: Spawn) -> None:
    browser = spawn({"PATH": "/bin:/usr/bin"}, "/bin/sh", "-c", "env -i sleep 1000 & wait")
    trees.wait_until(lambda: descendants(browser.pid), "the helper runs")
    helper = descendants(browser.pid)[0]
    trees.wait_until(lambda: module._environment(helper.pid) == b"", "it shows no environment")
    assert helper not in sweep(attempt()).unknown
    browser.kill(9)
    trees.wait_until(lambda: browser.is_alive() is False, "the leader of its session is gone")
    assert helper.is_alive()
    helper.kill(9)


def test_a_session_older_than_the_worker_does_not_belong_to_the_attempt(spawn: Spawn, tmp_path: Path) -> None:
    token = trees.fresh_token()
    wait = f"while [ ! -e {tmp_path / 'go'} ]; do /bin/sleep 0.02; done; /bin/sleep {token} & wait"
    leader = spawn({}, "/bin/sh", "-c", wait)
    trees.wait_until(lambda: SystemClock().mono_ms() / 10 > leader.start_time + 2, "a tick has passed")
    worker = spawn({"PATH": "/bin"})
    (tmp_path / "go").touch()
    trees.wait_until(lambda: trees.alive(token), "the helper runs")
    helper = ProcessId.of(*trees.alive(token))
    assert helper is not None
    assert helper.start_time >= worker.start_time
    assert helper not in sweep(attempt(), since=worker.start_time).unknown
    helper.kill(9)


DAEMON = """while [ ! -e go ]; do /bin/sleep 0.02; done
{start} & echo $! > started
wait"""


def helper_of_daemon(spawn: Spawn, folder: Path, start: str) -> tuple[ProcessId, ProcessId, int]:
    """A daemon, what it starts in a separate session without an environment, and the start of a worker in between."""
    token = trees.fresh_token()
    script = DAEMON.format(start=start.format(sleep=f"/usr/bin/env -i /bin/sleep {token}"))
    daemon = spawn({"PATH": "/usr/bin:/bin"}, "/bin/sh", "-c", f"cd {folder}; {script}")
    trees.wait_until(lambda: SystemClock().mono_ms() / 10 > daemon.start_time + 2, "a tick has passed")
    worker = spawn({"PATH": "/bin"})
    (folder / "go").touch()

    def sleepers() -> list[int]:
        return [pid for pid in trees.alive(token) if (stat := read_stat(pid)) is not None and stat.name == "sleep"]

    trees.wait_until(sleepers, "the helper runs")
    helper = ProcessId.of(*sleepers())
    assert helper is not None
    trees.wait_until(lambda: module._environment(helper.pid) == b"", "it shows no environment")
    return daemon, helper, worker.start_time


def is_unknown(helper: ProcessId, since: int, *above: ProcessId) -> bool:
    return helper in sweep(attempt(), since=since, above={*above}).unknown


def test_processes_of_an_older_daemon_do_not_belong_to_the_attempt(spawn: Spawn, tmp_path: Path) -> None:
    """Like the backends of a database server, each of which leads a session and overwrites its environment."""
    daemon, helper, since = helper_of_daemon(spawn, tmp_path, "/usr/bin/setsid {sleep}")
    assert helper in sweep(attempt(), since=since).unknown  # which processes can inherit is not known
    assert is_unknown(helper, since, ProcessId.mine(), daemon)  # the daemon could have inherited it
    assert not is_unknown(helper, since)
    helper.kill(9)


def test_processes_left_by_an_ended_daemon_may_belong_to_the_attempt(spawn: Spawn, tmp_path: Path) -> None:
    daemon, helper, since = helper_of_daemon(spawn, tmp_path, "/usr/bin/setsid {sleep}")
    daemon.kill(9)
    trees.wait_until(lambda: daemon.is_alive() is False, "the daemon is gone")
    assert is_unknown_wherever_it_went(helper, since)
    helper.kill(9)


def is_unknown_wherever_it_went(helper: ProcessId, since: int) -> bool:
    """Its new parent is the first process, or an ancestor of this one."""
    return not module._is_below_a_stranger(helper, since, {*(ancestors(os.getpid()) or ()), ProcessId.mine()})


def test_processes_of_an_older_daemon_in_another_pid_namespace_may_belong_to_the_attempt(
    spawn: Spawn, tmp_path: Path
) -> None:
    """A process that enters such a namespace may get a parent there that is older than the attempt."""
    namespace = "/usr/bin/setsid /usr/bin/unshare --user --pid --fork --kill-child {sleep}"
    _, helper, since = helper_of_daemon(spawn, tmp_path, namespace)
    assert not module._is_below_a_stranger(helper, since, ())
    helper.kill(9)


def test_a_recorded_process_of_another_pid_namespace_is_never_called_gone(spawn: Spawn) -> None:
    mine = ProcessId.mine()
    foreign = ProcessId(pid=mine.pid, start_time=mine.start_time, boot_id=mine.boot_id, pid_ns=1)
    verdict = kill(attempt(), foreign, deadline_s=0.1)
    assert not verdict.gone
    assert "another pid namespace" in verdict.seen[0]


def test_a_process_that_shows_only_in_the_second_pass_is_killed(spawn: Spawn) -> None:
    attempt_id = attempt()
    late: list[ProcessId] = []

    def gap(seconds: float) -> None:
        if not late:
            late.append(spawn(marks(attempt_id)))

    verdict = kill_marked(attempt_id, recorded=(), deadline_s=trees.DEADLINE_S, clock=SystemClock(), wait=gap)
    assert verdict.gone
    assert late[0].is_alive() is False
