"""Follows pods: each question is one run of `ending`, which may wait for the cluster and for the shared volume."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Generator
from typing import TypeVar

import msgspec

from swarm_shared.domain.runners import Run
from swarm_shared.runners.asking import LOOK_TIMEOUT_S, Answer, Question, Said
from swarm_shared.runners.kubernetes.cluster import Cluster

_ENDING = "swarm_shared.runners.kubernetes.ending"
T = TypeVar("T")


class PodFollower:
    """What another process says of a run; without its answer nothing is known."""

    def end(self, run: Run) -> Generator[Question, Said, Answer]:
        said = yield _ask("end", run)
        return _read(said, Answer) or Answer(gone=False, text=f"kubernetes: {said.text}")

    def runs(self, run: Run) -> Generator[Question, Said, bool]:
        said = yield _ask("runs", run, timeout_s=LOOK_TIMEOUT_S)
        return _read(said, bool) is True

    def failed(self, run: Run, exit_code: int | None) -> Generator[Question, Said, str | None]:
        words = () if exit_code is None else (str(exit_code),)
        said = yield _ask("failure", run, *words)
        return said.text if said.code != 0 else msgspec.json.decode(said.printed, type=str | None)

    def removal(self, run: Run) -> str:
        """Deletion alone would wait: our finalizer keeps the object of a pod whose end is not proven."""
        cluster = Cluster.of(run)
        patch = json.dumps({"metadata": {"finalizers": None}})
        delete = cluster.words("delete", "pod", run.name, "--wait=false")
        release = cluster.words("patch", "pod", run.name, "--type=merge", f"--patch={patch}")
        return f"{shlex.join(delete)} && {shlex.join(release)}"


def _ask(verb: str, run: Run, *words: str, timeout_s: float | None = None) -> Question:
    argv = ("-P", "-m", _ENDING, verb, msgspec.json.encode(run).decode(), *words)
    return Question(sys.executable, argv, timeout_s=timeout_s)


def _read(said: Said, kind: type[T]) -> T | None:
    return msgspec.json.decode(said.printed, type=kind) if said.code == 0 else None
