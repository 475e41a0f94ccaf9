"""The keeper starts what it is asked for, reports every end truthfully, and hands on nothing else."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from keeper_desk import Desk, open_desk

from swarm_shared.processes import ProcessId
from swarm_worker import keeper as keeper_module
from swarm_worker.keeper import Exited, Gone, Keeper, KeeperLost, Launch, Started, StartFailed


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as desk:
        yield desk


def sh(script: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script)


def test_a_process_is_named_by_pid_and_start_time(desk: Desk) -> None:
    request = desk.start(*sh("sleep 100"))
    started = desk.wait(Started, request)
    assert ProcessId.of(started.pid) == ProcessId.here(started.pid, started.start_time)


def test_every_exit_code_is_reported_truthfully(desk: Desk) -> None:
    requests = {desk.start(*sh(f"exit {code}")): code for code in range(256)}
    ends = {request: desk.wait(Exited, request) for request in requests}
    assert {request: end.exit_code for request, end in ends.items()} == requests
    assert {end.signal for end in ends.values()} == {None}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE, signal.SIGINT])
def test_a_killed_process_never_counts_as_exit_zero(desk: Desk, number: signal.Signals) -> None:
    end = desk.wait(Exited, desk.start(*sh(f"kill -{int(number)} $$; sleep 100")))
    assert (end.exit_code, end.signal) == (None, number)


def test_two_hundred_in_a_row_keep_their_own_status_among_orphans_that_end(desk: Desk) -> None:
    for number in range(200):
        code = number % 256
        # The orphan ends at about the same time, and is waited for by the keeper too.
        end = desk.wait(Exited, desk.start(*sh(f"(exit 99) & exit {code}")))
        assert end.exit_code == code


def test_an_end_that_leaves_nothing_says_so(desk: Desk) -> None:
    assert desk.wait(Exited, desk.start("/bin/true")).alone


def test_an_end_that_leaves_an_orphan_says_so(desk: Desk) -> None:
    end = desk.wait(Exited, desk.start(*sh("sleep 100 & exit 0")))
    assert not end.alone
    desk.keeper.end(0)
    desk.wait(Gone)


def test_an_orphan_that_holds_standard_output_does_not_delay_the_end(tmp_path: Path, desk: Desk) -> None:
    readable, writable = os.pipe()
    launch = Launch(argv=sh("sleep 100 & echo done"), env=dict(os.environ), cwd="/")
    request = desk.keeper.start(launch, writable, writable, writable)
    os.close(writable)
    assert desk.wait(Exited, request).exit_code == 0
    assert os.read(readable, 100) == b"done\n"
    desk.keeper.kill()
    desk.wait(Gone)
    assert os.read(readable, 100) == b"", "the descriptors we gave away are still open somewhere"
    os.close(readable)


def test_descriptors_do_not_leak_into_a_started_process(tmp_path: Path) -> None:
    careless = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(careless, True)
    with open_desk(tmp_path) as desk:
        desk.wait(Exited, desk.start("/bin/ls", "/proc/self/fd"))
        assert desk.output().split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads
    os.close(careless)


def test_the_keeper_keeps_no_descriptor_of_the_worker_and_none_of_a_started_process(desk: Desk) -> None:
    def held() -> list[str]:
        return sorted(os.listdir(f"/proc/{desk.keeper.pid}/fd"), key=int)

    desk.wait(Started, desk.start("/bin/true"))
    own = 6  # 0, 1, 2, the socket, two ends of the wake-up pipe
    trees.wait_until(lambda: len(held()) == own, "it holds its own descriptors only")
    before = held()
    for _ in range(20):
        desk.wait(Exited, desk.start("/bin/true"))
    desk.wait(StartFailed, desk.start("/nowhere"))
    trees.wait_until(lambda: held() == before, f"nothing was added to {before}")


def test_a_started_process_ignores_and_blocks_no_signal(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with open_desk(tmp_path) as desk:
            desk.wait(Exited, desk.start("/bin/grep", "-E", "SigIgn|SigBlk", "/proc/self/status"))
            masks = [line.split()[1] for line in desk.output().splitlines()]
            # Every posix_spawn of glibc leaves its own two internal signals, 32 and 33, ignored.
            assert [int(mask, 16) & ~(0b11 << 31) for mask in masks] == [0, 0]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_started_process_has_its_own_session_and_working_directory(tmp_path: Path, desk: Desk) -> None:
    request = desk.start(*sh("pwd; sleep 100"), cwd=str(tmp_path))
    pid = desk.wait(Started, request).pid
    assert os.getsid(pid) == os.getpgid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == str(tmp_path)
    assert os.readlink(f"/proc/{desk.keeper.pid}/cwd") == "/"


def test_a_large_environment_arrives_whole(desk: Desk) -> None:
    env = {f"LARGE_{number}": "x" * 100_000 for number in range(5)}
    end = desk.wait(Exited, desk.start("/usr/bin/env", env=env))
    assert end.exit_code == 0
    assert desk.output() == "".join(f"{name}={value}\n" for name, value in env.items())


def test_text_that_is_no_utf8_passes_unchanged(desk: Desk) -> None:
    odd = os.fsdecode(b"\xff\xfe")
    end = desk.wait(Exited, desk.start(*sh('test "$ODD" = "$1"'), "sh", odd, env={"ODD": odd}))
    assert end.exit_code == 0


def test_standard_input_is_the_descriptor_that_was_given(desk: Desk) -> None:
    readable, writable = os.pipe()
    os.write(writable, b"a prompt")
    os.close(writable)
    with open(os.devnull, "wb") as null:
        launch = Launch(argv=sh('test "$(cat)" = "a prompt"'), env=dict(os.environ), cwd="/")
        request = desk.keeper.start(launch, readable, null.fileno(), null.fileno())
    os.close(readable)
    assert desk.wait(Exited, request).exit_code == 0


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
def test_a_failed_start_says_why_and_the_next_one_works(desk: Desk, tmp_path: Path, case: str) -> None:
    argv, cwd, number, text = failing_starts(tmp_path)[case]
    failed = desk.wait(StartFailed, desk.start(*argv, cwd=cwd))
    assert failed.errno == number
    assert text in failed.text
    assert desk.wait(Exited, desk.start("/bin/true")).alone


def test_nothing_starts_while_an_ending_goes_on(desk: Desk) -> None:
    ready = desk.start(sys.executable, "-ISc", "import signal; signal.signal(15, 1); print(1, flush=1); signal.pause()")
    desk.wait(Started, ready)
    trees.wait_until(desk.output, "it ignores TERM")
    desk.keeper.end(30)
    refused = desk.wait(StartFailed, desk.start("/bin/true"))
    assert refused.errno == errno.EBUSY
    desk.keeper.kill()
    desk.wait(Gone)
    assert desk.wait(Exited, desk.start("/bin/true")).exit_code == 0


def test_an_answer_to_an_older_end_is_not_taken_for_the_newer_one(desk: Desk) -> None:
    desk.keeper.end(0)
    desk.wait(Gone)
    desk.keeper.end(5)
    desk.keeper.kill()
    assert desk.wait(Gone).ending == 3
    assert desk.wait(Exited, desk.start("/bin/true")).alone
    assert not any(isinstance(event, Gone) for event in desk.seen + desk.keeper.events())


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGPIPE"])
def test_no_signal_but_kill_ends_the_keeper(desk: Desk, name: str) -> None:
    os.kill(desk.keeper.pid, signal.Signals[name])
    assert desk.wait(Exited, desk.start("/bin/true")).exit_code == 0


def test_the_loss_of_the_keeper_is_told_once_after_what_it_said_before(desk: Desk) -> None:
    request = desk.start("/bin/true")
    desk.wait(Exited, request)
    os.kill(desk.keeper.pid, signal.SIGKILL)
    desk.wait(KeeperLost)
    assert desk.keeper.lost
    desk.keeper.end(1)  # nobody hears it, and nothing is raised
    desk.start("/bin/true")
    assert desk.keeper.events() == []


def test_a_keeper_that_takes_nothing_counts_as_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "SEND_DEADLINE_S", 0.1)
    os.kill(desk.keeper.pid, signal.SIGSTOP)
    desk.start("/bin/true", env={f"LARGE_{number}": "x" * 100_000 for number in range(10)})
    assert desk.keeper.lost
    assert isinstance(desk.keeper.events()[-1], KeeperLost)
    os.kill(desk.keeper.pid, signal.SIGCONT)


def test_hundreds_of_starts_without_reading_do_not_block_either_side(desk: Desk) -> None:
    env = {"LARGE": "x" * 100_000}
    requests = [desk.start("/bin/true", env=env) for _ in range(600)]
    assert [desk.wait(Exited, request).exit_code for request in requests] == [0] * 600


def test_the_owner_of_a_closed_keeper_can_wait_for_its_end(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    keeper = Keeper.fork(on_orphaned=lambda: proof.touch())
    keeper.close()
    assert keeper.join(10)
    assert proof.exists()
