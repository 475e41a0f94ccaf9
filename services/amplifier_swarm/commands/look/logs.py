"""`logs`: show the output of a task's sessions."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.command_line.submit import wait_for_a_commit
from amplifier_swarm.output.terminal import notice, print_json
from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import NotFound
from swarm_shared.domain.models import GROUP_OF, Group, Role, Status
from swarm_shared.program.readable import cut
from swarm_shared.program.terminal_text import safe
from swarm_shared.settings.number_types import WholeNumber

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase


LINE_LIMIT_CHARS = 64 * 1024
_STREAMS = {1: "stdout", 2: "stderr"}
_STAYS = frozenset({Group.COMPLETED, Group.FAILED, Group.HELD, Group.CANCELLED})


@dataclass(slots=True)
class _Lines:
    """Turns the bytes of one session into complete, harmless lines; a terminal sequence is never judged by its first
    half.
    """

    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))
    rest: str = ""

    def take(self, data: bytes, *, last: bool = False) -> str:
        text = self.rest + self.decoder.decode(data, last)
        whole, newline, self.rest = text.rpartition("\n")
        if last or len(self.rest) > LINE_LIMIT_CHARS:
            whole, newline, self.rest = text, "", ""
        return safe(whole, lines=True) + newline


@dataclass(slots=True, kw_only=True)
class _Session:
    """How much of one session has been shown."""

    id: int
    attempt: int
    role: str
    name: str
    row: dict[str, Any]
    landing: bool
    position: int = 0
    lines: dict[int, _Lines] = field(default_factory=dict)
    told_gap: bool = False

    @classmethod
    def of(cls, row: dict[str, Any], attempt: dict[str, Any]) -> _Session:
        is_landing = attempt["kind"] == "landing"
        return cls(
            id=row["id"],
            attempt=attempt["number"],
            role=row["role"],
            name=row["name"],
            row=row,
            landing=is_landing,
        )


@command(
    "logs",
    example="logs 2.6.1.a -f\nlogs 2.6.1.a --attempt 1 --role validator",
    short_help="Show the output of a task's sessions.",
)
@click.argument("task_id", metavar="ID", shell_complete=complete_task)
@click.option("-f", "--follow", is_flag=True, help="Continue until the task has ended.  [default: off]")
@click.option("--attempt", type=WholeNumber(1), help="Only this attempt.  [default: the newest]")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), help="Only sessions of this role.  [default: all]"
)
@json_option
def logs(app: App, task_id: str, follow: bool, attempt: int | None, role: str | None, as_json: bool) -> None:
    """Show the output of a task's sessions: standard output and error in order, without terminal control sequences.

    With --json and -f, each line is one document.
    """
    with app.open(read_only=True) as database:
        task = database.tasks.get(task_id)
        if as_json and not follow:
            _logs_json(database, task, attempt, role)
            return
        shown = _Follower(database, task, attempt, role, as_json)
        found = shown.round()
        if not follow:
            shown.finish()
            if not found:
                notice(f"task {task_id} has no output yet")
            return
        while not shown.over():
            wait_for_a_commit(database)
            shown.round()
        shown.round()
        shown.finish()


class _Follower:
    """Shows new output, session by session."""

    def __init__(
        self, database: TaskDatabase, task: dict[str, Any], attempt: int | None, role: str | None, as_json: bool
    ) -> None:
        self._db = database
        self._task = task
        self._attempt = attempt
        self._role = role
        self._as_json = as_json
        self._from = attempt if attempt is not None else max(1, task["attempt_count"])
        self._known: dict[int, _Session] = {}
        self._current: int | None = None

    def over(self) -> bool:
        """Whether the output is complete."""
        if self._attempt is not None:
            found = self._db.tasks.all_attempts(self._task["seq"])
            chosen = [a for a in found if a["number"] == self._attempt]
            return bool(chosen) and all(a["ended_at"] is not None for a in chosen) and not self._is_to_land(found)
        return GROUP_OF[Status(self._db.tasks.get(self._task["id"])["status"])] in _STAYS

    def _is_to_land(self, found: list[dict[str, Any]]) -> bool:
        status = Status(self._db.tasks.get(self._task["id"])["status"])
        return status in (Status.APPROVED, Status.LANDING) and found[-1]["number"] == self._attempt

    def round(self) -> bool:
        """Show the output since the last round; return whether there is any output at all."""
        for attempt in _attempts(self._db, self._task, self._attempt):
            if attempt["number"] < self._from:
                continue
            for row in self._db.tasks.sessions(attempt["id"]):
                if self._role not in (None, row["role"]):
                    continue
                session = self._known.setdefault(
                    row["id"],
                    _Session.of(row, attempt),
                )
                session.row = row
                self._show(session)
        return bool(self._known)

    def finish(self) -> None:
        """Show lines that were never completed."""
        for session in self._known.values():
            for stream, lines in session.lines.items():
                self._print(session, stream, lines.take(b"", last=True), session.position)

    def _show(self, session: _Session) -> None:
        for position, stream, at, data in _chunks(self._db, session):
            self._head(session)
            if position > session.position and not session.told_gap and session.row["lost_from"] is not None:
                session.told_gap = True
                lost = session.row["lost_to"] - session.row["lost_from"]
                notice(f"[… {lost:,} bytes were dropped here …]")
            session.position = position + len(data)
            lines = session.lines.setdefault(stream, _Lines())
            self._print(session, stream, lines.take(data), at)

    def _head(self, session: _Session) -> None:
        if self._current != session.id and not self._as_json:
            what = "landing of attempt" if session.landing else "attempt"
            notice(f"── {what} {session.attempt}, {session.role} {cut(session.name)} ──")
        self._current = session.id

    def _print(self, session: _Session, stream: int, text: str, at: int) -> None:
        if not text:
            return
        if self._as_json:
            line = {"attempt": session.attempt, "landing": session.landing, "role": session.role}
            line |= {"stream": _STREAMS[stream], "text": text}
            print_json(line, one_line=True)
        else:
            click.echo(text, nl=not text.endswith("\n"))


def _attempts(database: TaskDatabase, task: dict[str, Any], number: int | None) -> list[dict[str, Any]]:
    found = database.tasks.all_attempts(task["seq"])
    if number is None:
        return found
    chosen = [attempt for attempt in found if attempt["number"] == number]
    if not chosen:
        raise NotFound(f"task {task['id']} has no attempt {number}", hint=f"attempts so far: {task['attempt_count']}")
    return chosen


def _chunks(database: TaskDatabase, session: _Session) -> Iterator[tuple[int, int, int, bytes]]:
    start = session.position
    while pieces := database.output.read(session.id, start=start):
        for piece in pieces:
            yield piece.position, piece.stream, piece.at, piece.data
        start = pieces[-1].position + len(pieces[-1].data)


def _logs_json(database: TaskDatabase, task: dict[str, Any], number: int | None, role: str | None) -> None:
    found = _attempts(database, task, number)
    attempts = [each for each in found if each["number"] == found[-1]["number"]]
    sessions = []
    for attempt in attempts:
        for row in database.tasks.sessions(attempt["id"]):
            if role not in (None, row["role"]):
                continue
            session = _Session.of(row, attempt)
            written = b"".join(data for _, _, _, data in _chunks(database, session))
            sessions.append(
                {
                    "landing": session.landing,
                    "role": row["role"],
                    "name": row["name"],
                    "started_at": iso(row["started_at"]),
                    "ended_at": iso(row["ended_at"]),
                    "exit_code": row["exit_code"],
                    "signal": row["signal"],
                    "output_bytes": row["output_bytes"],
                    "lost_from": row["lost_from"],
                    "lost_to": row["lost_to"],
                    "output": written.decode("utf-8", "replace"),
                }
            )
    print_json({"id": task["id"], "attempt": attempts[0]["number"] if attempts else None, "sessions": sessions})
