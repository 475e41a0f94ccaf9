"""Real container engines, and an image that is made of busybox and flock, without any registry."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from live_swarm import wait_until
from runner_harness import call

IMAGE = "localhost/swarm-test:2"
BUSYBOX, FLOCK = Path("/bin/busybox"), Path("/usr/bin/flock")
# Root without CAP_SYS_RESOURCE cannot give containers the limits that engines choose.
LIMITS = ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=20000:20000")


def libraries_of(program: Path) -> list[Path]:
    return [Path(word) for word in call("ldd", str(program)).split() if word.startswith("/")]


def have_image(engine: str) -> None:
    """Make the image, unless it is there."""
    if subprocess.run([engine, "image", "inspect", IMAGE], capture_output=True, check=False).returncode == 0:
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        for folder in ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "usr/bin"):
            (root / folder).mkdir(parents=True)
        shutil.copy(BUSYBOX, root / "bin" / "busybox")
        for applet in call(str(BUSYBOX), "--list").splitlines():
            if applet != "busybox":
                os.symlink("busybox", root / "bin" / applet)
        os.symlink("/bin/env", root / "usr" / "bin" / "env")
        for path in (FLOCK, *libraries_of(FLOCK)):
            (root / path.relative_to("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / path.relative_to("/"))
        packed = subprocess.run(["tar", "-C", name, "-c", "."], capture_output=True, check=True).stdout
        subprocess.run(
            [engine, "import", "--change", "ENV PATH=/usr/bin:/bin", "-", IMAGE],
            input=packed, capture_output=True, check=True,
        )  # fmt: skip


@contextmanager
def docker_daemon() -> Iterator[None]:
    """A daemon of our own, which the environment then leads to; with neither bridge nor firewall rules."""
    with tempfile.TemporaryDirectory(prefix="dockerd-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        socket = f"unix://{folder}/socket"
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen(
                [
                    *("dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--host", socket),
                    *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"),
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        os.environ["DOCKER_HOST"] = socket
        try:
            wait_until(lambda: call("docker", "info", "--format", "{{.ID}}", check=False), (folder / "log").read_text)
            yield
        finally:
            del os.environ["DOCKER_HOST"]
            daemon.terminate()
            daemon.wait(30)


def containers(engine: str) -> list[str]:
    """The names of all containers of sessions."""
    names = call(engine, "ps", "--all", "--format", "{{.Names}}").split()
    return [name for name in names if name.startswith("swarm-")]
