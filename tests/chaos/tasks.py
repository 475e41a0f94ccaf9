"""The tasks of the chaos runs: a few kinds of agents, and the one status in which each of them must end."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.taskfile.writer import write_task_file

AGENT = Path(__file__).with_name("agent.py")
# Without a virtual environment around it, an interpreter starts in half the time.
PYTHON = Path(sys.base_exec_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
DOOMED_RETRIES = 1
GENEROUS_RETRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The required end of a task: its last status, and for a failed one the number of tries it was allowed."""

    status: Status
    tries: int | None = None
    validated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A task and its required end."""

    spec: TaskSpec
    expected: Expected


def agent_command(folder: Path, *, sleep_ms: int, manner: str) -> str:
    """The shell text that runs an agent; `exec`, so that no shell is between it and its keeper."""
    return f"exec {PYTHON} -I -S {AGENT} {folder} {sleep_ms} {manner}"


def batch(folder: Path, prefix: str, count: int, rng: random.Random, *, longest_ms: int = 80) -> list[Planned]:
    """Tasks of all manners, some of them behind others of the same batch.

    Args:
        folder: Where their agents keep the ledger.
        prefix: Begins their ids, so that batches differ.
    """
    planned: list[Planned] = []
    for number in range(count):
        task_id = f"{prefix}-{number}"
        manner = rng.choices(("plain", "leaves", "stubborn", "fails-once", "fails"), weights=(6, 5, 5, 2, 1))[0]
        needed = rng.choice(planned) if planned and rng.random() < 0.25 else None
        blocked = needed is not None and needed.expected.status is not Status.COMPLETED
        validated = rng.random() < 0.3
        if blocked:
            expected = Expected(status=Status.BLOCKED)
        elif manner == "fails":
            expected = Expected(status=Status.FAILED, tries=1 + DOOMED_RETRIES)
        else:
            expected = Expected(status=Status.COMPLETED, validated=validated)
        spec = TaskSpec(
            id=task_id,
            name=f"task {task_id}",
            dependencies=(needed.spec.id,) if needed is not None else (),
            run=agent_command(folder, sleep_ms=rng.randrange(longest_ms), manner=manner),
            verify=agent_command(folder, sleep_ms=rng.randrange(20), manner="plain") if validated else None,
            checks=("true",) if rng.random() < 0.2 else (),
            max_retries=DOOMED_RETRIES if manner == "fails" else GENEROUS_RETRIES,
        )
        planned.append(Planned(spec=spec, expected=expected))
    return planned


def writing_batch(folder: Path, prefix: str, count: int, rng: random.Random, *, chained: bool = False) -> list[Planned]:
    """Tasks that each write a separate file, to be landed; chained ones each wait for the last."""
    planned: list[Planned] = []
    for number in range(count):
        needed = planned[-1] if planned and chained else None
        spec = TaskSpec(
            id=f"{prefix}-{number}",
            name=f"task {prefix}-{number}",
            dependencies=(needed.spec.id,) if needed is not None else (),
            run=agent_command(folder, sleep_ms=rng.randrange(60), manner="writes"),
            max_retries=GENEROUS_RETRIES,
        )
        planned.append(Planned(spec=spec, expected=Expected(status=Status.COMPLETED)))
    return planned


def write_file(path: Path, planned: Sequence[Planned]) -> None:
    """The tasks as a file that a user would import."""
    with path.open("w") as stream:
        write_task_file(stream, [each.spec for each in planned], exported_at="", version="")
