"""Takes pictures of a made-up swarm: those of the manual, or every screen in six states.

python tests/support/screenshots.py [FOLDER]                      those of the manual, into docs/images
python tests/support/screenshots.py --states [STATE …] [FOLDER]   every screen on desktop and phone, light and dark, in
                                                                  each state, with a sheet of all, into var/screenshots
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from demo_queue import fill, keep_alive
from playwright.sync_api import Browser, Page
from swarm_states import STATES

from browser import RunningDashboard, chromium, context_of, dashboard, watch
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status

DESKTOP, SHORT, TALL, PHONE = (1280, 800), (1280, 520), (1280, 1060), (390, 780)
SCREENS = {
    "now": "/",
    "tasks": "/tasks",
    "failed": "/tasks?status=failed",
    "board": "/tasks?view=status",
    "inbox": "/inbox",
    "graph": "/graph",
    "workers": "/workers",
    "landing": "/landing",
    "audit": "/audit",
    "health": "/health",
    "logs": "/logs",
    "settings": "/settings",
    "report": "/report",
}
TABS = ("log", "diff", "checks")  # of a task
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
OF_MANUAL = SCREENS | {"task": "/tasks/2.3.b"}
MOST_PX = 2_600  # of a long page
SETTLE_MS = 400  # pictures are drawn once the page knows its width
SHEET = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 12px; background: #777; font: 13px sans-serif; color: #fff; display: grid; gap: 10px;
  grid-template-columns: repeat({columns}, {width}px); align-items: start; }}
img {{ width: 100%; display: block; }} figure {{ margin: 0; }}
</style>{figures}"""


def of_manual(folder: Path) -> None:
    """The pictures in docs/images."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        db = Path(place) / "tasks.db"
        fill(db)
        with dashboard(db) as running, chromium() as browser:
            for name, size, dark in MANUAL:
                keep_alive(db)
                device = "phone" if size is PHONE else "desktop"
                for page in opened(browser, running, size, dark=dark):
                    take(page, running, OF_MANUAL[name], folder / f"{name}-{device}-{theme(dark)}.png", whole=False)


def of_state(state: str, folder: Path) -> None:
    """Every screen in one state; the sheets show them side by side."""
    mine = folder / state
    mine.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        db = Path(place) / "tasks.db"
        STATES[state](db)
        screens = SCREENS | tabs_of_a_task(db)
        with dashboard(db) as running, chromium() as browser:
            for device, size in (("desktop", DESKTOP), ("phone", PHONE)):
                for dark in (False, True):
                    files = []
                    for page in opened(browser, running, size, dark=dark):
                        for name, address in screens.items():
                            keep_alive(db)
                            files.append(mine / f"{name}-{device}-{theme(dark)}.png")
                            take(page, running, address, files[-1], whole=True)
                    sheet(browser, files, folder / f"{state}-{device}-{theme(dark)}.png", size[0])


def opened(browser: Browser, running: RunningDashboard, size: tuple[int, int], *, dark: bool) -> Iterator[Page]:
    """One page with the token, closed afterwards."""
    context = context_of(browser, width=size[0], height=size[1], dark=dark)
    page = context.new_page()
    page.goto(running.link)
    page.wait_for_selector('#chip[data-state="live"]')
    yield page
    context.close()


def take(page: Page, running: RunningDashboard, address: str, file: Path, *, whole: bool) -> None:
    """Write one picture, and report what is wrong with the page."""
    seen = watch(page)
    page.goto(running.url + address)
    page.wait_for_selector('#chip[data-state="live"]')
    page.wait_for_selector("main .screen")
    page.wait_for_load_state("networkidle")  # the report is loaded after the screen
    page.wait_for_timeout(SETTLE_MS)
    usual = page.viewport_size
    assert usual is not None
    if whole:  # the bar of a phone stays at the end of the page, where a picture of the full page has it in the middle
        long = int(page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": usual["width"], "height": min(MOST_PX, max(usual["height"], long))})
        page.wait_for_timeout(SETTLE_MS / 4)
    page.screenshot(path=file)
    beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    faults = [f"wider than the window by {beyond} px"] if beyond > 0 else []
    page.set_viewport_size(usual)
    print(file, *faults, *seen.errors, *seen.violations, *seen.dialogs)


def sheet(browser: Browser, files: Sequence[Path], to: Path, width: int) -> None:
    """All pictures on one."""
    shown = 400 if width > 500 else 260
    figures = "".join(
        f'<figure><img src="{quote(str(file.relative_to(to.parent)))}"><figcaption>{file.stem}</figcaption></figure>'
        for file in files
    )
    text = to.with_suffix(".html")
    text.write_text(SHEET.format(columns=4 if width > 500 else 6, width=shown, figures=figures), encoding="utf-8")
    context = context_of(browser, width=1680, height=900)
    page = context.new_page()
    page.goto(text.as_uri())
    page.screenshot(path=to, full_page=True)
    context.close()
    text.unlink()
    print(to)


def tabs_of_a_task(db: Path) -> dict[str, str]:
    """The screen of the task that tells most: one that runs, else failed, else completed; none in an empty queue."""
    with TaskDatabase(db) as database:
        for status in (Status.IN_PROGRESS, Status.FAILED, Status.COMPLETED):
            found, _ = database.tasks.page(statuses=(status,), limit=1)
            if found:
                address = f"/tasks/{quote(found[0]['id'], safe='')}"
                return {"task": address} | {f"task-{tab}": f"{address}?tab={tab}" for tab in TABS}
    return {}


def theme(dark: bool) -> str:
    return "dark" if dark else "light"


def main(words: Sequence[str]) -> None:
    home = Path(__file__).parents[2]
    names = [word for word in words if word in STATES]
    folders = [Path(word) for word in words if word not in STATES and not word.startswith("-")]
    if "--states" not in words:
        of_manual(folders[0] if folders else home / "docs" / "images")
        return
    for state in names or STATES:
        of_state(state, folders[0] if folders else home / "var" / "screenshots")


if __name__ == "__main__":
    main(sys.argv[1:])
