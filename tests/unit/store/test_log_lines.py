"""Any range of lines of a session's output, and the lines that contain a text, whatever its size and shape."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from queue_harness import QueueHarness

from swarm_shared.domain.models import Role, Stage
from swarm_shared.store.views.logs.log_lines import MAX_LINE_BYTES, LineIndex, LogLines, Sought, holding, telling_errors

LATER = 10**12


class LogHarness(QueueHarness):
    """A session that is written to and read as lines."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.add("1")
        claim = self.take()
        self.session = self.db.queue.open_session(claim, role=Role.BUILDER, name="b", stage=Stage.BUILDING, prompt="p")
        self.position = 0
        self.lines = LogLines(self.db.connection, self.clock)
        self.index = LineIndex()

    def write(self, *pieces: bytes, stream: int = 1, limit_bytes: int = 10**9) -> None:
        for piece in pieces:
            self.position = self.db.output.append(
                self.session, [(stream, piece)], position=self.position, limit_bytes=limit_bytes
            )

    def look(self, *, until_ms: int = LATER) -> bool:
        lost = self.db.connection.value("SELECT lost_to FROM sessions WHERE id = :id", {"id": self.session})
        return self.lines.extend(self.session, self.index, lost_to=lost or 0, until_ms=until_ms)

    def texts(self, first: int = 0, count: int = 10**6) -> list[str]:
        self.look()
        return [line.text for line in self.lines.read(self.session, self.index, first=first, count=count)]

    def find(self, sought: Sought, first: int = 0) -> list[int]:
        self.look()
        return self.lines.find(self.session, self.index, sought, first=first, until_ms=LATER).lines


@pytest.fixture
def harness(tmp_path: Path) -> LogHarness:
    return LogHarness(tmp_path)


@pytest.mark.parametrize("piece_bytes", [1, 7, 100, 70_000])
def test_lines_are_the_same_however_the_output_was_chunked(
    harness: LogHarness, piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_shared.store.views.logs.log_lines.MARK_EVERY_BYTES", 64)
    rng = random.Random(piece_bytes)
    expected = [f"{n} {'ü' * rng.randint(0, 30)}" for n in range(60)]
    data = ("\n".join(expected) + "\n").encode()
    harness.write(*(data[start : start + piece_bytes] for start in range(0, len(data), piece_bytes)))
    assert harness.texts() == expected
    assert harness.index.lines == 60
    for first, count in ((0, 1), (17, 5), (58, 9), (59, 1), (60, 4)):
        assert harness.texts(first, count) == expected[first : first + count]


def test_an_unfinished_last_line_counts_and_grows(harness: LogHarness) -> None:
    harness.write(b"one\ntw")
    assert harness.texts() == ["one", "tw"]
    assert harness.index.lines == 2
    harness.write(b"o\n")
    assert harness.texts() == ["one", "two"]
    assert harness.index.lines == 2
    harness.write(b"\n\nx")
    assert harness.texts() == ["one", "two", "", "", "x"]


def test_the_index_stops_when_its_time_is_up_and_continues_later(harness: LogHarness) -> None:
    harness.write(*(b"line\n" for _ in range(5)))
    assert not harness.look(until_ms=0)
    assert harness.index.lines == 1
    while not harness.look(until_ms=0):
        pass
    assert harness.index.lines == 5


def test_a_search_stops_when_its_time_is_up_and_continues_from_there(harness: LogHarness) -> None:
    harness.write(*(b"a\nhit\n" for _ in range(5)))
    harness.look()
    found: list[int] = []
    first: int | None = 0
    calls = 0
    while first is not None:
        hits = harness.lines.find(harness.session, harness.index, holding("hit"), first=first, until_ms=0)
        found += hits.lines
        first = hits.following
        calls += 1
    assert found == [1, 3, 5, 7, 9]
    assert calls > 1


def test_a_text_is_found_regardless_of_case_and_colours_and_across_chunks(harness: LogHarness) -> None:
    harness.write(b"nothing\nfirst nee", b"dle\n\x1b[1mNEE\x1b[0mDLE\n", b"x" * 70_000, b"\n", "Größe NEEDLE".encode())
    assert harness.find(holding("needle")) == [1, 2, 4]
    assert harness.find(holding("needle"), first=2) == [2, 4]
    assert harness.find(holding("GRÖSSE")) == [4]
    assert harness.find(holding("haystack")) == []


def test_lines_that_look_like_errors_are_found_but_not_counts_of_zero_errors(harness: LogHarness) -> None:
    errors = ["ValueError: x", "error[E0382]: moved", "Traceback (most recent call last):", "1 failed, 3 passed",
              "fatal: no repository", "thread 'main' panicked at src/main.rs", "ERROR in ./app.js"]  # fmt: skip
    none = ["0 errors, 0 failed", "no errors found", "compiling src/error.rs", "test error-handling ok", "mirror"]
    harness.write("\n".join([*errors, *none]).encode())
    assert harness.find(telling_errors()) == list(range(len(errors)))


def test_a_line_is_truncated_and_states_how_much_is_missing(harness: LogHarness) -> None:
    harness.write(b"a" * 70_000, b"b" * 70_000 + b"\nnext\n")
    harness.look()
    long, following = harness.lines.read(harness.session, harness.index, first=0, count=9)
    assert len(long.text) == MAX_LINE_BYTES
    assert long.cut_bytes == 140_000 - MAX_LINE_BYTES
    assert (following.text, following.cut_bytes) == ("next", 0)


def test_of_a_line_that_is_redrawn_only_the_last_version_counts(harness: LogHarness) -> None:
    harness.write(b"  0 %\r", b" 50 %\r 70 %\r", b"100 %\r\ndone\r\n")
    assert harness.texts() == ["100 %", "done"]


def test_a_line_shows_its_stream(harness: LogHarness) -> None:
    harness.write(b"out\n")
    harness.write(b"err\n", stream=2)
    harness.look()
    assert [line.stream for line in harness.lines.read(harness.session, harness.index, first=0, count=9)] == [1, 2]


def test_a_gap_is_marked_and_line_numbers_follow_the_kept_lines(harness: LogHarness) -> None:
    harness.write(*(b"early %02d\n" % n for n in range(10)), limit_bytes=400)
    assert len(harness.texts()) == 10
    harness.write(*(b"later %02d\n" % n for n in range(90)), limit_bytes=400)
    harness.look()
    found = harness.lines.read(harness.session, harness.index, first=0, count=1000)
    assert harness.index.lines == len(found) < 60
    assert [line.text for line in found if line.after_gap] == [found[12].text]
    assert found[-1].text == "later 89"
