"""What the agents themselves recorded, and what follows from it; the database is not asked here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from swarm_shared.processes.identity import ProcessId

ALONE = "alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an agent.

    Args:
        at_ns: Nanoseconds since boot.
        event: `start`, `left` (by a process that the agent leaves behind) or `end`.
        saw: At the start whether it got the task's lock (`alone`), at the end its exit code.
    """

    at_ns: int
    event: str
    task: str
    attempt: str
    number: int
    role: str
    pid: int
    start_time: int
    saw: str

    @property
    def process(self) -> tuple[int, int]:
        return (self.pid, self.start_time)

    def text(self) -> str:
        return f"{self.role} of attempt {self.number} (pid {self.pid})"


def parse(text: str) -> list[Line]:
    """The lines of a ledger in the order of their times."""
    lines = []
    for row in text.splitlines():
        at_ns, event, task, attempt, number, role, pid, start_time, saw = row.split(" ")
        lines.append(
            Line(
                at_ns=int(at_ns),
                event=event,
                task=task,
                attempt=attempt,
                number=int(number),
                role=role,
                pid=int(pid),
                start_time=int(start_time),
                saw=saw,
            )
        )
    return sorted(lines, key=lambda line: line.at_ns)


def read(path: Path) -> list[Line]:
    """The lines of a ledger file; none if it does not exist. A line that is still being written is left out."""
    return parse(path.read_text().rpartition("\n")[0]) if path.exists() else []


def by_task(lines: Iterable[Line]) -> Mapping[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.task, []).append(line)
    return found


def overlaps(lines: Iterable[Line]) -> list[str]:
    """Sessions of one task that ran at the same time, as texts for a user.

    Two witnesses are heard. A session that did not get its task's lock met a living process of another one. And
    one that began between the start and the end of another ran at the same time, whatever the lock said. The end of a
    session that was killed is not written down: there only the lock can tell, which the kernel gives back last.
    """
    found = []
    for task, its in by_task(lines).items():
        ends = {line.process: line.at_ns for line in its if line.event == "end"}
        running: list[Line] = []
        for line in its:
            if line.event != "start":
                continue
            running = [other for other in running if ends.get(other.process, 0) > line.at_ns]
            found += [f"{task}: {line.text()} began while {other.text()} ran" for other in running]
            if line.saw != ALONE and not running:
                found.append(f"{task}: {line.text()} met a process of an earlier session")
            running.append(line)
    return found


def survivors(lines: Iterable[Line]) -> list[str]:
    """Processes of the ledger that are alive."""
    seen = {line.process: line for line in lines}
    return [
        f"{line.task}: {line.event} of {line.text()}"
        for (pid, start_time), line in seen.items()
        if ProcessId.here(pid, start_time).is_alive()
    ]
