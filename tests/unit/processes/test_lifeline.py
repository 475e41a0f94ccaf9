"""A lock that lasts as long as any process that inherited it, and a record of the processes that were seen."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live_swarm import wait_until
from msgspec.structs import replace

from swarm_shared.domain.errors import DatabaseError
from swarm_shared.processes.file_lock import try_lock
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.lifeline import FOLDER, Lifeline, Lifelines

Spawn = Callable[..., ProcessId]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Starts a sleeper that inherits these descriptors; ends all of them."""
    children: list[subprocess.Popen[bytes]] = []

    def start(*descriptors: int) -> ProcessId:
        children.append(subprocess.Popen(["/bin/sleep", "1000"], env={}, pass_fds=descriptors))
        found = ProcessId.of(children[-1].pid)
        assert found is not None
        return found

    yield start
    for child in children:
        child.kill()
        child.wait()


def program(pid: int = 4242) -> ProcessId:
    """One that is named and never looked at."""
    return replace(ProcessId.mine(), pid=pid)


def lock_file(folder: Path) -> Path:
    (found,) = (path for path in (folder / FOLDER).iterdir() if path.suffix not in (".seen", ".above"))
    return found


def end(process: ProcessId) -> None:
    process.kill(9)
    os.waitpid(process.pid, 0)


def test_a_process_that_inherits_the_lock_cannot_write_the_record(tmp_path: Path, spawn: Spawn) -> None:
    lifeline, seen = Lifeline(tmp_path, program()), spawn()
    lifeline.record([seen])
    forged = f"{os.getpid():>10} {1:>20}\n" * 9
    forge = f"import os; os.pwrite({lifeline.descriptor}, {forged.encode()!r}, 0)"
    subprocess.run([sys.executable, "-c", forge], pass_fds=(lifeline.descriptor,), check=True)
    assert Lifelines(tmp_path).recorded(program()) == [seen]


def test_the_lock_is_free_only_when_the_last_process_that_inherited_it_has_ended(tmp_path: Path, spawn: Spawn) -> None:
    lifelines = Lifelines(tmp_path)
    lifeline = Lifeline(tmp_path, program())
    child = spawn(lifeline.descriptor)
    os.close(lifeline.descriptor)
    assert lifelines.is_free(program()) is False
    assert lifelines.holders(program()) == [child]
    end(child)
    assert lifelines.is_free(program()) is True
    assert lifelines.holders(program()) == []


def test_nothing_is_claimed_about_a_program_without_a_file(tmp_path: Path) -> None:
    lifelines = Lifelines(tmp_path)
    assert lifelines.is_free(program()) is None
    assert lifelines.holders(program()) == lifelines.recorded(program()) == []
    lifelines.clear(needed=())


def test_programs_that_share_a_number_have_separate_files(tmp_path: Path) -> None:
    first = program()
    os.close(Lifeline(tmp_path, first).descriptor)
    for other in (replace(first, start_time=1), replace(first, pid_ns=1), replace(first, boot_id="another-boot")):
        assert Lifelines(tmp_path).is_free(other) is None


def test_only_processes_with_the_lock_are_holders_and_a_backup_that_reads_the_file_is_not(
    tmp_path: Path, spawn: Spawn
) -> None:
    lifeline = Lifeline(tmp_path, program())
    file = lock_file(tmp_path)
    reader = os.open(file, os.O_RDONLY)
    backup = spawn(reader)
    os.close(reader)
    assert Lifelines(tmp_path).holders(program()) == []
    assert backup.is_alive()
    os.close(lifeline.descriptor)


def test_holders_are_found_although_the_file_was_deleted(tmp_path: Path, spawn: Spawn) -> None:
    lifeline = Lifeline(tmp_path, program())
    child = spawn(lifeline.descriptor)
    os.close(lifeline.descriptor)
    file = lock_file(tmp_path)
    file.unlink()
    assert Lifelines(tmp_path).holders(program()) == [child]


def test_two_simultaneous_checks_do_not_mistake_each_other_for_holders(tmp_path: Path) -> None:
    os.close(Lifeline(tmp_path, program()).descriptor)
    file = lock_file(tmp_path)
    with file.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert Lifelines(tmp_path).is_free(program()) is True


def test_recorded_processes_are_read_back_and_stay_recorded_while_they_live(tmp_path: Path, spawn: Spawn) -> None:
    lifelines, lifeline = Lifelines(tmp_path), Lifeline(tmp_path, program())
    one, two, three = spawn(), spawn(), spawn()
    lifeline.record([one, two])
    assert lifelines.recorded(program()) == [one, two]
    lifeline.record([three])
    assert lifelines.recorded(program()) == [one, two, three], "it is no longer below the program, but alive"
    end(one)
    end(two)
    lifeline.record([three])
    assert lifelines.recorded(program()) == [three]
    os.close(lifeline.descriptor)


def test_a_damaged_record_is_read_as_far_as_it_makes_sense(tmp_path: Path) -> None:
    os.close(Lifeline(tmp_path, program()).descriptor)
    (file,) = (tmp_path / FOLDER).glob("*.seen")
    file.write_bytes(b"\xff\xfe\n0 7\n-1 7\nx y\n12\n 12 34\n")
    assert [(each.pid, each.start_time) for each in Lifelines(tmp_path).recorded(program())] == [(12, 34)]


def test_a_record_that_cannot_be_written_now_is_written_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifelines, lifeline = Lifelines(tmp_path), Lifeline(tmp_path, program())

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        lifeline.record([ProcessId.mine()])
    lifeline.record([ProcessId.mine()])
    assert lifelines.recorded(program()) == [ProcessId.mine()]
    os.close(lifeline.descriptor)


def test_the_ancestors_of_a_program_are_recorded(tmp_path: Path) -> None:
    Lifeline(tmp_path, program())
    found = Lifelines(tmp_path).ancestors(program())
    assert found is not None
    assert os.getppid() in [process.pid for process in found] or os.getppid() == 1
    assert all(process.is_alive() for process in found)


@pytest.mark.parametrize("damage", [b"", b"      1 ", b"      7                   1\n"])
def test_without_a_complete_record_the_ancestors_of_a_program_are_unknown(tmp_path: Path, damage: bytes) -> None:
    """A missing one would be taken for a stranger."""
    Lifeline(tmp_path, program())
    path = lock_file(tmp_path)
    path.with_name(path.name + ".above").write_bytes(damage)
    assert Lifelines(tmp_path).ancestors(program()) is None
    assert Lifelines(tmp_path).ancestors(program(4243)) is None
    assert Lifelines(tmp_path).ancestors(replace(program(), pid_ns=1)) is None


def test_files_without_holders_are_removed_unless_a_proof_still_needs_them(tmp_path: Path) -> None:
    held, needed, left = program(1), program(2), program(3)
    lifeline = Lifeline(tmp_path, held)
    for each in (needed, left):
        os.close(Lifeline(tmp_path, each).descriptor)
    lifelines = Lifelines(tmp_path)
    lifelines.clear(needed=[needed])
    assert [lifelines.is_free(each) for each in (held, needed, left)] == [False, True, None]
    lifeline.remove()
    os.close(lifeline.descriptor)
    assert lifelines.is_free(held) is None


def test_a_file_removed_between_opening_and_locking_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cleared_just_before(descriptor: int) -> bool:
        monkeypatch.setattr("swarm_shared.processes.lifeline.try_lock", try_lock)
        Lifelines(tmp_path).clear(needed=())
        return try_lock(descriptor)

    monkeypatch.setattr("swarm_shared.processes.lifeline.try_lock", cleared_just_before)
    lifeline = Lifeline(tmp_path, program())
    assert Lifelines(tmp_path).is_free(program()) is False
    os.close(lifeline.descriptor)


def test_the_descriptor_is_not_inherited_by_accident_and_has_a_high_number(tmp_path: Path) -> None:
    lifeline = Lifeline(tmp_path, program())
    assert not os.get_inheritable(lifeline.descriptor)
    assert lifeline.descriptor >= 100
    os.close(lifeline.descriptor)


def test_a_low_limit_on_open_files_is_no_obstacle(tmp_path: Path) -> None:
    script = (
        "import resource, pathlib, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "from swarm_shared.processes.lifeline import Lifeline; from swarm_shared.processes.identity import ProcessId\n"
        "print(Lifeline(pathlib.Path(sys.argv[1]), ProcessId.mine()).descriptor)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert 2 < int(ended.stdout) < 64


def no_locks(*_: object) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


def test_a_disk_without_file_locks_is_refused_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(DatabaseError, match="cannot be locked where the database is: No locks") as refused:
        Lifeline(tmp_path, program())
    assert "local disk" in (refused.value.hint or "")


def test_a_folder_that_cannot_be_written_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    with pytest.raises(DatabaseError, match="cannot lock") as refused:
        Lifeline(tmp_path, program())
    assert refused.value.hint


def test_a_process_that_ended_before_the_check_is_no_holder(tmp_path: Path, spawn: Spawn) -> None:
    lifeline = Lifeline(tmp_path, program())
    child = spawn(lifeline.descriptor)
    os.close(lifeline.descriptor)
    child.kill(9)
    wait_until(lambda: child.is_alive() is False)
    assert Lifelines(tmp_path).holders(program()) == []
