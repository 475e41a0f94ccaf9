"""Evaluates supervisord's process table: which program does not start, and whether the run can continue without it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path

from amplifier_swarm.start.checks.problems import ServiceFailed
from amplifier_swarm.start.suite import last_lines
from swarm_shared.supervisor.client import DASHBOARD, WORKERS, ProcessInfo

# supervisord itself keeps trying for a minute; a program that fails at once fails the same way each time.
FAILED_STARTS = 3


class FailedServices:
    """Remembers failed starts between checks."""

    def __init__(self) -> None:
        self._failures: dict[str, set[int]] = {}
        self._came_up: set[str] = set()
        self._reported: set[str] = set()

    def judge(self, processes: Sequence[ProcessInfo], registered: Container[str]) -> list[ServiceFailed]:
        """Programs that have newly been given up on, to report them.

        Args:
            registered: Names, such as `swarm-worker-1`, of those that the database has seen in this run. They can
                start, so that an early end has an outside cause, and supervisord's own patience is right for them.

        Raises:
            ServiceFailed: The run cannot continue: the reaper, every worker, or a dashboard that never came up.
        """
        for process in processes:
            self._note(process, registered)
        broken = [process for process in processes if self._is_broken(process)]
        workers = [process for process in processes if _program(process) == WORKERS]
        news: list[ServiceFailed] = []
        for process in broken:
            others_work = _program(process) == WORKERS and any(worker not in broken for worker in workers)
            once_worked = _program(process) == DASHBOARD and process.name in self._came_up
            failure = _failure(process)
            if not (others_work or once_worked):
                raise failure
            if process.name not in self._reported:
                self._reported.add(process.name)
                news.append(failure)
        return news

    def _note(self, process: ProcessInfo, registered: Container[str]) -> None:
        if process.state == "RUNNING" or _plain(process) in registered:
            self._came_up.add(process.name)
        elif process.state == "BACKOFF":
            self._failures.setdefault(process.name, set()).add(process.stopped_at)

    def _is_broken(self, process: ProcessInfo) -> bool:
        if process.state == "FATAL":
            return True
        failures = self._failures.get(process.name, ())
        return process.name not in self._came_up and len(failures) >= FAILED_STARTS


def _program(process: ProcessInfo) -> str:
    return process.name.partition(":")[0]


def _plain(process: ProcessInfo) -> str:
    return process.name.rpartition(":")[2]


def _failure(process: ProcessInfo) -> ServiceFailed:
    tail = last_lines(Path(process.log)) if process.log else ()
    why = (tail[-1] if tail else "") or process.spawn_error or "it printed nothing"
    return ServiceFailed(
        f"{_plain(process)} does not start: {why}",
        hint=f"its complete log: {process.log}" if process.log else "supervisord's log may say more",
        tail=tail,
    )
