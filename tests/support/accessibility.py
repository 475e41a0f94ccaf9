"""Accessibility rules that every screen must meet, checked in the page and by axe-core."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = Path(__file__).parent / "axe"
GRAVE = ("serious", "critical")
OF_COLOURS = ("color-contrast", "link-in-text-block")  # all that a theme changes
# In an isolated world of the page: its content policy would refuse a script tag.
_RUN = """async (rules) => {
  const only = rules ? {runOnly: {type: "rule", values: rules}} : {};
  const found = await axe.run(document, {resultTypes: ["violations"], preload: false, ...only});
  return found.violations.map(({id, impact, help, nodes}) =>
    ({id, impact, help, places: nodes.map((node) => `${node.target.join(" ")}: ${node.failureSummary}`)}));
}"""
_WIDER_BY = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PHONE_PX = 390
_OVERFLOWING = """() => [...document.querySelectorAll("dialog[open]")]
  .filter((node) => node.scrollWidth > node.clientWidth).map((node) => node.innerText.slice(0, 80))"""
_CONTROLS = """() => {
  // Kept aside: a mark on the elements themselves would go with the next update of the page.
  window.controls = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
    .filter((node) => !node.disabled && node.checkVisibility({visibilityProperty: true})
      && node.getClientRects().length > 0 && !node.matches(".skip, [tabindex='-1']"));
  document.activeElement?.blur();
  return window.controls.map((node) =>
    `${node.tagName} ${node.getAttribute("aria-label") ?? node.textContent.trim().slice(0, 40)}`);
}"""
_FOCUSED = """() => window.controls.findIndex((node) => node === document.activeElement)"""
_STILL_THERE = """(place) => window.controls[place].isConnected"""


def axe_source() -> str:
    """The pinned file, refused if its hash differs from the one in its note."""
    source = (AXE / "axe.min.js").read_bytes()
    pinned = re.search(r"`([0-9a-f]{64})`", (AXE / "README.md").read_text())
    assert pinned is not None
    assert hashlib.sha256(source).hexdigest() == pinned[1]
    return source.decode()


def grave_faults(page: Page, rules: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
    """What axe finds on the page that hinders users; only by these `rules`, if given."""
    if not page.evaluate("() => typeof axe === 'object'"):
        page.evaluate(axe_source())
    return [fault for fault in page.evaluate(_RUN, None if rules is None else list(rules)) if fault["impact"] in GRAVE]


def wider_than_window(page: Page) -> int:
    """By how many pixels the page must be scrolled sideways."""
    return int(page.evaluate(_WIDER_BY))


def controls_out_of_reach(page: Page) -> list[str]:
    """Visible controls that Tab does not reach."""
    controls: list[str] = page.evaluate(_CONTROLS)
    reached: set[int] = set()
    for _ in range(len(controls) + 10):
        page.keyboard.press("Tab")
        reached.add(int(page.evaluate(_FOCUSED)))
    missed = [place for place in range(len(controls)) if place not in reached]
    return [controls[place] for place in missed if page.evaluate(_STILL_THERE, place)]


def assert_fits_everybody(page: Page) -> None:
    """The current view has no serious fault in either theme, and nothing of it is cut off at the width of a phone."""
    before = page.viewport_size
    assert before is not None
    for width, theme in ((before["width"], "light"), (PHONE_PX, "dark")):
        page.set_viewport_size({"width": width, "height": before["height"]})
        page.emulate_media(color_scheme=theme)
        assert grave_faults(page) == [], (width, theme)
        assert wider_than_window(page) <= 0, width
        assert page.evaluate(_OVERFLOWING) == [], width
    page.set_viewport_size(before)
    page.emulate_media(color_scheme="light")
