"""Routes and budgets: what the work may use, and how much of it is used, on Now and on a task."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from queue_harness import failed
from steered_queue import SteeredQueue

from browser import RunningDashboard, Watched, wait_for
from swarm_shared.domain.budget import Budget, Caps
from swarm_shared.domain.models import FailureClass, Role, Stage
from swarm_shared.domain.routes import Route, Routing
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.store.queue.claims import Claim, SessionReport

PLAN = Route(name="plan", agent_cli="claude", account="ada")
API = Route(name="api", agent_cli="claude", model="sonnet")


def spend(harness: SteeredQueue, claim: Claim, usd: float) -> None:
    """A session of the claim that ends and reports its cost."""
    session = harness.db.queue.open_session(
        claim, role=Role.BUILDER, name="agent", stage=Stage.BUILDING, prompt="do it"
    )
    with harness.db.connection.transaction():
        harness.db.connection.change("UPDATE sessions SET ended_at = started_at WHERE id = ?", (session,))
    harness.db.queue.report_session(session, SessionReport(cost_usd=usd, tokens=1000))
    harness.db.spending.check(harness.db.spending.stated())


def test_a_held_route_shows_its_end_and_reason_and_the_next_one_is_in_use(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.routing = Routing(builder=(PLAN, API))
    harness.db.routes.note(harness.routing)
    harness.add("a", "b", "c")
    first = harness.take()
    spend(harness, first, 1.5)
    reason = Trouble(kind=TroubleKind.CREDENTIALS, text="401 invalid key")
    harness.settle(first, failed(FailureClass.PROVIDER, trouble=reason))
    harness.start("worker-2")
    plan = page.locator("table.routes tr", has_text="plan")
    expect(plan).to_contain_text("on hold until you resume")
    expect(plan).to_contain_text("Sign-in rejected: 401 invalid key")
    expect(plan).to_contain_text("$1.50, 1k tokens")
    api = page.locator("table.routes tr", has_text="api")
    expect(api).to_contain_text("in use")
    expect(api.locator("[data-heading=Running]")).to_have_text("1")
    expect(api).to_contain_text("not reported")
    page.get_by_role("button", name="Resume").click()
    harness.carry_out()
    expect(plan).to_contain_text("in use")
    expect(api).to_contain_text("standby")


def test_a_budget_shows_how_much_of_each_cap_is_used(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add("a", "b")
    harness.db.spending.note(Budget(task=Caps(usd=3), run=Caps(usd=5), day=Caps(tokens=100_000)))
    harness.db.spending.begin_run()
    claim = harness.take()
    spend(harness, claim, 1.5)
    bar = page.get_by_role("progressbar", name="Budget of this run")
    expect(bar).to_have_attribute("aria-valuetext", "$1.50 of $5.00")
    expect(bar).to_have_attribute("aria-valuenow", "30")
    expect(page.get_by_role("progressbar", name="Budget of today")).to_have_attribute(
        "aria-valuetext", "1,000 of 100k tokens"
    )
    expect(page.get_by_role("progressbar", name=f"Budget of task {claim.task_id}")).to_have_attribute(
        "aria-valuetext", "$1.50 of $3.00"
    )
    spend(harness, claim, 2.6)
    expect(page.locator(".caps")).to_contain_text("82%, nearly used up")
    expect(page.locator(".caps")).to_contain_text("136%, used up")  # of the task
    spend(harness, claim, 1.0)
    expect(page.locator(".caps")).to_contain_text("new tasks start when you resume")
    expect(page.locator(".warning")).to_contain_text(
        "The queue is paused: no new tasks start, running ones continue (by the budget, "
    )
    expect(page.locator(".warning")).to_contain_text("the budget of this run is used up, 5.10 of 5.00 USD.")
    page.goto(f"{running.url}/tasks/{claim.task_id}")
    expect(page.locator("header .cap")).to_contain_text("$5.10 of $3.00")


def test_without_routes_and_budgets_now_shows_neither(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a")
    spend(harness, harness.take(), 1.0)
    wait_for(lambda: page.locator(".counters").count(), on=page)
    expect(page.locator("main")).not_to_contain_text("Budget")
    expect(page.locator("main")).not_to_contain_text("Routes")
