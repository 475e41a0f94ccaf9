"""The work of a run does not depend on its output: closed, full or unread outputs change nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from start_harness import DEADLINE_S, Harness

from swarm_shared.domain.models import Status, TaskSpec

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("outputs", [">&- 2>&-", ">/dev/full 2>/dev/full", "2>&1 | head -1", "<&- >&-"])
def test_a_run_does_its_work_whatever_happens_to_its_output(tmp_path: Path, outputs: str) -> None:
    harness = Harness(tmp_path)
    harness.add(TaskSpec(id="a", name="A", run="true"))
    words = "start --agent-cli command --no-validation --no-dashboard --isolation none"
    ran = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; '{sys.executable}' -m amplifier_swarm {words} --db tasks.db {outputs}"],
        cwd=tmp_path,
        env=harness.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert harness.status("a") is Status.COMPLETED
    assert not harness.alive()
