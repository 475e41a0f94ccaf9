"""`report`: its contents for a finished run of a thousand tasks, for an empty queue, and for hostile texts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli_harness import CliHarness
from finished_queue import OBJECTIONS, finished_queue

from swarm_shared.domain.models import FailureClass, Outcome, Role, Stage, TaskSpec
from swarm_shared.store.queue.claims import ClosedSession, SessionReport
from swarm_shared.store.queue.policy import AttemptResult

MOST_BYTES = 500_000
HOSTILE = '<script>alert(1)</script> "quoted" \x1b[31m | `x`'


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_queue(tmp_path_factory.mktemp("thousand"), 1_000)


class Page(HTMLParser):
    """What a page consists of; fails on unbalanced tags."""

    VOID = frozenset({"meta", "link", "br", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def test_the_page_of_a_thousand_tasks_is_one_small_file_that_loads_nothing(harness: CliHarness, thousand: Path) -> None:
    target = harness.folder / "report.html"
    ran = harness.bare("report", "--html", str(target), "--db", str(thousand))
    assert ran.code == 0, ran.err
    raw = target.read_bytes()
    assert len(raw) < MOST_BYTES
    page = Page(raw.decode())
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not [(name, value) for name, value in page.attributes if name in ("src", "href") or name.startswith("on")]
    assert "url(" not in raw.decode()
    assert page.tags.count("svg") >= 8
    for media in ("prefers-color-scheme: dark", "@media print", "max-width: 600px"):
        assert media in raw.decode()


def test_the_figures_agree_in_every_format(harness: CliHarness, thousand: Path) -> None:
    shown = harness.bare("report", "--json", "--db", str(thousand)).json
    completed, failed = shown["tasks"]["completed"], shown["tasks"]["failed"]
    assert shown["tasks"]["total"] == len(shown["task_list"]) == 1_000
    assert sum(1 for each in shown["task_list"] if each["status"] == "completed") == completed
    assert sum(each["attempts"] for each in shown["task_list"]) == shown["attempts"]
    assert sum(each["cost_usd"] or 0 for each in shown["phases"]) == pytest.approx(shown["cost_usd"])
    assert {each["sample"].removeprefix("validator: ") for each in shown["objections"]} == set(OBJECTIONS)
    assert shown["objections"] == sorted(shown["objections"], key=lambda each: -each["attempts"])
    text = harness.bare("report", "--md", "--db", str(thousand)).out
    page = Page(harness.bare("report", "--html", "-", "--db", str(thousand)).out).text
    for form in (text, page):
        assert f"{completed} of 1,000 tasks completed" in form
        assert f"Needs attention ({failed})" in form
        assert f"{shown['attempts']:,}" in form
        assert f"${shown['cost_usd']:,.2f}" in form
    blocked = next(each for each in shown["task_list"] if each["status"] == "blocked")
    assert blocked["waits_for"]


def test_markdown_stays_short_and_its_tables_are_complete(harness: CliHarness, thousand: Path) -> None:
    text = harness.bare("report", "--db", str(thousand)).out
    assert len(text.splitlines()) < 250
    assert "and 1" in text or "more" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1


def test_an_empty_queue_and_one_without_attempts_have_a_report(harness: CliHarness) -> None:
    harness.queue()
    assert "0 of 0 tasks completed" in harness.run("report").out
    harness.queue(TaskSpec(id="a", name="a"))
    page = Page(harness.run("report", "--html", "-").out)
    assert "0 of 1 task completed" in page.text
    assert page.text.count("not reported") == 2, "an unknown cost is not zero, nor are tokens"


def test_a_cost_is_incomplete_if_one_session_of_an_attempt_reported_none(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="a"))
    claim = harness.claim(stage=None)
    with harness.open() as database:
        for role, usd in ((Role.BUILDER, None), (Role.VALIDATOR, 0.25)):
            session = database.queue.open_session(claim, role=role, name="a", stage=Stage.BUILDING, prompt="do it")
            now = database.clock.wall_ms()
            closed = ClosedSession(pid=1, pid_start=1, exit_code=0, signal=None, output_bytes=0, ended_at=now)
            database.queue.close_session(session, closed)
            database.queue.report_session(session, SessionReport(cost_usd=usd, tokens=10))
    harness.settle(claim, AttemptResult(outcome=Outcome.PASSED, cost_usd=0.25, tokens=20))
    shown = harness.run("report", "--json").json
    assert (shown["cost_usd"], shown["attempts_without_cost"]) == (0.25, 1)
    assert "at least; 1 attempt with unreported costs" in harness.run("report").out


def test_hostile_texts_are_shown_as_text(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a|b", name=HOSTILE, phase=HOSTILE))
    result = AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error=HOSTILE)
    harness.settle(harness.claim(), result)
    page = Page(harness.run("report", "--html", "-").out)
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text
    for words in (("report",), ("report", "--html", "-"), ("report", "--json")):
        assert "\x1b" not in harness.run(*words).out
    assert "a\\|b" in harness.run("report").out


def test_secrets_in_errors_are_redacted(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="a"))
    error = "refused: sk-ant-api03-" + "A1b2C3d4" * 10
    harness.settle(
        harness.claim(), AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error=error)
    )
    for words in (("report",), ("report", "--html", "-"), ("report", "--json")):
        assert "A1b2C3d4" not in harness.run(*words).out


def test_a_page_never_replaces_the_database_and_two_formats_at_once_are_refused(harness: CliHarness) -> None:
    harness.queue()
    before = harness.db.read_bytes()
    ran = harness.run("report", "--html", str(harness.db))
    assert ran.code == 3
    assert harness.db.read_bytes() == before
    assert harness.run("report", "--md", "--json").code == 2
    assert harness.run("report", "--html", str(harness.folder / "missing" / "x.html")).code == 3
