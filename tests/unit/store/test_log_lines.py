"""Any stretch of lines of a session's output, and those that hold a text, whatever its size and shape."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from queue_desk import QueueDesk

from swarm_shared.domain.models import Role, Stage
from swarm_shared.store.views.log_lines import MAX_LINE_BYTES, LineIndex, LogLines, Sought, holding, telling_errors

LATER = 10**12


class LogDesk(QueueDesk):
    """A session that is written to, and read by lines."""

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
def desk(tmp_path: Path) -> LogDesk:
    return LogDesk(tmp_path)


@pytest.mark.parametrize("piece_bytes", [1, 7, 100, 70_000])
def test_lines_are_the_same_however_the_output_was_cut_into_pieces(
    desk: LogDesk, piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_shared.store.views.log_lines.MARK_EVERY_BYTES", 64)
    rng = random.Random(piece_bytes)
    expected = [f"{n} {'ü' * rng.randint(0, 30)}" for n in range(60)]
    data = ("\n".join(expected) + "\n").encode()
    desk.write(*(data[start : start + piece_bytes] for start in range(0, len(data), piece_bytes)))
    assert desk.texts() == expected
    assert desk.index.lines == 60
    for first, count in ((0, 1), (17, 5), (58, 9), (59, 1), (60, 4)):
        assert desk.texts(first, count) == expected[first : first + count]


def test_a_last_line_without_its_end_counts_and_grows(desk: LogDesk) -> None:
    desk.write(b"one\ntw")
    assert desk.texts() == ["one", "tw"]
    assert desk.index.lines == 2
    desk.write(b"o\n")
    assert desk.texts() == ["one", "two"]
    assert desk.index.lines == 2
    desk.write(b"\n\nx")
    assert desk.texts() == ["one", "two", "", "", "x"]


def test_the_index_stops_when_its_time_is_over_and_continues_later(desk: LogDesk) -> None:
    desk.write(*(b"line\n" for _ in range(5)))
    assert not desk.look(until_ms=0)
    assert desk.index.lines == 1
    while not desk.look(until_ms=0):
        pass
    assert desk.index.lines == 5


def test_a_search_stops_when_its_time_is_over_and_continues_where_it_was(desk: LogDesk) -> None:
    desk.write(*(b"a\nhit\n" for _ in range(5)))
    desk.look()
    found: list[int] = []
    first: int | None = 0
    calls = 0
    while first is not None:
        hits = desk.lines.find(desk.session, desk.index, holding("hit"), first=first, until_ms=0)
        found += hits.lines
        first = hits.following
        calls += 1
    assert found == [1, 3, 5, 7, 9]
    assert calls > 1


def test_a_text_is_found_whatever_its_case_and_colours_and_across_pieces(desk: LogDesk) -> None:
    desk.write(b"nothing\nfirst nee", b"dle\n\x1b[1mNEE\x1b[0mDLE\n", b"x" * 70_000, b"\n", "Größe NEEDLE".encode())
    assert desk.find(holding("needle")) == [1, 2, 4]
    assert desk.find(holding("needle"), first=2) == [2, 4]
    assert desk.find(holding("GRÖSSE")) == [4]
    assert desk.find(holding("haystack")) == []


def test_what_reads_like_an_error_is_found_and_what_counts_none_is_not(desk: LogDesk) -> None:
    errors = ["ValueError: x", "error[E0382]: moved", "Traceback (most recent call last):", "1 failed, 3 passed",
              "fatal: no repository", "thread 'main' panicked at src/main.rs", "ERROR in ./app.js"]  # fmt: skip
    none = ["0 errors, 0 failed", "no errors found", "compiling src/error.rs", "test error-handling ok", "mirror"]
    desk.write("\n".join([*errors, *none]).encode())
    assert desk.find(telling_errors()) == list(range(len(errors)))


def test_a_line_is_bounded_and_says_how_much_is_left_out(desk: LogDesk) -> None:
    desk.write(b"a" * 70_000, b"b" * 70_000 + b"\nnext\n")
    desk.look()
    long, following = desk.lines.read(desk.session, desk.index, first=0, count=9)
    assert len(long.text) == MAX_LINE_BYTES
    assert long.cut_bytes == 140_000 - MAX_LINE_BYTES
    assert (following.text, following.cut_bytes) == ("next", 0)


def test_of_a_line_that_is_drawn_again_and_again_the_last_drawing_counts(desk: LogDesk) -> None:
    desk.write(b"  0 %\r", b" 50 %\r 70 %\r", b"100 %\r\ndone\r\n")
    assert desk.texts() == ["100 %", "done"]


def test_a_line_shows_its_stream(desk: LogDesk) -> None:
    desk.write(b"out\n")
    desk.write(b"err\n", stream=2)
    desk.look()
    assert [line.stream for line in desk.lines.read(desk.session, desk.index, first=0, count=9)] == [1, 2]


def test_a_gap_is_marked_and_numbers_follow_what_is_kept(desk: LogDesk) -> None:
    desk.write(*(b"early %02d\n" % n for n in range(10)), limit_bytes=400)
    assert len(desk.texts()) == 10
    desk.write(*(b"later %02d\n" % n for n in range(90)), limit_bytes=400)
    desk.look()
    found = desk.lines.read(desk.session, desk.index, first=0, count=1000)
    assert desk.index.lines == len(found) < 60
    assert [line.text for line in found if line.after_gap] == [found[12].text]
    assert found[-1].text == "later 89"
