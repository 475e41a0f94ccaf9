"""Takes pictures of a made-up swarm: those of the manual, or every screen on desktop and phone, light and dark.

python tests/support/screenshots.py [FOLDER] [--all]     into docs/images, or with --all into var/screenshots
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from demo_queue import fill, keep_alive

from browser import chromium, context_of, dashboard, watch

DESKTOP, SHORT, TALL, PHONE = (1280, 800), (1280, 520), (1280, 1060), (375, 780)
SCREENS = {
    "now": "/",
    "tasks": "/tasks",
    "failed": "/tasks?status=failed",
    "task": "/tasks/2.3.b",
    "log": "/tasks/2.3.b?tab=log",
    "inbox": "/inbox",
    "logs": "/logs",
    "settings": "/settings",
    "board": "/tasks?view=status",
    "diff": "/tasks/2.3.b?tab=diff",
    "graph": "/graph",
    "workers": "/workers",
    "landing": "/landing",
    "audit": "/audit",
    "health": "/health",
}
# Name, size, dark: what the manual shows.
MANUAL = (
    ("now", TALL, False),
    ("now", TALL, True),
    ("inbox", SHORT, False),
    ("inbox", SHORT, True),
    ("graph", DESKTOP, False),
    ("tasks", DESKTOP, False),
    ("task", DESKTOP, False),
    ("now", PHONE, True),
)
EVERYTHING = tuple((name, size, dark) for name in SCREENS for size in (DESKTOP, PHONE) for dark in (False, True))


def take(folder: Path, wanted: Iterable[tuple[str, tuple[int, int], bool]]) -> list[Path]:
    """Write the pictures; their files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with tempfile.TemporaryDirectory() as place:
        db = Path(place) / "tasks.db"
        fill(db)
        with dashboard(db) as running, chromium() as browser:
            for name, (width, height), dark in wanted:
                keep_alive(db)
                context = context_of(browser, width=width, height=height, dark=dark)
                page = context.new_page()
                seen = watch(page)
                page.goto(running.link)
                page.wait_for_selector('#chip[data-state="live"]')
                page.goto(running.url + SCREENS[name])
                page.wait_for_selector('#chip[data-state="live"]')
                page.wait_for_selector("main .card, main .empty")
                page.wait_for_timeout(400)
                file = folder / f"{name}-{'phone' if width < 500 else 'desktop'}-{'dark' if dark else 'light'}.png"
                page.screenshot(path=file)
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                print(file, f"wider than the window by {wide}" if wide > 0 else "", seen.errors, seen.violations)
                made.append(file)
                context.close()
    return made


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    everything = "--all" in sys.argv
    home = Path(__file__).parents[2]
    usual = home / "var" / "screenshots" if everything else home / "docs" / "images"
    take(Path(words[0]) if words else usual, EVERYTHING if everything else MANUAL)
