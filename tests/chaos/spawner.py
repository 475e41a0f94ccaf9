"""A supervisor for the tests: starts workers, a reaper and imports from a zygote, and restarts them when they die."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

from chaos import points
from chaos.arena import TESTS, Arena
from chaos.points import Point
from swarm_shared.processes.identity import ProcessId

ANSWERS_WITHIN_S = 60.0
READ_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A program that was started; `point` is where it is going to kill itself, if anywhere."""

    process: ProcessId
    program: str
    name: str
    point: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """How a program is changed before its start: it dies, or freezes, at a named point's nth pass."""

    point: str | None = None
    nth: int = 1
    freeze: bool = False
    dawdle: bool = False
    small_imports: bool = False


UNCHANGED = Tampering()


class Spawner:
    """Starts programs and is notified of their ends. Each has its own log."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._members: dict[int, Member] = {}
        self._ended: list[tuple[Member, int]] = []
        self._born: list[int] = []
        self._gone_early: dict[int, int] = {}  # reported together with their starts
        self._buffer = b""
        environ = arena.environment()
        environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS / "support")])
        with (arena.logs / "zygote.log").open("wb") as log:
            self._zygote = subprocess.Popen(
                [sys.executable, "-m", "chaos.zygote"],
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
            )

    def start(self, program: str, name: str, *argv: str, tampering: Tampering = UNCHANGED) -> Member:
        """Start one.

        Raises:
            RuntimeError: The zygote is gone, or does not answer.
        """
        job = {
            "program": program,
            "argv": list(argv),
            "log": str(self._arena.logs / f"{name}.log"),
            "deaths": str(self._arena.deaths),
            "point": tampering.point,
            "nth": tampering.nth,
            "freeze": tampering.freeze,
            "dawdle": tampering.dawdle,
            "small_imports": tampering.small_imports,
        }
        assert self._zygote.stdin is not None
        self._zygote.stdin.write(json.dumps(job).encode() + b"\n")
        while not self._born:
            self._hear(ANSWERS_WITHIN_S)
        pid = self._born.pop()
        # It may already have ended: then the pid belongs to no process of ours.
        process = ProcessId.of(pid) or ProcessId.here(pid, 0)
        member = Member(process=process, program=program, name=name, point=tampering.point)
        if pid in self._gone_early:
            self._ended.append((member, self._gone_early.pop(pid)))
        else:
            self._members[pid] = member
        return member

    def members(self, program: str) -> list[Member]:
        """Those of a program that have not ended."""
        self._hear(0.0)
        return [member for member in self._members.values() if member.program == program]

    def ended(self) -> list[tuple[Member, int]]:
        """Programs that ended since the last call, with the exit code; minus the signal's number for killed ones."""
        self._hear(0.0)
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """End the zygote; its programs keep running."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.close()
        self._zygote.wait(ANSWERS_WITHIN_S)
        self._zygote.stdout.close()

    def _hear(self, timeout_s: float) -> None:
        assert self._zygote.stdout is not None
        while select.select([self._zygote.stdout], [], [], timeout_s)[0]:
            timeout_s = 0.0
            data = os.read(self._zygote.stdout.fileno(), READ_BYTES)
            if not data:
                raise RuntimeError(f"the zygote is gone; see {self._arena.logs}/zygote.log")
            *rows, self._buffer = (self._buffer + data).split(b"\n")
            for row in rows:
                word, pid, *code = row.split()
                if word == b"started":
                    self._born.append(int(pid))
                elif (member := self._members.pop(int(pid), None)) is not None:
                    self._ended.append((member, int(code[0])))
                else:
                    self._gone_early[int(pid)] = int(code[0])
        if timeout_s:
            raise RuntimeError(f"the zygote did not answer within {timeout_s:g} s")


def random_tampering(arena: Arena, program: str, share: float, table: Mapping[str, Point]) -> Tampering:
    """For this share of starts a named point of the program; workers also get those of their keepers."""
    unchanged = Tampering(small_imports=program == points.IMPORT)
    if arena.rng.random() >= share:
        return unchanged
    programs = (points.WORKER, points.KEEPER) if program == points.WORKER else (program,)
    names = [name for name, point in table.items() if point.program in programs]
    if not names:
        return unchanged
    name = arena.rng.choice(names)
    return replace(unchanged, point=name, nth=arena.rng.randint(1, table[name].latest))
