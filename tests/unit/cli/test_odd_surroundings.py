"""Closed and full outputs, paths that are not UTF-8, other locales, tight limits: always a clear error, never a bug."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import ConfigError, DatabaseError
from swarm_shared.domain.models import TaskSpec
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.engine.opened_file import OpenedFile

DEADLINE_S = 60
TASKS = "tasks:\n- {id: a, name: A, run: 'true'}\n"
COMMANDS = {
    "status": 0,
    "status --json": 0,
    "list-tasks": 0,
    "validate tasks.yaml": 0,
    "import-tasks tasks.yaml": 0,
    "config": 0,
    "--help": 0,
    "why nosuch": 5,
}
CLOSED = (">&-", "2>&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tasks.yaml").write_text(TASKS)
    with TaskDatabase(tmp_path / "tasks.db") as database:
        database.imports.run([TaskSpec(id="b", name="B")], source="test", actor="test")
    return tmp_path


def shell(folder: Path, text: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("SWARM_")}
    program = f"'{sys.executable}' -m amplifier_swarm"
    return subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {text.replace('amplifier-swarm', program)}"],
        cwd=folder,
        env={**own, **variables},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.parametrize("closed", CLOSED)
def test_a_closed_stream_behaves_like_dev_null(folder: Path, closed: str) -> None:
    text = "; ".join(f"amplifier-swarm {words} {closed}; echo $? >> codes" for words in COMMANDS)
    ran = shell(folder, text)
    assert [int(line) for line in (folder / "codes").read_text().split()] == list(COMMANDS.values())
    assert b"bug" not in ran.stderr
    assert b"Traceback" not in ran.stderr
    with TaskDatabase(folder / "tasks.db") as database:
        assert database.tasks.get("a")["name"] == "A", "the import was carried out"


def test_a_message_that_standard_error_does_not_accept_changes_nothing(folder: Path) -> None:
    text = "; ".join(f"amplifier-swarm {words} 2>/dev/full; echo $? >> codes" for words in COMMANDS)
    shell(folder, text)
    assert [int(line) for line in (folder / "codes").read_text().split()] == list(COMMANDS.values())


def test_a_full_standard_output_is_an_error_with_its_own_exit_code(folder: Path) -> None:
    ran = shell(folder, "amplifier-swarm list-tasks > /dev/full")
    assert ran.returncode == 74
    assert ran.stderr.startswith(b"error: standard output could not be written: No space left on device\nhint: ")


def test_the_failure_of_a_command_takes_precedence_over_that_of_its_output(folder: Path) -> None:
    assert shell(folder, "amplifier-swarm why nosuch > /dev/full").returncode == 5
    assert shell(folder, "amplifier-swarm status --nosuch | true").returncode == 2


def test_a_closed_pipe_gives_code_141(folder: Path) -> None:
    ran = shell(folder, "amplifier-swarm config | true")
    assert ran.returncode in (0, 141)  # 0: everything was written before the pipe was closed
    assert ran.stderr == b""


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (r"amplifier-swarm validate $'x\xff.yaml'", {}),
        (r"amplifier-swarm status --db $'x\xff.db'", {}),
        (r"SWARM_DB=$'x\xff.db' amplifier-swarm status", {}),
        (r"SWARM_PROJECT_ROOT=$'x\xff' amplifier-swarm config", {}),
        (r"mkdir $'x\xff' && cd $'x\xff' && amplifier-swarm import-tasks ../tasks.yaml", {}),
    ],
    ids=["argument", "database", "variable for the database", "variable for the project", "current folder"],
)
def test_a_path_that_is_not_utf8_is_refused_with_an_explanation(
    folder: Path, text: str, variables: dict[str, str]
) -> None:
    ran = shell(folder, text, **variables)
    assert ran.returncode == 3
    assert b"is not valid UTF-8\nhint: rename" in ran.stderr


def test_a_locale_of_another_encoding_does_not_change_what_is_read_or_written(folder: Path) -> None:
    ascii_only = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    (folder / "übung.yaml").write_text("tasks:\n- {id: ü, name: Übung}\n", encoding="utf-8")
    ran = shell(
        folder, "amplifier-swarm import-tasks übung.yaml --db ü.db && amplifier-swarm why ü --db ü.db", **ascii_only
    )
    assert ran.returncode == 0, ran.stderr
    with TaskDatabase(folder / "ü.db") as database:
        assert database.tasks.get("ü")["name"] == "Übung"


def test_a_name_that_is_too_long_and_a_dangling_link_are_named(folder: Path) -> None:
    ran = shell(folder, f"amplifier-swarm import-tasks tasks.yaml --db {'n' * 300}.db")
    assert (ran.returncode, b"File name too long" in ran.stderr) == (4, True)
    (folder / "link.db").symlink_to("nowhere/x.db")
    for words in ("status", "import-tasks tasks.yaml"):
        ran = shell(folder, f"amplifier-swarm {words} --db link.db")
        assert (ran.returncode, b"is a link to nowhere/x.db, which does not exist" in ran.stderr) == (4, True)
    with pytest.raises(DatabaseError, match="is a link to"):
        OpenedFile.at(folder / "link.db")


def test_without_proc_the_error_says_that_proc_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm_shared.processes.identity.read_stat", lambda pid: None)
    with pytest.raises(ConfigError, match="/proc does not show this process"):
        ProcessId.mine()


def test_a_low_limit_of_open_files_is_found_before_anything_starts(folder: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert hard == resource.RLIM_INFINITY or hard >= 1024, "the test itself needs more"
    ran = shell(folder, "ulimit -n 256; amplifier-swarm start --no-dashboard --agent-cli command")
    assert ran.returncode == 3
    assert b"error: this shell allows 256 open files, and supervisord needs 1024\nhint: raise the limit" in ran.stderr


def test_a_read_only_file_system_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class ReadOnly:
        f_flag = os.ST_RDONLY

    def refused(*_: object, **__: object) -> None:
        raise apsw.CantOpenError("unable to open database file")

    monkeypatch.setattr(os, "statvfs", lambda path: ReadOnly())
    monkeypatch.setattr("swarm_shared.store.engine.connection.apsw.Connection", refused)
    with pytest.raises(DatabaseError) as error:
        TaskDatabase(folder / "tasks.db", create=False, read_only=True)
    assert error.value.hint is not None
    assert error.value.hint.startswith("the file system is read-only")
