"""Rootless podman: files belong to the user, a killed client leaves nothing, and ignored limits are refused."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from pathlib import Path

import pytest
from engines import IMAGE, call, containers, have_image
from live_swarm import wait_until
from ordinary_user import as_ordinary_user

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import ContainerOptions
from swarm_shared.runners.containers.runner import Containers
from swarm_shared.runners.following import end
from swarm_shared.runners.runner import Command, Grounds

pytestmark = pytest.mark.integration
USER = "swarm-runners"  # with ranges of subordinate ids; `make runners` adds it


def grounds_below(folder: Path) -> Grounds:
    """Places for a swarm, and a store of podman's with the driver that does not copy whole images."""
    for name in ("project", "state", "run"):
        (folder / name).mkdir(parents=True)
    (folder / "run").chmod(0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(folder / "run")
    settings = Path.home() / ".config" / "containers"
    settings.mkdir(parents=True)
    (settings / "storage.conf").write_text('[storage]\ndriver = "overlay"\n')
    have_image("podman")
    return Grounds(
        home=Path.home(), project_root=folder / "project", common_dir=None, database=folder / "db",
        state_dir=folder / "state",
    )  # fmt: skip


def use_rootless_podman(folder: Path) -> None:
    try:
        options = ContainerOptions(image=IMAGE, network="off")
        grounds = grounds_below(folder)
        runner = Containers.usable("podman", options, grounds)
        place = grounds.project_root
        run = "id -u > made; (setsid sleep 600 &); touch begun; sleep 600"
        start = runner.start(Command(argv=("/bin/sh", "-c", run), cwd=place), runner.environment(os.environ))
        assert start.run is not None
        with subprocess.Popen(start.argv, env=dict(start.env), stdin=subprocess.DEVNULL) as client:
            wait_until((place / "begun").exists)
            client.send_signal(signal.SIGKILL)
        assert containers("podman") == [start.run.name]
        assert end(start.run).gone
        assert containers("podman") == []
        assert (place / "made").read_text() == f"{os.geteuid()}\n"
        assert (place / "made").stat().st_uid == os.geteuid()
        if call("podman", "info", "--format", "{{.Host.CgroupsVersion}}") == "v1":
            limited = ContainerOptions(image=IMAGE, network="off", memory=64 * 2**20)
            with pytest.raises(ConfigError, match="memory would be ignored"):
                Containers.usable("podman", limited, grounds)
    finally:
        subprocess.run(["podman", "system", "reset", "--force"], capture_output=True, check=False)


def test_an_ordinary_user_needs_no_privileges() -> None:
    as_ordinary_user(use_rootless_podman, pwd.getpwnam(USER).pw_uid)
