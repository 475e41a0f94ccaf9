"""However an agent's output was written, and whatever stretch of it is asked for: no part of a secret is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dashboard_desk import DashboardDesk

from swarm_dashboard.app import live_of
from swarm_shared.models import Role, Stage
from swarm_shared.store import blotting
from swarm_shared.store.log_lines import MAX_LINE_BYTES
from swarm_shared.store.session_log import LAST_LINE_BYTES, MAX_LINE_CHARS

OURS = "correct-horse-battery-staple"
ENVIRON = {"MY_API_KEY": OURS}
WORD = "sk-a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7"  # also without its last eight characters a key
BLOCK = "\n".join(
    ["-----BEGIN RSA PRIVATE KEY-----", *(f"{n:02d}" + "MIIEowIBAAKCAQEA"[n:] for n in range(6)),
     "-----END RSA PRIVATE KEY-----"]
)  # fmt: skip
TOLD_CHARS = 6  # less of a secret is a word of anybody's
LOG = "/api/tasks/1/attempts/1/log"
secrets = pytest.mark.parametrize("secret", [WORD, OURS, BLOCK], ids=["a shape", "a value of ours", "a block"])


class Writing(DashboardDesk):
    """A session that writes, and everything that pages can ask about what it wrote."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, environ=ENVIRON)
        self.add("1")
        claim = self.take()
        self.session = self.db.queue.open_session(claim, role=Role.BUILDER, name="b", stage=Stage.BUILDING, prompt="p")
        self.position = 0

    def write(self, text: str, *, stream: int = 1, limit_bytes: int = 10**9) -> None:
        self.position = self.db.output.append(
            self.session, [(stream, text.encode())], position=self.position, limit_bytes=limit_bytes
        )

    def ask(self, way: str = "", **asked: int | str) -> dict[str, Any]:
        asked["session"] = self.session
        body: dict[str, Any] = self.client.get(LOG + way, query_string=asked, headers=self.headers()).get_json()
        return body

    def download(self, following: int = 0, *, limit: int = 1000) -> str:
        """Pages of the log one after the other up to its end, as the page puts them together to save them."""
        parts: list[str] = []
        while pieces := (answer := self.ask(**{"from": following}, limit=limit))["pieces"]:
            parts += [piece["text"] for piece in pieces]
            following = answer["next"]
        return "".join(parts)

    def lines(self, first: int = 0, count: int = 400) -> list[str]:
        return [line["text"] for line in self.ask("/lines", first=first, count=count)["lines"]]

    def hits(self, text: str) -> list[int]:
        found: list[int] = self.ask("/search", q=text)["hits"]
        return found

    def last_line(self) -> str:
        """What open pages are told of the task."""
        return str(json.loads(live_of(self.app).first(None)[0])["data"]["running"][0]["last_line"])

    def shown(self) -> dict[str, str]:
        """What each way to look shows now."""
        return {
            "log": "".join(piece["text"] for piece in self.ask()["pieces"]),
            "download": self.download(max(0, self.position - 150), limit=23),
            "lines": "\n".join(self.lines()),
            "single lines": "\n".join("".join(self.lines(n, 1)) for n in range(-9, 0)),
            "live": self.last_line(),
        }


def told(secret: str, shown: dict[str, str]) -> dict[str, str]:
    """Which ways to look tell a part of a secret; its frame and its kind are none."""
    frame = ("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----")
    parts = [line for line in secret.split("\n") if line not in frame]
    found = {}
    for way, text in shown.items():
        for part in parts:
            for start in range(len(part) - TOLD_CHARS + 1):
                if part[start : start + TOLD_CHARS] in text:
                    found[way] = text
    return found


@pytest.fixture
def desk(tmp_path: Path) -> Writing:
    return Writing(tmp_path)


@secrets
def test_a_secret_that_is_written_in_two_goes_is_not_shown_in_halves(desk: Writing, secret: str) -> None:
    size = len(secret)
    for cut in sorted({*range(1, size, 1 + size // 40), *range(size - 26, size)}):
        desk.write(f"before {secret[:cut]}")
        assert told(secret, desk.shown()) == {}, f"when {cut} characters of it were there"
        desk.write(f"{secret[cut:]} after\n")
        assert told(secret, desk.shown()) == {}, f"when the rest came behind {cut} characters"


@secrets
def test_whatever_stretch_is_asked_for_shows_no_part_of_a_secret(desk: Writing, secret: str) -> None:
    desk.write(f"one\nkey={secret} two\nthree\n")
    for start in range(desk.position):
        for limit in (1, 9, 1000):
            shown = "".join(piece["text"] for piece in desk.ask(**{"from": start}, limit=limit)["pieces"])
            assert told(secret, {"log": shown}) == {}, f"from {start}, {limit} bytes"
    assert desk.download().count("two") == desk.download(limit=5).count("two") == 1
    assert desk.lines()[0] == "one"
    assert desk.lines()[-2:] == ["‹masked› two", "three"] or desk.lines()[1:] == ["key=‹masked› two", "three"]


def test_the_lines_of_a_secret_keep_their_numbers(desk: Writing) -> None:
    desk.write(f"one\n{BLOCK}\nlast\n")
    lines = desk.lines()
    assert (lines[0], lines[-1]) == ("one", "last")
    assert set(lines[1:-1]) == {"‹masked›"}
    assert len(lines) == 2 + BLOCK.count("\n") + 1
    assert desk.hits("last") == [len(lines) - 1]


@secrets
def test_a_secret_with_an_error_between_its_halves_is_not_shown(desk: Writing, secret: str) -> None:
    half = len(secret) // 2
    desk.write(f"key={secret[:half]}")
    desk.write("a warning\n", stream=2)
    desk.write(f"{secret[half:]}\n")
    assert told(secret, desk.shown()) == {}
    assert "a warning" in desk.shown()["log"]


@secrets
def test_parts_of_a_secret_are_not_found(desk: Writing, secret: str) -> None:
    desk.write(f"one\nkey={secret}\nkey=other\n")
    assert desk.hits("key=") == [1, 2 + secret.count("\n")]
    for line in secret.split("\n"):
        assert desk.hits(line) == desk.hits(line[:8]) == desk.hits(line[-8:]) == []


@secrets
def test_colours_before_a_secret_do_not_help_to_find_it(desk: Writing, secret: str) -> None:
    desk.write(f"\x1b[1mkey\x1b[0m={secret}\n")
    assert desk.hits("key=") == [0]
    assert desk.hits("y=" + secret[:8]) == []


@pytest.mark.parametrize("secret", [WORD, OURS])
def test_where_long_lines_are_cut_no_half_of_a_secret_stays(desk: Writing, secret: str) -> None:
    half = len(secret) // 2
    for kept in (MAX_LINE_BYTES, MAX_LINE_CHARS, LAST_LINE_BYTES):
        filler = "x" * (kept - half - 1)
        desk.write(f"{filler} {secret} {'y' * (LAST_LINE_BYTES - len(secret) + half - 1)}\n")
        assert told(secret, desk.shown()) == {}


@secrets
def test_a_secret_that_two_scans_share_is_not_shown(
    desk: Writing, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blotting, "SCAN_BYTES", 400)
    monkeypatch.setattr(blotting, "REACH_BYTES", 200)
    for before in range(300, 420):
        desk.write("." * before + secret[:-8])
        desk.write(secret[-8:] + "." * 5)
    desk.write("\n")
    assert told(secret, {"download": desk.download()}) == {}
    assert desk.download().count("‹masked›") >= 120


@secrets
def test_what_was_let_go_leaves_no_first_half_of_a_secret(desk: Writing, secret: str) -> None:
    half = len(secret) // 2
    desk.write("." * (100 - half - 1) + f" {secret[:half]}", limit_bytes=400)
    desk.write(f"{secret[half:]}\n", limit_bytes=400)
    for _ in range(60):
        desk.write("later line\n", limit_bytes=400)
    assert "later" in desk.download()
    assert told(secret[:half], desk.shown()) == {}


def test_words_that_only_begin_like_a_key_are_shown(desk: Writing) -> None:
    desk.write("see task-12 and risk-3\nsk-learn is a library\n-----BEGIN CERTIFICATE-----\nnow task-7")
    assert desk.lines() == [
        "see task-12 and risk-3",
        "sk-learn is a library",
        "-----BEGIN CERTIFICATE-----",
        "now task-7",
    ]
    assert desk.last_line() == "now task-7"
