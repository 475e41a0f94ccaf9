"""The command line of bwrap, assembled from the paths of a swarm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import BwrapOptions
from swarm_shared.runners.bwrap import Bwrap
from swarm_shared.runners.mounts import Mounts, View
from swarm_shared.runners.runner import Command, Grounds


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    for name in ("home/.agent", "home/project", "state"):
        (tmp_path / name).mkdir(parents=True)
    return Grounds(
        home=tmp_path / "home",
        project_root=tmp_path / "home" / "project",
        common_dir=None,
        database=tmp_path / "tasks.db",
        state_dir=tmp_path / "state",
    )


def argv(grounds: Grounds, cwd: Path, program: str = "/bin/true", **options: object) -> tuple[str, ...]:
    runner = Bwrap(BwrapOptions(**options), grounds, env="/usr/bin/env", bwrap="/usr/bin/bwrap")  # type: ignore[arg-type]
    return runner.argv(Command(argv=(program,), cwd=cwd))


def test_the_deeper_path_takes_precedence_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    mounts = Mounts()
    mounts.add(View.WRITE, tmp_path / "a" / "b")
    mounts.add(View.EMPTY, tmp_path / "a")
    a, b = str(tmp_path / "a"), str(tmp_path / "a" / "b")
    assert mounts.words() == ["--tmpfs", a, "--bind", b, b]


def test_missing_paths_are_left_out_and_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    os.symlink("real", tmp_path / "link")
    mounts = Mounts()
    mounts.add(View.WRITE, tmp_path / "link", tmp_path / "none")
    assert mounts.words() == ["--bind", str(tmp_path / "real"), str(tmp_path / "real")]


def test_an_agent_cli_that_npm_installed_in_the_home_directory_is_visible(grounds: Grounds) -> None:
    packages = grounds.home / ".npm-global" / "lib" / "node_modules"
    main = packages / "cli" / "main.js"
    link = grounds.home / ".npm-global" / "bin" / "cli"
    for path in (main, link):
        path.parent.mkdir(parents=True)
    main.touch()
    link.symlink_to(main)
    words = argv(grounds, grounds.project_root, program=str(link))
    assert words[words.index(str(packages)) - 1] == "--ro-bind"
    assert words[-1] == str(main), "the link itself is hidden"


def test_a_program_of_the_system_is_called_by_its_own_name(grounds: Grounds) -> None:
    assert argv(grounds, grounds.project_root, program="/bin/true")[-1] == "/bin/true"
    assert os.path.realpath("/bin/sh") != "/bin/sh"
    assert argv(grounds, grounds.project_root, program="/bin/sh")[-1] == "/bin/sh"


def test_a_project_below_the_home_directory_is_writable(grounds: Grounds) -> None:
    words = argv(grounds, grounds.project_root)
    place = words.index(str(grounds.project_root))
    assert words[place - 1] == "--bind"
    assert words.index(str(grounds.home)) < place


@pytest.mark.parametrize("above", [False, True])
def test_a_project_that_contains_the_home_directory_is_refused(grounds: Grounds, above: bool) -> None:
    root = grounds.home.parent if above else grounds.home
    with pytest.raises(ConfigError, match="nothing would be confined"):
        argv(replace(grounds, project_root=root), root)


def test_writable_paths_that_contain_the_home_directory_are_refused(grounds: Grounds) -> None:
    with pytest.raises(ConfigError, match="nothing would be confined"):
        argv(grounds, grounds.project_root, writable=(str(grounds.home.parent),))
