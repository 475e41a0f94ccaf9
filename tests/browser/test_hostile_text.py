"""Text of agents and users is shown as text: a corpus in every text column, on every screen and tab."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.sync_api import Page
from queue_harness import failed
from steered_queue import SteeredQueue

from browser import RunningDashboard, Watched
from swarm_dashboard.routes.pages import SCREENS
from swarm_shared.domain.models import FailureClass, Role, Stage, TaskSpec, Verb
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.git.plumbing.diffs import Change, Diff, FileChange
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.views.changes import Since

pytestmark = pytest.mark.browser

CORPUS = (
    "<script>alert('x')</script>",
    "\"'><img src=x onerror=alert(1)>",
    "<svg onload=alert(1)></svg>",
    "javascript:alert(1)",
    "</textarea></pre><iframe srcdoc='<script>parent.alert(1)</script>'>",
    "<a href=javascript:alert(1)>click</a> {{constructor.constructor('alert(1)')()}}",
)
ALIVE = "main script, main iframe:not(.report), main img, main [onerror], main [onload], main [href^='javascript']"


def task_with(harness: SteeredQueue, number: int, payload: str) -> None:
    """A task with the payload in every text; every other one has failed, the rest run."""
    harness.add(
        TaskSpec(
            id=f"{number} {payload}"[:190], name=payload, phase=payload, type=payload, description=payload,
            acceptance_criteria=(payload,), files=(payload,), design_docs=(payload,), max_retries=0,
            extra={payload: payload}, labels=(payload,), checks=(payload,),
        )
    )  # fmt: skip
    claim = harness.take(f"w{number} {payload}"[:60])
    for role, stage in ((Role.BUILDER, Stage.BUILDING), (Role.CHECK, Stage.CHECKING)):
        session = harness.db.queue.open_session(claim, role=role, name=payload, stage=stage, prompt=payload)
        pieces = [(1, f"error: {payload}\n".encode()), (2, payload.encode())]
        harness.db.output.append(session, pieces, position=0, limit_bytes=10**6)
    file = FileChange(path=payload, change=Change.RENAMED, old_path=payload, added=1, deleted=1)
    patch = f"diff --git a/{payload} b/{payload}\n@@ -1,2 +1,2 @@ {payload}\n-{payload}\n+{payload}\n {payload}\n"
    for since in Since:
        change = Diff(files=(file,), text=patch, truncated=True)
        harness.db.changes.keep(claim.attempt, since, base_sha=payload, head_sha=payload, change=change)
    if number % 2:
        result = failed(
            FailureClass.QUALITY,
            payload,
            must_fix=(payload,),
            builder_result={payload: payload, "status": payload, "implementation_notes": payload},
            check_results=[{"command": payload, "passed": False, "exit_code": payload, "output": payload}],
            validator_result={
                "verdict": payload, "critical_issues": [payload], "recommendations": [{payload: payload}],
                "summary": payload, "confidence": payload, "test_quality_score": payload,
            },
        )  # fmt: skip
        harness.settle(claim, result)


@pytest.fixture
def hostile(harness: SteeredQueue) -> SteeredQueue:
    for number, payload in enumerate(CORPUS):
        task_with(harness, number, payload)
    first, second = CORPUS[:2]
    harness.add(TaskSpec(id="held", name=first))
    trouble = Trouble(kind=TroubleKind.QUOTA, text=second)
    harness.settle(harness.start(f"x {first}"[:60]), failed(FailureClass.PROVIDER, first, trouble=trouble))
    harness.db.control.request(Verb.RETRY, f"1 {second}", {"note": first}, actor=CORPUS[2])
    harness.db.control.request(Verb.BULK, "", {"verb": first, "ids": [second]}, actor=first)
    harness.db.control.request(
        Verb.BULK, "", {"verb": second, "filter": {first: second, "words": [first]}}, actor=first
    )
    harness.db.control.answer(1, "refused", first, by=second)
    harness.db.workers.set_status(harness.claimant(f"w0 {first}"[:60]).run, "waiting", second)
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"leaving": first, "stuck_writer": {"name": second}})
    harness.db.steering.apply(Verb.RETRY, f"1 {second}", {"note": first}, actor=second)
    harness.db.swarm.set_flag("paused", actor=first, reason=second)
    return harness


def test_it_is_text_on_every_screen_and_every_tab(
    hostile: SteeredQueue, running: RunningDashboard, page: Page, seen: Watched
) -> None:
    tasks = [f"/tasks/{quote(f'{number} {CORPUS[number]}', safe='')}" for number in (0, 1, 3)]
    page.goto(running.url + tasks[0])
    page.wait_for_selector('nav[aria-label="About this task"] a')
    tabs = page.eval_on_selector_all(
        'nav[aria-label="About this task"] a', "(all) => all.map((one) => one.getAttribute('href'))"
    )
    assert len(tabs) >= 8
    addresses = [f"/{screen}" for screen in SCREENS]
    addresses += [
        f"/tasks?{key}={quote(text)}" for key, text in (("q", CORPUS[1]), ("phase", CORPUS[0]), ("status", CORPUS[0]))
    ]
    addresses += [task + tab for task in tasks for tab in tabs]
    addresses += [f"{tasks[1]}?tab=diff&since=previous", f"{tasks[1]}?tab=log&find={quote(CORPUS[1])}"]
    for address in addresses:
        page.goto(running.url + address)
        page.wait_for_selector("main .screen")
        page.wait_for_timeout(150)
        for frame in page.frames:  # the report is one of its own
            assert frame.locator(ALIVE).count() == 0, address
    refused = [text for text in seen.errors if "400" in text]
    for text in refused:  # the status that is none
        seen.errors.remove(text)
