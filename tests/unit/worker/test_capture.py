"""A session's output is stored without its secrets, however it is chunked, and every view shows it that way."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard_harness import DashboardHarness
from queue_harness import failed
from secret_cases import ENVIRON, INNOCENT, MIXED, SECRETS, Case

from swarm_dashboard.app import live_of
from swarm_shared.domain.models import FailureClass, Role, Stage
from swarm_shared.redaction.redaction import MARK, Redaction
from swarm_shared.redaction.streams import QUIET_S
from swarm_worker.session.capture import FLUSH_S, Capture

LOG = "/api/tasks/1/attempts/1/log"
KEY = "sk-" + MIXED[:48]
REDACTION = Redaction(ENVIRON)


class Printing(DashboardHarness):
    """A session that prints into pipes, and every view of its output."""

    def __init__(self, folder: Path, *, limit_bytes: int = 10**8) -> None:
        super().__init__(folder)  # of an environment without secrets: it shows what is stored
        self.add("1")
        self.attempt = self.take()
        self.session = self.db.queue.open_session(
            self.attempt, role=Role.BUILDER, name="b", stage=Stage.BUILDING, prompt="p"
        )
        self.capture = Capture(self.db.output, redaction=REDACTION, limit_bytes=limit_bytes)
        self.now = 0.0
        self.pipes = {1: os.pipe(), 2: os.pipe()}

    def prints(self, text: str, stream: int = 1) -> None:
        data = text.encode()
        for start in range(0, len(data), 60_000):
            os.write(self.pipes[stream][1], data[start : start + 60_000])
            self.capture.read(stream, self.pipes[stream][0], self.now)

    def pass_s(self, seconds: float) -> None:
        self.now += seconds
        self.capture.flush(self.session, self.now)

    def finish(self) -> None:
        self.capture.finish(self.session)

    def stored(self) -> str:
        return b"".join(chunk.data for chunk in self.db.output.read(self.session, limit=10**6)).decode()

    def ask(self, way: str = "", **asked: int | str) -> dict[str, Any]:
        asked["session"] = self.session
        body: dict[str, Any] = self.client.get(LOG + way, query_string=asked, headers=self.headers()).get_json()
        return body

    def last_line(self) -> str:
        return str(json.loads(live_of(self.app).first(None)[0])["data"]["running"][0]["last_line"])

    def close(self) -> None:
        for pipe in self.pipes.values():
            for descriptor in pipe:
                os.close(descriptor)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Printing]:
    made = Printing(tmp_path)
    yield made
    made.close()


def parts_of(case: Case) -> list[str]:
    return [line for line in case.secret.split("\n") if "KEY" not in line]


def test_no_view_of_the_output_shows_a_secret(harness: Printing) -> None:
    for number, case in enumerate(SECRETS):
        half = len(case.text) // 2
        harness.prints(f"\n{case.text[:half]}")
        harness.pass_s((0.0, FLUSH_S, 2 * QUIET_S)[number % 3])
        harness.prints(f"{case.text[half:]}\n")
        harness.pass_s(FLUSH_S)
    harness.finish()
    count = harness.ask("/lines")["total"]
    shown = {
        "database": harness.stored(),
        "read for its result": harness.capture.stdout.text(),
        "log": "".join(piece["text"] for piece in harness.ask(limit=10**6)["pieces"]),
        "lines": "\n".join(
            line["text"] for first in range(0, count, 400) for line in harness.ask("/lines", first=first)["lines"]
        ),
    }
    for way, text in shown.items():
        assert text.count(MARK) >= len(SECRETS), way
        assert [part for case in SECRETS for part in parts_of(case) if part in text] == [], way
    assert [part for case in SECRETS for part in parts_of(case) if harness.ask("/search", q=part[:300])["hits"]] == []


def test_text_that_is_not_secret_is_stored_as_printed(harness: Printing) -> None:
    text = "\n".join(INNOCENT) + "\n"
    for start in range(0, len(text), 7):
        harness.prints(text[start : start + 7])
        harness.pass_s(QUIET_S if start % 21 == 0 else 0.0)
    harness.finish()
    assert harness.stored() == text


@pytest.mark.parametrize("cut", range(1, len(KEY), 5))
def test_a_secret_that_is_still_being_written_is_not_shown_in_part(harness: Printing, cut: int) -> None:
    harness.prints(f"before {KEY[:cut]}")
    harness.pass_s(FLUSH_S)
    harness.pass_s(QUIET_S)
    assert KEY[:4] not in harness.stored()
    assert harness.last_line() == "before"
    harness.prints(f"{KEY[cut:]} after\n")
    harness.pass_s(FLUSH_S)
    assert harness.stored() == f"before {MARK} after\n"
    assert harness.last_line() == f"before {MARK} after"


def test_a_secret_interrupted_by_an_error_message_is_redacted(harness: Printing) -> None:
    harness.prints(f"one\nkey {KEY[:20]}")
    harness.prints("a warning\n", stream=2)
    harness.prints(f"{KEY[20:]}\ntwo\n")
    harness.pass_s(FLUSH_S)
    assert harness.stored() == f"one\na warning\nkey {MARK}\ntwo\n"


def test_the_two_streams_keep_their_order(harness: Printing) -> None:
    for number in range(3):
        harness.prints(f"out {number}\n")
        harness.prints(f"err {number}\n", stream=2)
    harness.pass_s(FLUSH_S)
    assert harness.stored() == "".join(f"out {n}\nerr {n}\n" for n in range(3))


def test_an_answer_with_a_secret_can_still_be_parsed(harness: Printing) -> None:
    answer = {
        "status": "success",
        "summary": f"I set DB_PASSWORD=tr0ub4dor-3 and {KEY}",
        "token": MIXED,
        "tokens": 1234,
    }
    harness.prints(json.dumps(answer))
    harness.finish()
    read = json.loads(harness.capture.stdout.text())
    assert read == {
        "status": "success",
        "summary": f"I set DB_PASSWORD={MARK} and {MARK}",
        "token": MARK,
        "tokens": 1234,
    }


def test_where_output_was_dropped_no_part_of_a_secret_remains(tmp_path: Path) -> None:
    harness = Printing(tmp_path, limit_bytes=4000)
    for number in range(300):
        harness.prints("." * (number % 70) + f" {KEY} line\n")
        harness.pass_s(FLUSH_S)
    harness.finish()
    harness.close()
    assert "line" in harness.stored()
    assert KEY[3:12] not in harness.stored()


def test_large_output_is_stored_in_chunks_and_the_last_ones_are_kept(tmp_path: Path) -> None:
    harness = Printing(tmp_path, limit_bytes=200_000)
    for number in range(20_000):
        harness.prints(f"line {number} of a great many\n")
    harness.finish()
    harness.close()
    assert harness.stored().startswith("line 0 ")
    assert harness.stored().endswith("line 19999 of a great many\n")
    assert len(harness.stored()) < 400_000


def test_a_silent_session_causes_no_writes(harness: Printing) -> None:
    assert harness.capture.flush_due_in(harness.now) is None
    harness.prints("half a line")
    assert harness.capture.flush_due_in(harness.now) == FLUSH_S
    harness.pass_s(FLUSH_S)
    assert harness.capture.flush_due_in(harness.now) == QUIET_S - FLUSH_S
    harness.pass_s(QUIET_S)
    assert harness.stored() == "half a "
    assert harness.capture.flush_due_in(harness.now) is None


@pytest.mark.parametrize("case", SECRETS, ids=lambda case: case.text[:40])
def test_no_result_holds_a_secret(harness: Printing, case: Case) -> None:
    result = failed(
        FailureClass.QUALITY,
        f"it said: {case.text}",
        builder_result={"summary": case.text, "issues": [case.text]},
        check_results=[{"command": "x", "passed": False, "exit_code": 1, "output": case.text}],
        validator_result={"verdict": "FAIL", "critical_issues": [{"what": case.text}]},
        must_fix=(case.text,),
    )
    harness.settle(harness.attempt, result.redacted(REDACTION))
    shown = {
        path: harness.get(path).get_data(as_text=True)
        for path in ("/api/tasks/1", "/api/log", "/api/tasks/1/next-prompt")
    }
    shown["database"] = json.dumps([harness.db.tasks.attempts(1), harness.db.events.newest(100)], default=str)
    for part in parts_of(case):
        written = json.dumps(part)[1:-1]
        assert [way for way, text in shown.items() if written in text] == []
    assert MARK in shown["/api/tasks/1"]
    assert MARK in shown["/api/tasks/1/next-prompt"]


def test_text_that_you_wrote_yourself_is_redacted_when_it_is_shown(harness: Printing) -> None:
    harness.post("/api/tasks/1/reject", {"note": f"use {KEY}"})
    assert KEY not in harness.get("/api/control").get_data(as_text=True)
    assert harness.db.control.newest(limit=1)[0].argument["note"] == f"use {KEY}"  # the agent needs it
