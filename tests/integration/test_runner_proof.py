"""`runners check` and `doctor` prove the confinement, and notice when it does not hold."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from swarm_shared.domain.runners import BwrapOptions, RunnerOptions
from swarm_shared.runners.bwrap import Bwrap
from swarm_shared.runners.proving import Proven, prove, proven_of
from swarm_shared.runners.runner import Command, Grounds

pytestmark = pytest.mark.integration


def grounds(folder: Path) -> Grounds:
    return Grounds(
        home=Path.home(), project_root=folder, common_dir=None, database=folder / "db", state_dir=folder / "state"
    )


def proven(network: bool) -> Proven:
    return proven_of("bwrap", RunnerOptions(bwrap=BwrapOptions(network=network)))


@pytest.mark.parametrize("network", [True, False])
def test_all_attempts_fail_under_bwrap(tmp_path: Path, network: bool) -> None:
    proofs = prove(proven(network), grounds(tmp_path))
    assert [proof.text for proof in proofs if not proof.held] == []
    assert ("cannot reach the network" in proofs[-1].text) != network


def test_attempts_without_confinement_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unconfined(self: Bwrap, command: Command) -> tuple[str, ...]:
        # No mount or umount, which as root would change this machine.
        return ("/usr/bin/env", "-C", str(command.cwd), "PATH=/nonexistent:/bin-of-none", *command.argv)

    monkeypatch.setattr(Bwrap, "argv", unconfined)
    held = {proof.text: proof.held for proof in prove(proven(False), grounds(tmp_path))}
    assert not held["it cannot write outside its folder"]
    assert not held["it cannot signal a process outside"]
    assert not held["it cannot reach the network (network: off)"]


def test_a_file_system_that_can_be_written_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    outer = Bwrap._outer

    def writable(self: Bwrap) -> tuple[str, ...]:
        return tuple(word.replace("--ro-bind", "--bind") for word in outer(self))

    monkeypatch.setattr(Bwrap, "_outer", writable)
    # As on a user's machine: temporary files are in a folder that commands do not see, the swarm's own are not.
    monkeypatch.setattr("swarm_shared.runners.bwrap._PRIVATE", ("/var/tmp", "/run"))
    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        (Path(folder) / "state").mkdir()
        held = {proof.text: proof.held for proof in prove(proven(False), grounds(Path(folder)))}
    assert not held["it cannot write outside its folder"]
    assert held["it can write to its own folder, and the file is yours"]
