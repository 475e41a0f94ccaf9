"""A tree starts what it is asked to start, reports every end truthfully, and passes on nothing else."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from tree_harness import Harness, open_harness

from swarm_worker.processes.session_tree import CannotStart, Exited, Gone


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    with open_harness(tmp_path) as harness:
        yield harness


def sh(script: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script)


def ended(harness: Harness, *argv: str, **how: object) -> Exited:
    """Start a process and wait for its end, and for the end of what it left behind."""
    harness.start(*argv, **how)  # type: ignore[arg-type]
    end = harness.wait(Exited)
    if not end.alone:
        harness.kill()
        harness.wait(Gone)
    return end


def test_every_exit_code_is_reported_truthfully(harness: Harness) -> None:
    ends = [ended(harness, *sh(f"exit {code}")) for code in range(256)]
    assert [end.exit_code for end in ends] == list(range(256))
    assert {end.signal for end in ends} == {None}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE, signal.SIGINT])
def test_a_killed_process_never_counts_as_exit_zero(harness: Harness, number: signal.Signals) -> None:
    end = ended(harness, *sh(f"kill -{int(number)} $$; sleep 100"))
    assert (end.exit_code, end.signal) == (None, number)


def test_two_hundred_in_a_row_keep_their_own_status_among_orphans_that_end(harness: Harness) -> None:
    for number in range(200):
        # The orphan ends at about the same time, and is waited for too.
        assert ended(harness, *sh(f"(exit 99) & exit {number}")).exit_code == number


def test_an_end_that_leaves_nothing_behind_is_reported_as_such(harness: Harness) -> None:
    assert ended(harness, "/bin/true").alone


def test_an_end_that_leaves_an_orphan_is_reported_as_such(harness: Harness) -> None:
    assert not ended(harness, *sh("sleep 100 & exit 0")).alone


def test_an_orphan_that_holds_standard_output_does_not_delay_the_end(tmp_path: Path, harness: Harness) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    readable = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(readable, True)
    harness.start(*sh("sleep 100 & echo done"), out=str(pipe))
    assert harness.wait(Exited).exit_code == 0
    assert os.read(readable, 100) == b"done\n"
    harness.kill()
    harness.wait(Gone)
    assert os.read(readable, 100) == b"", "the descriptors that we passed on are still open somewhere"
    os.close(readable)


def test_descriptors_do_not_leak_into_a_started_process(harness: Harness) -> None:
    ended(harness, "/bin/ls", "/proc/self/fd")
    assert harness.output().split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads


def test_descriptors_that_the_worker_itself_inherited_are_not_passed_on(tmp_path: Path) -> None:
    readable, writable = os.pipe()
    os.set_inheritable(writable, True)
    try:
        with open_harness(tmp_path) as harness:
            ended(harness, "/bin/ls", "/proc/self/fd")
            assert harness.output().split() == ["0", "1", "2", "3"]
    finally:
        os.close(readable)
        os.close(writable)


def test_no_descriptor_of_a_started_process_is_kept_open(harness: Harness) -> None:
    def held() -> list[str]:
        return sorted(os.listdir(f"/proc/{harness.pid}/fd"), key=int)

    ended(harness, "/bin/true")
    before = held()
    for _ in range(20):
        ended(harness, "/bin/true")
    with pytest.raises(CannotStart):
        harness.start("/nowhere")
    assert held() == before


def test_a_started_process_ignores_and_blocks_no_signal(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with open_harness(tmp_path) as harness:
            ended(harness, "/bin/grep", "-E", "SigIgn|SigBlk", "/proc/self/status")
            masks = [line.split()[1] for line in harness.output().splitlines()]
            # Every posix_spawn of glibc leaves its own two internal signals, 32 and 33, ignored.
            assert [int(mask, 16) & ~(0b11 << 31) for mask in masks] == [0, 0]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_started_process_has_its_own_session_and_working_directory(tmp_path: Path, harness: Harness) -> None:
    before = os.readlink(f"/proc/{harness.pid}/cwd")
    pid = harness.start(*sh("pwd; sleep 100"), cwd=str(tmp_path))
    assert os.getsid(pid) == os.getpgid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == str(tmp_path)
    assert os.readlink(f"/proc/{harness.pid}/cwd") == before


def test_a_large_environment_arrives_complete(harness: Harness) -> None:
    env = {f"LARGE_{number}": "x" * 100_000 for number in range(5)}
    assert ended(harness, "/usr/bin/env", env=env).exit_code == 0
    assert harness.output() == "".join(f"{name}={value}\n" for name, value in env.items())


def test_text_that_is_not_utf8_passes_unchanged(harness: Harness) -> None:
    odd = os.fsdecode(b"\xff\xfe")
    assert ended(harness, *sh('test "$ODD" = "$1"'), "sh", odd, env={"ODD": odd}).exit_code == 0


def test_standard_input_is_the_descriptor_that_was_given(harness: Harness, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt"
    prompt.write_text("a prompt")
    assert ended(harness, *sh('test "$(cat)" = "a prompt"'), stdin=prompt).exit_code == 0


def test_closed_standard_descriptors_of_ours_do_not_mix_up_those_of_a_started_process(tmp_path: Path) -> None:
    script = """
import os, sys
os.chdir(sys.argv[1])
for number in (0, 1, 2):
    os.close(number)
from swarm_worker.processes.session_tree import Launch, Tree
tree = Tree()
descriptors = os.open("in", os.O_RDONLY), os.open("out", os.O_WRONLY), os.open("err", os.O_WRONLY)
launch = Launch(argv=("/bin/sh", "-c", "cat; echo err >&2"), env=dict(os.environ), cwd="/")
os.waitpid(tree.start(launch, *descriptors), 0)
"""
    for name in ("in", "out", "err"):
        (tmp_path / name).write_text("in" if name == "in" else "")
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], timeout=trees.DEADLINE_S, check=False)
    assert [(tmp_path / name).read_text() for name in ("out", "err")] == ["in", "err\n"]


def failing_starts(folder: Path) -> dict[str, tuple[list[str], str, int, str]]:
    bare = folder / "bare"
    bare.write_text("echo no first line")
    bare.chmod(0o755)
    broken = folder / "broken"
    broken.write_text("#!/no/such/python\n")
    broken.chmod(0o755)
    return {
        "no program": (["/no/such/program"], "/", errno.ENOENT, "/no/such/program"),
        "no folder": (["/bin/true"], "/no/such/folder", errno.ENOENT, "working directory /no/such/folder"),
        "a folder": (["/tmp"], "/", errno.EACCES, "Permission denied"),
        "no interpreter": ([str(broken)], "/", errno.ENOENT, "interpreter"),
        "no format": ([str(bare)], "/", errno.ENOEXEC, str(bare)),
        "too long": (["/bin/true", "x" * 200_000], "/", errno.E2BIG, "too long"),
        "a null byte": (["/bin/true", "a\0b"], "/", errno.EINVAL, "null"),
    }


@pytest.mark.parametrize(
    "case", ["no program", "no folder", "a folder", "no interpreter", "no format", "too long", "a null byte"]
)
def test_a_failed_start_gives_the_reason_and_the_next_start_works(harness: Harness, tmp_path: Path, case: str) -> None:
    argv, cwd, number, text = failing_starts(tmp_path)[case]
    with pytest.raises(CannotStart) as failed:
        harness.start(*argv, cwd=cwd)
    assert failed.value.errno == number
    assert text in str(failed.value)
    assert failed.value.of_program == (case in ("no program", "a folder", "no interpreter", "no format"))
    assert ended(harness, "/bin/true").alone


def test_nothing_starts_while_a_session_runs_or_is_being_ended(harness: Harness) -> None:
    harness.start(sys.executable, "-ISc", "import signal; signal.signal(15, 1); print(1, flush=1); signal.pause()")
    trees.wait_until(harness.output, "it ignores TERM")
    for grace_s in (None, 30):
        if grace_s is not None:
            harness.end(grace_s)
        with pytest.raises(CannotStart) as refused:
            harness.start("/bin/true")
        assert refused.value.errno == errno.EBUSY
    harness.kill()
    harness.wait(Exited)
    harness.wait(Gone)
    assert ended(harness, "/bin/true").exit_code == 0


def test_overlapping_endings_are_one_ending(harness: Harness) -> None:
    # Ignores signals, so that the first ending is not over before the second begins.
    harness.start(*sh('trap "" TERM; echo deaf; exec sleep 1000'))
    trees.wait_until(harness.output, "it ignores TERM")
    harness.end(3600)
    harness.kill()
    harness.wait(Exited)
    harness.wait(Gone)
    assert ended(harness, "/bin/true").alone
    assert harness.seen == []


def test_nothing_is_started_next_to_processes_left_by_another(tmp_path: Path) -> None:
    token = trees.fresh_token()
    with open_harness(tmp_path) as harness:
        harness.leave_behind("/bin/sleep", token)
        trees.wait_until(lambda: trees.alive(token), "what our own git left runs")
        harness.start("/bin/true")
        assert harness.wait(Exited).alone
        assert trees.alive(token) == []


def test_a_session_inherits_only_what_is_passed_on(tmp_path: Path) -> None:
    script = """
import os, sys
from swarm_worker.processes.session_tree import Launch, Tree
kept, other = os.open("/dev/null", os.O_RDONLY), os.open("/dev/zero", os.O_RDONLY)
os.set_inheritable(other, True)
tree = Tree(handed_on=kept)
look = f"ls -l /proc/self/fd/{kept}; ls /proc/self/fd/{other}"
tree.start(Launch(argv=("/bin/sh", "-c", look), env={}, cwd="/"), 0, 1, 2)
os.wait()
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30
    )
    assert "/dev/null" in ended.stdout
    assert "No such file" in ended.stderr
