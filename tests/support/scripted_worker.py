"""A worker whose processes are scripted and whose time is moved by the test: whole attempts in milliseconds.

The database, the prompts, the pipes and the reading of answers are real. No process is started and nothing sleeps:
waiting moves the clock to the moment when the scripted process does something, or when the wait is over.
"""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from queue_harness import QueueHarness
from repositories import Sandbox

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.redaction.redaction import Redaction
from swarm_shared.settings.settings import Settings
from swarm_worker.assembly import with_worktrees
from swarm_worker.config import WorkerConfig, worker_config
from swarm_worker.landing.careful_git import CarefulGit
from swarm_worker.loop import Round, WorkerLoop
from swarm_worker.pace import Pace
from swarm_worker.processes.session_tree import CannotStart, Event, Exited, Gone, Launch, Unproven
from swarm_worker.session.session_types import SessionContext
from swarm_worker.stopping import Stopping
from swarm_worker.workplaces.workplace import ProjectRoot

SUCCESS = {"status": "success", "files_changed": [], "tests_passed": True, "summary": "done", "blockers": []}
PASS = {"verdict": "PASS", "confidence": 1.0, "critical_issues": [], "summary": "good"}
FAIL = {"verdict": "FAIL", "critical_issues": ["the door has no handle"], "summary": "no"}
FOREVER = 10**9
POLL_S = 0.05  # between two rounds of an ending


@dataclass(frozen=True, kw_only=True)
class Play:
    """What one process does: prints at its start, then ends after `after_s`, unless it is ended before.

    Args:
        answer: Printed as JSON.
        leaves: It leaves something running, which obeys TERM.
        stubborn: TERM does nothing, to it and to what it leaves.
        immortal: KILL does nothing either.
        meanwhile: Called when the clock has reached its time, in seconds after the start.
    """

    answer: Any = None
    output: bytes = b""
    errors: bytes = b""
    exit_code: int | None = 0
    signal: int | None = None
    after_s: float = 1.0
    leaves: bool = False
    stubborn: bool = False
    immortal: bool = False
    cannot_start: int | None = None  # errno
    meanwhile: Sequence[tuple[float, Callable[[], object]]] = ()

    def printed(self) -> bytes:
        return self.output + (b"" if self.answer is None else json.dumps(self.answer).encode() + b"\n")


HANGS = Play(after_s=FOREVER)


class Time:
    """Monotonic seconds and the database's clock, moved together."""

    def __init__(self, harness: QueueHarness) -> None:
        self._harness = harness
        self.s = harness.clock.mono / 1000

    def __call__(self) -> float:
        return self.s

    def go_to(self, s: float) -> None:
        if s > self.s:
            self._harness.clock.pass_s(s - self.s)
            self.s = s


class ScriptedTree:
    """Plays one `Play` after the other; as `Tree`, without processes."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self.plays: list[Play] = []
        self.started: list[Launch] = []
        self.inputs: list[bytes] = []
        self.ends: list[float] = []  # the graces given
        self.killed_all = 0
        self._now: Play | None = None
        self._began = 0.0
        self._exited = False
        self._end_at: float | None = None  # when KILL is due
        self._asked = False
        self._told = False
        self._todo: list[tuple[float, Callable[[], object]]] = []

    def start(self, launch: Launch, stdin: int, stdout: int, stderr: int) -> int:
        assert self._now is None, "processes of the last session are still there"
        self.started.append(launch)
        play = self.plays.pop(0) if self.plays else Play()
        if play.cannot_start is not None:
            text, of_program = os.strerror(play.cannot_start), play.cannot_start == errno.ENOENT
            raise CannotStart(play.cannot_start, text, of_program=of_program)
        self.inputs.append(os.read(stdin, 1 << 20))
        for descriptor, data in ((stdout, play.printed()), (stderr, play.errors)):
            if data:
                os.write(descriptor, data)
        self._now, self._began, self._exited, self._end_at, self._asked = play, self._time(), False, None, False
        self._told = False
        self._todo = sorted(((self._began + s, act) for s, act in play.meanwhile), key=lambda each: each[0])
        return 2**22 + len(self.started)  # beyond the numbers of real processes

    def events(self) -> list[Event]:
        while self._todo and self._time() >= self._todo[0][0]:
            self._todo.pop(0)[1]()
        play = self._now
        if play is None:
            return []
        events: list[Event] = []
        if not self._exited and (ended := self._how_it_ended(play)) is not None:
            self._exited = True
            events.append(ended)
            if ended.alone:
                self._now = None
        if self._end_at is not None and self._exited and self._is_all_gone(play):
            self._now = None
            events.append(Gone())
        if self._end_at is not None and play.immortal and self._time() >= self._end_at + 10 and not self._told:
            self._told = True
            events.append(Unproven(survivors=("pid 7: immortal",)))
        return events

    def _how_it_ended(self, play: Play) -> Exited | None:
        if self._time() >= self._began + play.after_s:
            return Exited(exit_code=None if play.signal else play.exit_code, signal=play.signal, alone=not play.leaves)
        if self._end_at is None or play.immortal:
            return None
        if not play.stubborn:
            return Exited(exit_code=None, signal=signal.SIGTERM, alone=False)
        return Exited(exit_code=None, signal=signal.SIGKILL, alone=False) if self._time() >= self._end_at else None

    def _is_all_gone(self, play: Play) -> bool:
        assert self._end_at is not None
        return not play.immortal and (not play.stubborn or self._time() >= self._end_at)

    def end(self, grace_s: float) -> None:
        self.ends.append(grace_s)
        at = self._time() + grace_s
        self._end_at = at if self._end_at is None else min(self._end_at, at)

    def kill(self) -> None:
        self.end(0.0)

    def due_in(self) -> float | None:
        if self._end_at is None:
            return None
        left = self._end_at - self._time()
        return min(POLL_S, left) if left > 0 else POLL_S

    def clear(self) -> None:
        assert self._now is None, "a session runs"

    def extinguish(self) -> tuple[str, ...]:
        self.killed_all += 1
        left = self._now is not None and self._now.immortal
        self._now = None
        return ("pid 7: immortal",) if left else ()

    def next_moment(self) -> float:
        """When the process does something by itself."""
        moments = [at for at, _ in self._todo[:1]]
        if self._now is not None and not self._exited:
            moments.append(self._began + self._now.after_s)
        return min(moments, default=FOREVER * 1.0)


class ScriptedWatch:
    """As `Watch`: waiting passes time, and calls back for what is readable."""

    def __init__(self, time: Time, tree: ScriptedTree, data_version: Callable[[], int]) -> None:
        self._time, self._tree, self._data_version = time, tree, data_version
        self.stops_asked = 0
        self.stop_asked_at: float | None = None
        self.retire_asked = False
        self.abandoned: str | None = None
        self.keeper_lost = False
        self.waits = 0
        self.others_wrote = False  # as if another process had committed
        self.pace = Pace(lambda: 1, now=time)
        self._callbacks: dict[int, Callable[[], None]] = {}

    def ask_to_stop(self) -> None:
        """As SIGTERM does."""
        self.stops_asked += 1
        self.stop_asked_at = self.stop_asked_at or self._time()

    def listen(self, fileno: int, callback: Callable[[], None]) -> None:
        self._callbacks[fileno] = callback

    def ignore(self, fileno: int) -> None:
        del self._callbacks[fileno]

    def wait(self, timeout_s: float) -> None:
        self.waits += 1
        assert self.waits < 100_000, "it would wait forever"
        for callback in list(self._callbacks.values()):
            callback()
        until = self._time() + max(0.0, timeout_s)
        self._time.go_to(min(until, max(self._time(), self._tree.next_moment())))

    def moved(self, every_s: float) -> bool:
        moved, self.others_wrote = self.others_wrote, False
        return moved


class ScriptedHeart:
    def __init__(self) -> None:
        self.alive = True
        self.beats = 0

    def due_in(self) -> float:
        return 1.0

    def beat_if_due(self) -> None:
        self.beats += 1


class NoRoll:
    def call_if_due(self) -> None:
        return


@dataclass
class ScriptedWorker:
    """One worker on its own database. `harness` adds and inspects tasks; `play` says what processes do.

    With a `sandbox` it works in worktrees of that repository and lands; git is real then.
    """

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    sandbox: Sandbox | None = None

    def __post_init__(self) -> None:
        self.harness = QueueHarness(self.folder)
        self.db = self.harness.db
        self.project = self.folder / "project" if self.sandbox is None else self.sandbox.root
        self.project.mkdir(exist_ok=True)
        self.time = Time(self.harness)
        self.tree = ScriptedTree(self.time)
        self.watch = ScriptedWatch(self.time, self.tree, self.db.connection.data_version)
        self.heart = ScriptedHeart()
        self.config = self._config()
        self.run = self.harness.claimant().run
        self.stopping = Stopping(
            self.db,
            self.watch,
            self.heart,
            run=self.run,
            graceful_timeout_s=self.config.graceful_timeout_s,
            now=self.time,
        )
        self.around = SessionContext(
            database=self.db,
            tree=self.tree,
            roll=NoRoll(),
            watch=self.watch,
            heart=self.heart,
            must_stop=self.stopping.must_stop,
            ends_over_budget=False,
            kill_grace_s=self.config.kill_grace_s,
            output_limit_bytes=self.config.output_limit_bytes,
            redaction=Redaction({}, {}),
            now=self.time,
        )
        git = CarefulGit(self.heart, NoRoll(), self.tree)
        places, lander = ProjectRoot(self.project), None
        if self.config.repository is not None:
            repository = git.of(self.config.repository)
            lander, places = with_worktrees(self.around, self.config, repository, must_yield=lambda: True)
        self.loop = WorkerLoop(self.around, self.config, self.stopping, places, git, run=self.run, lander=lander)

    def _config(self) -> WorkerConfig:
        isolation = "none" if self.sandbox is None else "worktree"
        settings = {"agent_cli": "scripted", "isolation": isolation, "kill_grace_s": 2.0, **self.settings}
        found = worker_config(
            replace(Settings(), db=self.harness.path, project_root=self.project, **settings), "worker-1"
        )
        found.private_dir.mkdir(parents=True, exist_ok=True)
        return found

    def add(self, task_id: str = "a", **more: Any) -> None:
        self.harness.add(TaskSpec(id=task_id, name=task_id, **more))

    def play(self, *plays: Play) -> None:
        self.tree.plays += plays

    def round(self, *plays: Play) -> Round:
        """One round of the loop, in which processes do this."""
        self.play(*plays)
        return self.loop.run_once()

    def task(self, task_id: str = "a") -> dict[str, Any]:
        return self.harness.task(task_id)

    def status(self, task_id: str = "a") -> Status:
        return self.harness.status(task_id)

    def attempts(self, task_id: str = "a") -> list[dict[str, Any]]:
        return self.db.tasks.attempts(self.task(task_id)["seq"])

    def sessions(self, number: int = 1, task_id: str = "a") -> list[dict[str, Any]]:
        return self.db.tasks.sessions(self.attempts(task_id)[number - 1]["id"])

    def worker_status(self) -> str:
        return str(self.db.workers.shown()[0]["status"])

    def writes(self, name: str, text: str = "x\n") -> Callable[[], None]:
        """The running process writes a file where it works."""

        def write() -> None:
            (Path(self.tree.started[-1].cwd) / name).write_text(text)

        return write

    def others_do(self, act: Callable[[], object]) -> Callable[[], None]:
        """What another process commits while the agent runs."""

        def done() -> None:
            act()
            self.watch.others_wrote = True

        return done
