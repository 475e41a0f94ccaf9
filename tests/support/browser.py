"""A real Chromium and a real `swarm-dashboard`, for tests of the page as users see it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from dashboard_forks import DashboardForks, Forked
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

# The same engine; without the rest of the browser, a new page takes half the CPU time.
HEADLESS_SHELL = "/usr/bin/chromium-headless-shell"
CHROMIUM = next((path for path in (HEADLESS_SHELL, "/usr/bin/chromium") if Path(path).exists()), HEADLESS_SHELL)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DEADLINE_S = 20.0
POLL_S = 0.02
_LINK = re.compile(r"link=\"?(http://\S+?)\"? ")

T = TypeVar("T")


def wait_for(what: Callable[[], T], *, deadline_s: float = DEADLINE_S, on: Page | None = None) -> T:
    """Call `what` until its result is true; that result.

    Args:
        on: A page whose events are handled meanwhile.

    Raises:
        AssertionError: It was not within the deadline.
    """
    until = time.monotonic() + deadline_s
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < until, f"not within {deadline_s:.0f} s"
        if on is None:
            time.sleep(POLL_S)
        else:
            on.wait_for_timeout(POLL_S * 1000)


@dataclass(slots=True)
class RunningDashboard:
    """A `swarm-dashboard` process."""

    process: subprocess.Popen[str] | Forked
    log: list[str]

    @property
    def link(self) -> str:
        """The address with the token, from its log."""
        found = _LINK.search("\n".join(self.log))
        assert found, self.log
        return found[1]

    @property
    def url(self) -> str:
        return self.link.partition("#")[0].rstrip("/")

    @property
    def token(self) -> str:
        return self.link.partition("#t=")[2]


@contextmanager
def dashboard(
    db: Path,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    port: int | None = 0,
    forks: DashboardForks | None = None,
) -> Iterator[RunningDashboard]:
    """Start a dashboard on a free port, and stop it afterwards; as a program of its own unless `forks` starts it."""
    words = ["--db", str(db), *arguments]
    if port is not None:
        words += ["--port", str(port)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SWARM_", "SUPERVISOR_"))}
    clean |= {"PYTHONUNBUFFERED": "1"} | dict(environ or {})
    process: subprocess.Popen[str] | Forked
    if forks is not None:
        process = forks.start(words, clean)
    else:
        command = [sys.executable, "-m", "swarm_dashboard", *words]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=clean)
    running = RunningDashboard(process=process, log=[])
    assert process.stderr is not None
    stream = process.stderr
    reader = threading.Thread(target=lambda: running.log.extend(iter(stream.readline, "")), daemon=True)
    reader.start()
    try:
        wait_for(lambda: process.poll() is not None or any("dashboard_started" in line for line in running.log))
        assert process.poll() is None, running.log
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(DEADLINE_S)
        reader.join(DEADLINE_S)
        stream.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A new headless Chromium; skips where none is installed, and fails there in CI."""
    if shutil.which(CHROMIUM) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{CHROMIUM} is missing: apt install chromium-headless-shell")
        pytest.skip(f"{CHROMIUM} is missing: apt install chromium-headless-shell")
    with tempfile.TemporaryDirectory(prefix="chromium-") as home, sync_playwright() as playwright:
        # Its crash reporter and settings go where they are removed again.
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(FLAGS), env={**os.environ, "HOME": home, "XDG_CONFIG_HOME": home}
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True)
class Watched:
    """Events that must not occur while a page is open."""

    dialogs: list[str]
    violations: list[str]
    errors: list[str]

    def assert_clean(self) -> None:
        assert not self.dialogs, self.dialogs
        assert not self.violations, self.violations
        assert not self.errors, self.errors


def watch(page: Page) -> Watched:
    """Record script dialogs, violations of the content policy, and errors on the page's console."""
    seen = Watched(dialogs=[], violations=[], errors=[])
    page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))

    def note(kind: str, text: str) -> None:
        if "Content Security Policy" in text or "TrustedHTML" in text:
            seen.violations.append(text)
        elif kind == "error":
            seen.errors.append(text)

    page.on("console", lambda message: note(message.type, message.text))
    return seen


def context_of(browser: Browser, *, width: int = 1280, height: int = 800, dark: bool = False) -> BrowserContext:
    """A fresh profile with a window of this size."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        locale="en-GB",
        timezone_id="UTC",
    )
    context.set_default_timeout(DEADLINE_S * 1000)
    return context
