"""Many tasks, many workers, one repository: everything lands once, and shared files lose no line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import LandingSwarm, landing_swarm
from live_swarm import wait_until
from repositories import everything

from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration

TASKS, WORKERS, SHARING = 48, 8, 4  # six for each worker: all of them land at the same time, again and again
PATIENCE_S = 120.0
RESOLVE = '[ "$AMPLIFIER_SWARM_ATTEMPT_NUMBER" = 1 ] || git merge -q -X theirs swarm/integration >&2 || true; '


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        yield swarm


def test_the_tasks_of_eight_workers_all_land_and_lose_nothing(swarm: LandingSwarm) -> None:
    swarm.commit({"shared.txt": "".join(f"line {n}\n" for n in range(TASKS))})
    before = everything(swarm.project)
    numbers = range(TASKS)
    sharing = [n for n in numbers if n % SHARING == 0]
    for n in numbers:
        run = f"mkdir -p out; echo {n} > out/{n}.txt; "
        if n in sharing:
            run += f"{RESOLVE}sed -i 's/^line {n}$/line {n} done/' shared.txt"
        # Tasks that declare the shared file take turns; the others do not wait.
        files = (f"out/{n}.txt", "shared.txt") if n in sharing and n % (2 * SHARING) else ()
        swarm.add(swarm.task(f"t{n}", run, files=files))
    for n in range(1, WORKERS + 1):
        swarm.worker(f"worker-{n}", "--no-validation")
    wait_until(
        lambda: swarm.db.tasks.counts().get(Status.COMPLETED, (0, 0))[0] == TASKS,
        lambda: (swarm.db.tasks.counts(), swarm.db.swarm.flags(), swarm.logs()[-3000:]),
        PATIENCE_S,
    )
    assert sorted(swarm.trailers()) == sorted(f"t{n}" for n in numbers), "each exactly once"
    shared = swarm.landed("shared.txt").splitlines()
    assert shared == [f"line {n} done" if n in sharing else f"line {n}" for n in numbers]
    assert everything(swarm.project) == before
    swarm.git("fsck", "--no-dangling")
