"""A browser loads each file of the page once, and again as soon as any of them has changed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from dashboard_harness import DashboardHarness

from swarm_dashboard.web.guard import HEADERS
from swarm_dashboard.web.static_files import CACHED, StaticFiles

IMPORTED = re.compile(r"""(?:^(?:import\b|export\b|\}).* from |\bimport\(|^import )["']([^"']+)["']""", re.MULTILINE)
ADDRESS = re.compile(r'(?:src|href)="(/static/[^"]+)"')


@pytest.fixture
def harness(tmp_path: Path) -> DashboardHarness:
    return DashboardHarness(tmp_path)


def two_files(folder: Path) -> StaticFiles:
    (folder / "page.html").write_text('<script src="/static/app.js"></script>')
    (folder / "app.js").write_text("1;")
    os.utime(folder / "app.js", (0, 0))  # two writes within one tick of the clock have the same time
    return StaticFiles(folder)


def test_browsers_may_cache_the_files_that_the_page_refers_to(harness: DashboardHarness) -> None:
    page = harness.get("/", Accept="text/html")
    assert page.headers["Cache-Control"] == HEADERS["Cache-Control"]
    addresses = set(ADDRESS.findall(page.text))
    assert len(addresses) > 5
    for address in addresses:
        answer = harness.get(address)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, CACHED), address


@pytest.mark.parametrize("address", ["/static/app.js", "/static/v-0123456789abcdef/app.js", "/api/status", "/healthz"])
def test_browsers_may_cache_nothing_else(harness: DashboardHarness, address: str) -> None:
    answer = harness.get(address)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


def test_browsers_may_not_cache_that_a_file_is_missing(harness: DashboardHarness) -> None:
    answer = harness.get(f"/static/v-{StaticFiles().version()}/nothing.js")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")


def test_modules_import_each_other_by_relative_paths(harness: DashboardHarness) -> None:
    """With absolute paths, the browser would load a second copy of a module, without a version."""
    modules = sorted(StaticFiles().folder.rglob("*.js"))
    imported = {(module, name) for module in modules for name in IMPORTED.findall(module.read_text())}
    assert len(imported) > len(modules)
    assert not [each for each in imported if not each[1].startswith(".")]


@pytest.mark.parametrize("change", ["contents of the same length", "a new file", "a new name"])
def test_the_addresses_change_with_the_files(tmp_path: Path, change: str) -> None:
    files = two_files(tmp_path)
    before = files.page()
    assert files.page() == before
    if change == "a new file":
        (tmp_path / "new.js").write_text("")
    elif change == "a new name":
        (tmp_path / "app.js").rename(tmp_path / "application.js")
    else:
        (tmp_path / "app.js").write_text("2;")
    assert files.page() != before
    assert f"/static/v-{files.version()}/app.js".encode() in files.page()


def test_a_replaced_file_is_not_cached_as_part_of_the_earlier_version(tmp_path: Path) -> None:
    files = two_files(tmp_path)
    before = files.version()
    assert files.is_current(before, "app.js")
    (tmp_path / "app.js").write_text("after;")
    (tmp_path / "new.js").write_text("")
    assert not files.is_current(before, "app.js")
    assert not files.is_current(before, "new.js")
    assert files.is_current(files.version(), "app.js")
    assert not files.is_current(before, "page.html")


def test_a_file_that_is_being_removed_is_not_cached(tmp_path: Path) -> None:
    files = two_files(tmp_path)
    version = files.version()
    (tmp_path / "app.js").unlink()
    assert not files.is_current(version, "app.js")
