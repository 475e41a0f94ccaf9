"""The output of a run for the user, during and after it."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from queue_harness import PASSED, QueueHarness, failed
from rich.console import ConsoleDimensions

from amplifier_swarm.start.display.live import LiveProgress
from amplifier_swarm.start.display.logs import LogTail
from amplifier_swarm.start.display.progress import PlainProgress, progress_for
from amplifier_swarm.start.display.summary import summary_lines, words_again
from amplifier_swarm.start.display.view import View, event_line
from amplifier_swarm.start.queue_state import End, read_queue
from swarm_shared.domain.models import FailureClass, TaskSpec
from swarm_shared.domain.trouble import TroubleKind
from swarm_shared.settings.settings import resolve
from swarm_shared.store.queue.policy import Budgets, Trouble
from swarm_shared.store.swarm.swarm import DISK_LOW, DRAINED, PAUSED

CLEAR = "\x1b[2J"


@pytest.fixture
def harness(tmp_path: Path) -> QueueHarness:
    return QueueHarness(tmp_path, budgets=Budgets(max_retries=0))


def view_of(harness: QueueHarness, **more: Any) -> View:
    values: dict[str, Any] = {
        "queue": read_queue(harness.db),
        "running": harness.db.tasks.running(),
        "workers": harness.db.workers.shown(),
        "prospect": harness.db.prospects.now(),
        "now_ms": harness.clock.wall_ms(),
        "elapsed_s": 60.0,
        "link": None,
    }
    return View(**{**values, **more})


def summary(harness: QueueHarness, elapsed_s: float = 60.0) -> str:
    return "\n".join(
        summary_lines(
            harness.db, read_queue(harness.db), mark=0, elapsed_s=elapsed_s, end=End(exit_code=8, headline="ended")
        )
    )


def test_the_summary_counts_groups_hours_attempts_and_rate(harness: QueueHarness) -> None:
    harness.add(TaskSpec(id="a", name="a", estimated_hours=1.5), "b", "c")
    harness.run()
    harness.run(failed(FailureClass.QUALITY, "no\nmore"))
    text = summary(harness)
    assert re.search(r"completed +1 +1\.5", text)
    assert re.search(r"failed +1 +0\.0", text)
    assert re.search(r"total +3 +1\.5", text)
    assert "1 passed in 2 attempts, 1.0 a minute" in text
    assert "b failed: no more" in text
    assert "amplifier-swarm start" in text


def test_the_summary_speaks_of_one_attempt_and_of_one_retry(harness: QueueHarness) -> None:
    harness.add("a")
    harness.budgets = Budgets(max_retries=1)
    harness.run(failed(FailureClass.QUALITY, "no"))
    assert "0 passed in 1 attempt\n" in summary(harness)
    harness.run()
    assert "1 passed in 2 attempts, 1 of them a retry" in summary(harness)


def test_a_run_with_attempts_offers_a_report_even_when_everything_is_completed(harness: QueueHarness) -> None:
    harness.add("a")
    assert "amplifier-swarm report" not in summary(harness)
    harness.run()
    text = summary(harness)
    assert f"amplifier-swarm report --html report.html --db {harness.db.path}" in text
    assert "amplifier-swarm start" not in text


def test_the_command_to_continue_repeats_the_location_and_agent_options_of_the_run(harness: QueueHarness) -> None:
    harness.add("a")
    flags = {"project_root": "/a b", "workers": 3, "validation": False, "dashboard_port": 9000}
    again = words_again(resolve(flags, {"SWARM_AGENT_CLI": "command"}))
    assert again == " --project-root '/a b' --workers 3 --no-validation"
    lines = summary_lines(
        harness.db, read_queue(harness.db), mark=0, elapsed_s=1, end=End(exit_code=8, headline="ended"), again=again
    )
    assert lines[-1].endswith(f"{again}    (continue)")


def test_the_summary_counts_only_this_runs_attempts(harness: QueueHarness) -> None:
    harness.add("a", "b")
    harness.run()
    mark = harness.db.runs.mark()
    harness.run()
    assert harness.db.runs.effort_since(mark).attempts == 1


def test_a_refused_landing_is_counted_as_refused_and_not_as_passed(harness: QueueHarness) -> None:
    harness.add("a")
    for _ in range(3):
        harness.run(replace(PASSED, base_sha="base", head_sha="head"))
        landing = harness.db.landings.claim(harness.claimant())
        assert landing is not None
        harness.settle(landing.claim, failed(FailureClass.QUALITY, "conflict", raced=True))
    assert "0 passed in 3 attempts, 3 landings refused" in summary(harness)


def test_unknown_tokens_and_cost_are_omitted_and_known_ones_are_summed(harness: QueueHarness) -> None:
    harness.add("a", "b", "c")
    harness.run()
    assert not re.search(r"\d tokens|\$", summary(harness))
    harness.run(failed(FailureClass.QUALITY, tokens=1500, cost_usd=0.25))
    harness.run(failed(FailureClass.QUALITY, tokens=500, cost_usd=0.5))
    assert "2,000 tokens, $0.75" in summary(harness)


def test_long_lists_are_truncated_and_say_so(harness: QueueHarness) -> None:
    harness.add(*(f"t{n}" for n in range(23)))
    for _ in range(23):
        harness.run(failed(FailureClass.QUALITY))
    assert "  and 3 more" in summary(harness)


def test_names_from_task_files_cannot_control_the_terminal(harness: QueueHarness) -> None:
    harness.add(TaskSpec(id="a\x1b[31m", name="a"))
    harness.run(failed(FailureClass.QUALITY, "\x1b]0;title\x07boom"))
    assert "\x1b" not in summary(harness)


@pytest.mark.parametrize(
    ("flag", "text"),
    [(PAUSED, "paused by ada (lunch); to continue: amplifier-swarm resume"), (DISK_LOW, "no tasks start: lunch")],
)
def test_a_flag_that_stops_the_queue_is_reported_with_advice(harness: QueueHarness, flag: str, text: str) -> None:
    harness.add("a")
    harness.claimant()
    harness.db.swarm.set_flag(flag, actor="ada", reason="lunch")
    assert text in (view_of(harness).obstacle_text() or "")


def test_a_provider_on_hold_is_reported_with_its_end_or_with_advice(harness: QueueHarness) -> None:
    harness.add("a")
    harness.run(failed(FailureClass.PROVIDER, trouble=Trouble(kind=TroubleKind.THROTTLED, text="slow down", wait_s=90)))
    assert "command is on hold (rate limit: slow down); next try in 1 m 30 s" in (
        view_of(harness).obstacle_text() or ""
    )
    harness.db.swarm.resume(actor="ada")
    harness.clock.pass_s(1)
    harness.run(failed(FailureClass.PROVIDER, trouble=Trouble(kind=TroubleKind.QUOTA, text="no credit")))
    assert "once that is fixed: amplifier-swarm resume" in (view_of(harness).obstacle_text() or "")


def test_missing_workers_are_reported_but_not_while_they_are_starting(harness: QueueHarness) -> None:
    harness.add("a")
    starting = view_of(harness, starting=3)
    assert (starting.obstacle_text(), starting.starting_text()) == (None, "starting 3 workers …")
    assert "no worker is running" in (view_of(harness).obstacle_text() or "")
    assert view_of(harness).starting_text() == ""
    harness.claimant()
    assert view_of(harness).obstacle_text() is None


def test_while_something_runs_no_obstacle_is_reported(harness: QueueHarness) -> None:
    harness.add("a", "b")
    harness.start()
    harness.db.swarm.set_flag(PAUSED, actor="ada")
    assert view_of(harness).obstacle_text() is None


def test_the_estimated_end_is_shown_as_a_time_of_day_and_as_the_time_left(harness: QueueHarness) -> None:
    harness.add(TaskSpec(id="a", name="a"), TaskSpec(id="b", name="b", estimated_hours=8))
    claim = harness.start()
    harness.clock.pass_s(6)
    harness.settle(claim)
    harness.start()
    shown = view_of(harness).eta_text()
    assert shown.startswith("done about ")
    assert shown.endswith("(in 8 h 00 m)")


def test_a_drain_names_the_tasks_that_it_waits_for(harness: QueueHarness) -> None:
    harness.add("a", "b")
    harness.start()
    harness.db.swarm.set_flag(DRAINED, actor="ada")
    assert view_of(harness).ending_text() == "draining, requested by ada; waiting for a"


def test_new_events_are_printed_and_old_ones_are_not(harness: QueueHarness) -> None:
    harness.add("a")
    harness.settle(harness.start(), PASSED)
    lines = [line for event in harness.db.events.newest(50) if (line := event_line(event))]
    assert lines == ["✓ a completed"]


def test_the_live_frame_shows_plain_text_and_fits_a_narrow_terminal(harness: QueueHarness) -> None:
    harness.add(TaskSpec(id="a", name="[red]not markup[/red] " * 5))
    harness.start()
    stream = io.StringIO()
    live = LiveProgress(stream)
    live._console.width = 60
    live.event("✗ b failed: " + "x" * 200)
    live.show(view_of(harness, link="http://127.0.0.1:8765/#t=abc"))
    live._console.print(live._frame(view_of(harness)))
    live.close()
    shown = stream.getvalue()
    assert "[red]not markup[/red]" in shown
    assert "0 completed   1 running   0 to do" in shown
    assert "#t=abc" in shown
    assert max(len(line) for line in shown.splitlines()) <= 60


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_resized_terminal_is_cleared_and_redrawn_with_earlier_lines(
    harness: QueueHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    harness.add("a")
    stream = Terminal()
    live = LiveProgress(stream)
    live.say("agents do not see uncommitted changes")
    link = "http://127.0.0.1:8765/#t=" + "x" * 43

    def shown() -> str:
        """The output of one more frame."""
        before = len(stream.getvalue())
        live._drawn_at = 0.0
        live.show(view_of(harness, link=link))
        return stream.getvalue()[before:]

    assert link in shown()
    again = shown()
    assert (link in again, CLEAR in again) == (False, False), "it is printed once, and redrawn in place"
    live._console.size = ConsoleDimensions(40, 20)
    resized = shown()
    assert resized.count(link) == 1, "in one piece, despite the width"
    assert resized.index("uncommitted changes") < resized.index(link) < resized.rindex("to do")
    assert CLEAR in resized
    assert link not in shown()
    live.close()


class Gone(io.StringIO):
    """A terminal that was closed."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


def test_a_closed_terminal_does_not_end_the_run(harness: QueueHarness) -> None:
    for progress in (PlainProgress(Gone()), LiveProgress(Gone())):
        progress.event("x")
        progress.say("x")
        progress.show(view_of(harness))
        progress.close()


def test_without_a_terminal_plain_lines_are_printed_and_the_link_once(harness: QueueHarness) -> None:
    stream = io.StringIO()
    progress = progress_for(stream, plain=False)
    for _ in range(3):
        progress.show(view_of(harness, link="http://127.0.0.1:8765"))
    assert re.fullmatch(r"\d\d:\d\d:\d\d dashboard: http://127\.0\.0\.1:8765\n", stream.getvalue())


def test_without_a_terminal_a_line_says_that_workers_are_starting(harness: QueueHarness) -> None:
    stream = io.StringIO()
    progress = progress_for(stream, plain=False)
    for _ in range(3):
        progress.show(view_of(harness, starting=3))
    progress.show(view_of(harness))
    assert [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()] == ["starting 3 workers …"]


def test_the_log_tail_shows_complete_new_lines_and_follows_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "reaper.log"
    log.write_text("old\n")
    lines: list[str] = []
    tail = LogTail(tmp_path, lines.append)
    with log.open("a") as file:
        file.write("new\nhalf")
    tail.read()
    assert lines == ["[reaper] new"]
    with log.open("a") as file:
        file.write(" whole\n")
    tail.read()
    log.write_text("r\n")
    tail.read()
    (tmp_path / "worker.log").write_text("first\n")
    tail.read()
    assert lines == ["[reaper] new", "[reaper] half whole", "[reaper] r", "[worker] first"]


def test_an_attempt_after_an_interruption_is_not_a_retry(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path, budgets=Budgets(max_retries=2))
    harness.add("a")
    mark = harness.db.runs.mark()
    harness.run(failed(FailureClass.INTERRUPTED))
    harness.run(failed(FailureClass.QUALITY))
    harness.run()
    effort = harness.db.runs.effort_since(mark)
    assert (effort.attempts, effort.passed, effort.retries) == (3, 1, 1)
