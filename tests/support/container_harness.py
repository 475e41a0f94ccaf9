"""A swarm whose sessions run in containers of a real engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from engines import IMAGE, LIMITS, containers, docker_daemon, have_image
from live_swarm import LiveSwarm
from runner_harness import At, Kill, Matrix, RunnerHarness, call, kill_one_of, swarm_of

_STATES = "{{.Names}} {{.State}}"
_KEPT = "localhost/swarm-kept:1"


class ContainerHarness(RunnerHarness):
    """Of podman or docker."""

    matrix = Matrix(tasks=30, sessions=2, kill_s=40.0)
    breakdown = "swarm-test"  # the image, which is missing

    def __init__(self, swarm: LiveSwarm, *, engine: str) -> None:
        self.name = engine
        super().__init__(swarm)

    def needs(self) -> dict[str, object]:
        return {"image": IMAGE, "network": "off", "args": list(LIMITS)}

    def runs(self) -> list[str]:
        return containers(self.name)

    def runs_of_sessions(self) -> list[str]:
        """Without those that never ran: a docker daemon may finish one whose client was killed meanwhile."""
        states = dict(line.split() for line in call(self.name, "ps", "--all", "--format", _STATES).splitlines())
        return [name for name in super().runs_of_sessions() if states.get(name) != "created"]

    def supervisors(self) -> list[int]:
        """Podman's `conmon` processes; docker has none that the user may kill."""
        return self.of_open_runs(b"conmon\0")

    def clients(self) -> list[int]:
        return self.of_open_runs(f"/{self.name}\0run\0".encode())

    def faults(self) -> Mapping[str, Kill]:
        return {"conmon": kill_one_of(self.supervisors)} if self.name == "podman" else {}

    @contextmanager
    def break_down(self) -> Iterator[None]:
        call(self.name, "tag", IMAGE, _KEPT)
        call(self.name, "rmi", "--force" if self.name == "docker" else "--no-prune", IMAGE)
        try:
            yield
        finally:
            call(self.name, "tag", _KEPT, IMAGE)


@contextmanager
def container_engine(name: str) -> Iterator[At]:
    """A real engine with an image."""
    if name == "podman":
        have_image(name)
        yield partial(_at, name)
        return
    with docker_daemon():
        have_image(name)
        yield partial(_at, name)


@contextmanager
def _at(name: str, folder: Path) -> Iterator[RunnerHarness]:
    try:
        with swarm_of(partial(ContainerHarness, engine=name), folder) as harness:
            yield harness
    finally:
        for container in containers(name):
            call(name, "rm", "--force", container)
