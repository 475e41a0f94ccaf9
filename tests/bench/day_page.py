"""Whether an open page grows: a day's events in minutes, before a browser that moves between the screens."""

from __future__ import annotations

import time

from playwright.sync_api import CDPSession
from playwright.sync_api import Page as BrowserPage

from bench.asking import Page
from bench.figure import CannotMeasure, Figure, Scale, Table, Target
from bench.harness import bench_swarm
from browser import CHROMIUM, chromium, context_of
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import FailureClass, Outcome, Role, Stage, TaskSpec
from swarm_shared.domain.routes import Routing
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.claims import Claimant, ClosedSession
from swarm_shared.store.queue.policy import AttemptResult, Budgets

TITLE = "A page that is open for a day"
MOST_MB = 10.0
MOST_S = 400  # a busy machine measures fewer events
WORKERS = 8
LINES = 12  # that an agent writes
ONE_IN = 9  # attempts that fail
ROUND = 60  # attempts between two moves of the user
SETTLE_MS = 3_000  # the pictures are loaded again, and the server has nothing left to push
SCREENS = ("now", "tasks", "inbox", "graph", "workers", "landing", "audit", "health", "logs", "now")


def measure(scale: Scale) -> Figure:
    """Count what the browser holds after its garbage collection: once warm, and after the events."""
    events = scale.pick(6_000, 100_000)
    try:
        with bench_swarm() as swarm, chromium() as browser:
            day = Day(swarm.db)
            server = Page(swarm)
            page = context_of(browser).new_page()
            page.goto(f"{server.url}/#t={server.token}")
            page.wait_for_selector('#chip[data-state="live"]')
            devtools = page.context.new_cdp_session(page)
            for screen in SCREENS * 2:  # every module is loaded, and the lanes are as full as they get
                day.work(ROUND)
                page.click(f'#nav a[data-screen="{screen}"]')
            before = held(page, devtools)
            first, began, visits = swarm.db.events.last_id(), time.monotonic(), 0
            while swarm.db.events.last_id() - first < events and time.monotonic() - began < MOST_S:
                day.work(ROUND)
                page.click(f'#nav a[data-screen="{SCREENS[visits % len(SCREENS)]}"]')
                visits += 1
            took_s = time.monotonic() - began
            page.click('#nav a[data-screen="now"]')
            after = held(page, devtools)
            seen = swarm.db.events.last_id() - first
            server.close()
    except BaseException as error:
        if type(error).__name__ == "Skipped":  # how the tests' browser says that it is missing
            raise CannotMeasure(f"needs {CHROMIUM}") from error
        raise
    return Figure(
        how=(
            f"{WORKERS} workers claim, write output and settle as fast as the database allows, while Chromium shows "
            f"the dashboard; a user opens another screen after every {ROUND} attempts. Memory, DOM nodes and listeners "
            "are counted after a forced garbage collection, on Now, first when all screens had been open."
        ),
        tables=(
            Table(
                columns=("events", "seconds", "screens opened", "heap MB before", "after", "DOM nodes before", "after"),
                rows=((seen, took_s, visits, before["mb"], after["mb"], before["nodes"], after["nodes"]),),
            ),
        ),
        targets=(Target(text="growth of an open page", value=after["mb"] - before["mb"], limit=MOST_MB, unit="MB"),),
        plots={},
        raw={"before": before, "after": after, "events": seen, "seconds": took_s},
    )


def held(page: BrowserPage, devtools: CDPSession) -> dict[str, float]:
    """What the page holds, as the browser counts it."""
    page.wait_for_timeout(SETTLE_MS)
    for _ in range(3):
        devtools.send("HeapProfiler.collectGarbage")
    dom = devtools.send("Memory.getDOMCounters")
    heap = devtools.send("Runtime.getHeapUsage")
    return {"mb": heap["usedSize"] / 1e6, "nodes": dom["nodes"], "listeners": dom["jsEventListeners"]}


class Day:
    """Attempts without an agent: a claim, a session with output, and its end."""

    def __init__(self, db: TaskDatabase) -> None:
        self._db = db
        self._made = 0
        me = ProcessId.mine()
        self._claimants = [
            Claimant(
                run=db.workers.register(name, me, me, lease_s=86_400),
                worker_id=name,
                agent_cli="command",
                routing=Routing(),
            )
            for name in (f"worker-{n}" for n in range(1, WORKERS + 1))
        ]

    def work(self, attempts: int) -> None:
        """Import that many tasks and end an attempt of each."""
        numbers = range(self._made, self._made + attempts)
        self._made += attempts
        specs = [TaskSpec(id=f"t{n}", name=f"part {n}", phase=f"phase {n // 500}", max_retries=0) for n in numbers]
        self._db.imports.run(specs, source="bench", actor="bench")
        for n in numbers:
            self._attempt(self._claimants[n % WORKERS], fails=n % ONE_IN == 0)

    def _attempt(self, claimant: Claimant, *, fails: bool) -> None:
        queue = self._db.queue
        claim = queue.claim(claimant)
        if claim is None:
            return
        session = queue.open_session(claim, role=Role.BUILDER, name="agent", stage=Stage.BUILDING, prompt="do it")
        text = "".join(f"line {n} of {claim.task_id}\n" for n in range(LINES)).encode()
        position = self._db.output.append(session, [(1, text)], position=0, limit_bytes=10**6)
        closed = ClosedSession(
            ended_at=self._db.clock.wall_ms(), pid=1, pid_start=1, exit_code=0, signal=None, output_bytes=position
        )
        queue.close_session(session, closed)
        result = AttemptResult(outcome=Outcome.PASSED)
        if fails:
            error = f"error {claim.task_id[-1]}: the test of {claim.task_id} fails"
            result = AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error=error)
        queue.settle(claim, result, Budgets(max_retries=0))
