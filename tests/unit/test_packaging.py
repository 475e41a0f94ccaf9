"""A wheel contains what a checkout has: all programs with all their files, and nothing else."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PROJECT = tomllib.loads(TOP.joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
ROOTS = (TOP / "services", TOP / "shared")
CONF = "swarm_shared/supervisord.conf"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """The names of the files in a wheel built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        return frozenset(archive.namelist())


def files_of_the_checkout() -> frozenset[str]:
    return frozenset(
        path.relative_to(root).as_posix()
        for root in ROOTS
        for path in root.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"  # others may be writing there at the moment
    )


def test_a_wheel_holds_every_file_of_the_programs_and_the_configuration(wheel: frozenset[str]) -> None:
    inside = {name for name in wheel if ".dist-info/" not in name}
    assert inside == files_of_the_checkout() | {CONF}


@pytest.mark.parametrize("script", PROJECT["scripts"])
def test_every_script_has_a_main_that_returns_the_exit_code(script: str) -> None:
    module, _, name = PROJECT["scripts"][script].partition(":")
    main = getattr(importlib.import_module(module), name)
    assert main.__annotations__["return"] in (int, "int")


@pytest.mark.parametrize(
    "module", ["swarm_worker", "swarm_reaper", "swarm_dashboard", "amplifier_swarm.orchestrator", "amplifier_swarm"]
)
def test_every_program_also_runs_as_a_module(module: str) -> None:
    shown = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("Usage: ")


@pytest.mark.parametrize("script", [name for name in PROJECT["scripts"] if name != "amplifier-swarm"])
def test_every_program_of_the_suite_shows_its_version(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, _, name = PROJECT["scripts"][script].partition(":")
    assert getattr(importlib.import_module(module), name)(["--version"]) == 0
    assert capsys.readouterr().out == f"{script}, version {PROJECT['version']}\n"


def test_every_dependency_is_imported_somewhere() -> None:
    """A package that is never imported is a burden on everyone who installs the suite."""
    imported_as = {"flask-sock": "flask_sock", "pyyaml": "yaml", "prometheus-client": "prometheus_client"}
    sources = "\n".join(path.read_text(encoding="utf-8") for root in ROOTS for path in root.rglob("*.py"))
    for dependency in PROJECT["dependencies"]:
        name = dependency.split(">")[0].split("=")[0]
        word = imported_as.get(name, name)
        assert f"import {word}" in sources or f"from {word}" in sources, f"{name} is not used"
