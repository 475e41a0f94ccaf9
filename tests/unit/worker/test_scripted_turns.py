"""Sessions that wait for their turn in an engine's queue, and runs that take a while to end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace
from scripted_worker import PASS, SUCCESS, Play, ScriptedWorker

from swarm_shared.domain.models import Status
from swarm_shared.domain.runners import Run
from swarm_shared.runners.asking import Answer
from swarm_shared.runners.local import Local
from swarm_shared.runners.runner import Command, Start
from swarm_shared.store.swarm.swarm import RUNNER_DOWN
from swarm_worker.config import WorkerConfig
from swarm_worker.session import session

RUN = Run(runner="slurm", name="swarm-1", engine="here:/runs")
TURN_S = 600.0


class Queued(Local):
    """Each of its commands waits for `TURN_S`."""

    def __init__(self) -> None:
        super().__init__()
        self.now: Callable[[], float] = lambda: 0.0

    def start(self, command: Command, env: Mapping[str, str]) -> Start:
        turn = self.now() + TURN_S
        return Start(argv=command.argv, env=env, run=RUN, has_begun=lambda: self.now() >= turn)


QUEUED = Queued()


class QueuedWorker(ScriptedWorker):
    def _config(self) -> WorkerConfig:
        return replace(super()._config(), runner=QUEUED, orphan_timeout_s=80.0)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """What the engine reports about runs that are being ended, before it reports them gone."""
    answers: list[Answer] = []
    monkeypatch.setattr(session, "engine_failure", lambda *_: None)
    monkeypatch.setattr(session, "end", lambda *_: answers.pop(0) if answers else Answer(gone=True))
    return answers


@pytest.fixture
def worker(tmp_path: Path, answers: list[Answer]) -> ScriptedWorker:
    made = QueuedWorker(tmp_path)
    QUEUED.now = made.time
    return made


def test_waiting_for_a_turn_counts_towards_no_limit(worker: ScriptedWorker) -> None:
    worker.add(timeout_minutes=1)
    worker.round(Play(answer=SUCCESS, after_s=TURN_S + 30), Play(answer=PASS, after_s=TURN_S + 30))
    assert worker.status() is Status.COMPLETED


def test_limits_apply_once_the_turn_has_come(worker: ScriptedWorker) -> None:
    worker.add(timeout_minutes=1, max_retries=0)
    worker.round(Play(answer=SUCCESS, after_s=TURN_S + 90))
    assert "passed its limit of 1 minutes" in worker.task()["last_error"]


def test_a_run_that_takes_a_while_to_end_delays_nothing_else(worker: ScriptedWorker, answers: list[Answer]) -> None:
    worker.add()
    answers += [Answer(gone=False, text="COMPLETING", healthy=True)] * 5
    worker.round(Play(answer=SUCCESS), Play(answer=PASS))
    assert answers == []
    assert worker.status() is Status.COMPLETED
    assert RUNNER_DOWN not in worker.db.swarm.flags()


def test_an_engine_that_does_not_answer_holds_the_queue(worker: ScriptedWorker, answers: list[Answer]) -> None:
    worker.add()
    answers += [Answer(gone=False, text="silent")] * 2
    worker.round(Play(answer=SUCCESS), Play(answer=PASS))
    assert worker.db.swarm.flags()[RUNNER_DOWN].reason == "silent"
