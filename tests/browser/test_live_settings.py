"""Settings: the changeable settings of a running swarm are changed there, by requests."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from queue_harness import failed
from steered_queue import SteeredQueue

from browser import RunningDashboard, Watched
from swarm_shared.domain.models import FailureClass, Verb
from swarm_shared.domain.trouble import Trouble, TroubleKind


def test_workers_new_tasks_and_holds_are_changed_from_settings(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add("a", "b")
    trouble = Trouble(kind=TroubleKind.QUOTA, text="no credit is left")
    harness.settle(harness.start(), failed(FailureClass.PROVIDER, trouble=trouble))
    page.goto(f"{running.url}/settings")
    card = page.get_by_role("region", name="While the swarm runs")
    card.get_by_label("Scale to").fill("3")
    card.get_by_role("button", name="Set").click()
    row = harness.carry_out()
    assert (row.verb, dict(row.argument)) == (Verb.SCALE, {"workers": 3})
    card.get_by_role("button", name="Pause").click()
    harness.carry_out()
    expect(card).to_contain_text("do not start")
    expect(card).to_contain_text("Routes on hold")
    card.get_by_role("button", name="Resume").click()
    harness.carry_out()
    expect(card).not_to_contain_text("Routes on hold")
    expect(card.get_by_role("button", name="Pause")).to_be_visible()


def test_settings_are_described_in_words(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    page.goto(f"{running.url}/settings")
    row = page.locator("table.settings tr", has_text="stop_on_same_problem")
    expect(row).to_contain_text("off")
    expect(page.locator("table.settings")).not_to_contain_text("`")
