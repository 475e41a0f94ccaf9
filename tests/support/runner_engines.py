"""Which runners there are, and how a test gets one: the fixture `runner`, of those that the test names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from container_harness import container_engine
from pod_harness import pod_engine
from runner_harness import At, BwrapHarness, LocalHarness, RunnerHarness, swarm_of
from slurm_harness import slurm_engine

# Runners whose runs are outside our process tree, and followed by asking.
FOLLOWED = ("podman", "docker", "kubernetes", "slurm")
AGENTS_ELSEWHERE = ("kubernetes", "slurm")
CONFINING = ("bwrap", "podman", "docker", "kubernetes")
# Runners whose runs end together with everything that they have started.
CONTAINED = ("bwrap", *FOLLOWED)
EVERY = ("local", *CONTAINED)


@contextmanager
def _nothing_to_start(kind: Callable[..., RunnerHarness]) -> Iterator[At]:
    yield partial(swarm_of, kind)


ENGINES: Mapping[str, Callable[[], AbstractContextManager[At]]] = {
    "local": partial(_nothing_to_start, LocalHarness),
    "bwrap": partial(_nothing_to_start, BwrapHarness),
    "podman": partial(container_engine, "podman"),
    "docker": partial(container_engine, "docker"),
    "kubernetes": pod_engine,
    "slurm": slurm_engine,
}


def promised_by(*names: str) -> pytest.MarkDecorator:
    """Run the test for each of these runners."""
    return pytest.mark.promised_by(*names)


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[At]:
    """What runs of the tested runner need: a daemon, a cluster."""
    with ENGINES[request.param]() as at:
        yield at


@pytest.fixture
def runner(engine: At, tmp_path: Path) -> Iterator[RunnerHarness]:
    """A swarm whose sessions run there."""
    with engine(tmp_path) as harness:
        yield harness


def parametrize(metafunc: pytest.Metafunc, among: tuple[str, ...] = EVERY) -> None:
    """Run a test for each runner that it names, of some."""
    marker = metafunc.definition.get_closest_marker("promised_by")
    if marker is not None:
        names = [name for name in marker.args if name in among]
        metafunc.parametrize("engine", names, indirect=True, scope="session")
