"""The client of a Slurm job: when it asks Slurm about its job."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from swarm_shared.runners.remote.asking import Silent
from swarm_shared.runners.slurm import client
from swarm_shared.runners.slurm.client import ASK_EVERY_S, Client, Job
from swarm_shared.runners.slurm.jobs import Slurm


class LostController(Slurm):
    """Has no record of the job, and then stops responding."""

    def __init__(self) -> None:
        self.asked = 0

    def job_named(self, name: str) -> None:
        self.asked += 1
        if self.asked > 1:
            raise Silent("connection refused")


class Over(Exception):
    """The time during which the test watches is over."""


def test_a_controller_that_stops_responding_is_asked_as_rarely_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    watched_s = 10 * ASK_EVERY_S

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        if now > watched_s:
            raise Over

    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    monkeypatch.setattr(client.subprocess, "run", lambda words, **_: subprocess.CompletedProcess(words, 0))
    slurm = LostController()
    job = Job(base=str(tmp_path), name="swarm-1", options=(), argv=("true",), env={}, cwd="/")
    with pytest.raises(Over):
        Client(job, slurm, io.BytesIO(), io.BytesIO()).run(b"")
    assert 2 < slurm.asked <= watched_s / ASK_EVERY_S + 1
