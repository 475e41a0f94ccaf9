"""The shipped configuration and the paths it is written to."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from swarm_shared.domain.errors import SupervisorError
from swarm_shared.supervisor import files as supervisor_files
from swarm_shared.supervisor.files import (
    SOCKET_PATH_BYTES,
    configuration_text,
    prepare,
    short_home,
    socket_path,
)

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A short temporary folder in place of the system's."""
    folder = Path(tempfile.mkdtemp(prefix="sw-"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(folder))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    yield folder
    shutil.rmtree(folder)


def long_folder(temporary: Path) -> Path:
    folder = temporary / ("x" * 120)
    folder.mkdir(exist_ok=True)
    return folder


def test_start_writes_the_checked_in_configuration(temporary: Path) -> None:
    checked_in = (CHECKOUT / "supervisord.conf").read_bytes()
    assert configuration_text().encode() == checked_in
    for state_dir in (temporary / "tasks.db.swarm", long_folder(temporary)):
        prepare(state_dir)
        assert (state_dir / "supervisord.conf").read_bytes() == checked_in


def test_a_packaged_configuration_takes_precedence_over_the_checkout(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temporary / "supervisord.conf").write_text("packaged")
    monkeypatch.setattr(supervisor_files, "files", lambda package: temporary)
    assert configuration_text() == "packaged"


def test_the_configuration_expands_nothing_from_the_environment() -> None:
    assert "%(ENV" not in configuration_text()


def test_the_folders_are_private_and_a_second_call_changes_nothing(temporary: Path) -> None:
    state_dir = temporary / "tasks.db.swarm"
    first = prepare(state_dir)
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    assert first.configuration == state_dir / "supervisord.conf"
    assert first.socket == socket_path(state_dir) == state_dir / "var" / "supervisor.sock"
    assert first.log.parent.is_dir()
    before = sorted(state_dir.rglob("*"))
    assert prepare(state_dir) == first
    assert sorted(state_dir.rglob("*")) == before


def test_a_short_path_is_used_unchanged_and_made_absolute(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(temporary)
    assert short_home(Path("here")) == temporary / "here"


@pytest.mark.parametrize("name", ["x" * 120, "ü" * 60, "100%", "a[b]", "a*b", "a?b"])
def test_a_long_or_unsuitable_path_gets_a_short_private_alias(temporary: Path, name: str) -> None:
    folder = temporary / name
    folder.mkdir()
    alias = short_home(folder)
    assert alias.samefile(folder)
    assert len(os.fsencode(socket_path(folder))) <= SOCKET_PATH_BYTES
    assert alias.name.isalnum()
    assert stat.S_IMODE(alias.parent.stat().st_mode) == 0o700
    assert short_home(folder) == alias


def test_a_deleted_or_foreign_alias_is_created_again(temporary: Path) -> None:
    folder = long_folder(temporary)
    alias = short_home(folder)
    alias.unlink()
    alias.symlink_to(temporary)
    assert short_home(folder).samefile(folder)
    shutil.rmtree(alias.parent)
    assert short_home(folder).samefile(folder)


def test_two_folders_never_share_an_alias(temporary: Path) -> None:
    one, other = long_folder(temporary), temporary / ("y" * 120)
    assert short_home(one) != short_home(other)


@pytest.mark.parametrize("trap", ["open to others", "a link", "a file"])
def test_a_path_that_others_could_have_prepared_is_not_used(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    private = temporary / f"amplifier-swarm-{os.getuid()}"
    if trap == "open to others":
        private.mkdir()
        private.chmod(0o777)
    elif trap == "a link":
        elsewhere = temporary / "elsewhere"
        elsewhere.mkdir(mode=0o700)
        private.symlink_to(elsewhere)
    else:
        private.touch()
    runtime = temporary / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert short_home(long_folder(temporary)).is_relative_to(runtime)


def test_without_any_private_place_the_error_gives_advice(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_files, "_is_private", lambda folder: False)
    with pytest.raises(SupervisorError) as error:
        short_home(long_folder(temporary))
    assert error.value.hint is not None
    assert "TMPDIR" in error.value.hint


def test_a_state_directory_that_cannot_be_made_is_an_error_with_a_hint(temporary: Path) -> None:
    (temporary / "occupied").touch()
    with pytest.raises(SupervisorError, match="occupied") as error:
        prepare(temporary / "occupied")
    assert error.value.hint
