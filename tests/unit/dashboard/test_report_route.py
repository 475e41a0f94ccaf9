"""The report in the browser: in each form, without secrets, as a page that only a ticket opens and nothing can use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard_harness import DashboardHarness

from swarm_dashboard.routes import reports
from swarm_shared.domain.models import Status, TaskSpec

SECRET = "sk-ant-api03-" + "aB3dE5fG7h" * 6
HOSTILE = '<script>alert(1)</script> <img src=x onerror="alert(2)">'


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[DashboardHarness]:
    made = DashboardHarness(tmp_path)
    yield made
    made.db.close()


def address(harness: DashboardHarness) -> str:
    ticket = harness.post("/api/report/ticket").get_json()["ticket"]
    return f"/api/report/page?ticket={ticket}"


def test_every_form_comes_with_a_file_name(harness: DashboardHarness) -> None:
    harness.add("a", TaskSpec(id="b", name="B", status=Status.COMPLETED))
    found = {form: harness.get(f"/api/report?form={form}").get_json() for form in ("html", "markdown", "json")}
    assert [each["name"] for each in found.values()] == ["report.html", "report.md", "report.json"]
    assert found["html"]["text"].startswith("<!doctype html>")
    assert "# 1 of 2 tasks completed" in found["markdown"]["text"]
    assert '"total": 2' in found["json"]["text"]
    assert harness.get("/api/report?form=pdf").status_code == 400
    assert harness.get("/api/report", Authorization=None).status_code == 401


@pytest.mark.parametrize("form", ["html", "markdown", "json"])
def test_no_form_shows_a_secret(harness: DashboardHarness, form: str) -> None:
    harness.add(TaskSpec(id="a", name=f"call it with {SECRET}", status=Status.COMPLETED))
    text = harness.get(f"/api/report?form={form}").get_json()["text"]
    assert SECRET not in text
    assert "call it with" in text


def test_a_ticket_opens_the_page_once_without_the_token(harness: DashboardHarness) -> None:
    harness.add("a")
    opened = address(harness)
    shown = harness.get(opened, Authorization=None)
    assert (shown.status_code, shown.mimetype) == (200, "text/html")
    assert "0 of 1 task completed" in shown.get_data(as_text=True)
    again = harness.get(opened, Authorization=None)
    assert again.status_code == 401
    assert 'href="/report"' in again.get_data(as_text=True)
    assert "0 of 1" not in again.get_data(as_text=True)


def test_neither_a_foreign_site_nor_another_ticket_opens_it(harness: DashboardHarness) -> None:
    assert harness.get(address(harness), Authorization=None, Sec_Fetch_Site="cross-site").status_code == 403
    assert harness.get("/api/report/page", Authorization=None).status_code == 401
    of_socket = harness.post("/api/ticket").get_json()["ticket"]
    assert harness.get(f"/api/report/page?ticket={of_socket}", Authorization=None).status_code == 401
    assert harness.post("/api/report/ticket", Authorization=None).status_code == 401


def test_its_page_has_no_origin_no_scripts_and_stays_within_the_dashboard(harness: DashboardHarness) -> None:
    harness.add(TaskSpec(id="a", name=HOSTILE))
    shown = harness.get(address(harness))
    policy = {
        part.partition(" ")[0]: part.partition(" ")[2] for part in shown.headers["Content-Security-Policy"].split("; ")
    }
    assert policy["sandbox"] == ""
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'self'"
    assert "script-src" not in policy
    assert (shown.headers["X-Content-Type-Options"], shown.headers["Cache-Control"]) == ("nosniff", "no-store")
    assert "<script" not in shown.get_data(as_text=True)
    assert "<img" not in shown.get_data(as_text=True)


def test_other_pages_keep_the_strict_policy(harness: DashboardHarness) -> None:
    for path in ("/report", "/api/report", "/api/report/page"):
        assert "frame-ancestors 'none'" in harness.get(path).headers["Content-Security-Policy"], path


def test_a_queue_too_large_for_a_browser_is_refused_before_anything_is_read(
    harness: DashboardHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.add("a", "b")
    monkeypatch.setattr(reports, "MAX_REPORTED", 1)
    for refused in (harness.get("/api/report"), harness.post("/api/report/ticket")):
        assert refused.status_code == 400
        assert "a report on 2 tasks is too large" in refused.get_json()["error"]["message"]
