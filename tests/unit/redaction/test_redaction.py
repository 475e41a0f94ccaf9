"""What is redacted and what is kept, as text, as JSON and in chunks."""

from __future__ import annotations

import json
import random
import time

import pytest
from secret_cases import ENVIRON, INNOCENT, MIXED, OURS, SECRETS, Case

from swarm_shared.redaction.redaction import MARK, Redaction
from swarm_shared.redaction.streams import HELD_BYTES, QUIET_S, RedactedStream

REDACTION = Redaction(ENVIRON)
TOLD_CHARS = 6  # fewer characters of a secret may also be part of an ordinary word
secrets = pytest.mark.parametrize("case", SECRETS, ids=lambda case: case.text[:40])


def left_of(case: Case, shown: str) -> list[str]:
    """Parts of a secret that can still be read."""
    parts = [line for line in case.secret.split("\n") if "KEY" not in line]
    return [
        part[start : start + TOLD_CHARS]
        for part in parts
        for start in range(max(1, len(part) - TOLD_CHARS + 1))
        if part[start : start + TOLD_CHARS] in shown
    ]


def test_there_are_enough_cases() -> None:
    assert len(SECRETS) >= 60
    assert len(INNOCENT) >= 40


@secrets
def test_a_secret_is_redacted(case: Case) -> None:
    shown = REDACTION.text(case.text)
    assert MARK in shown
    assert left_of(case, shown) == []
    assert REDACTION.text(shown) == shown


@secrets
@pytest.mark.parametrize("depth", [1, 2])
def test_a_secret_within_json_is_redacted_and_the_json_stays_valid(case: Case, depth: int) -> None:
    written: object = {"summary": f"it printed:\n{case.text}\nand ended", "tokens": 1234}
    for _ in range(depth - 1):
        written = {"result": json.dumps(written), "usage": {"input_tokens": 98765432}}
    shown = REDACTION.text(json.dumps(written))
    read = json.loads(shown)
    if depth == 2:
        assert read["usage"] == {"input_tokens": 98765432}
        read = json.loads(read["result"])
    assert read["tokens"] == 1234
    assert read["summary"].endswith("and ended")
    assert MARK in read["summary"]
    assert left_of(case, read["summary"]) == []


@pytest.mark.parametrize("text", INNOCENT)
def test_text_that_is_not_secret_is_kept(text: str) -> None:
    assert REDACTION.text(text) == text
    assert json.loads(REDACTION.text(json.dumps({"summary": text}))) == {"summary": text}
    assert REDACTION.value({"summary": [text]}) == {"summary": [text]}


def test_json_values_are_judged_by_their_keys() -> None:
    value = {"env": {"DB_PASSWORD": "correct horse", "name": "x"}, "tokens": 12, "token": None, "secret": ["abc", 1]}
    shown = REDACTION.value(value)
    assert shown == {"env": {"DB_PASSWORD": MARK, "name": "x"}, "tokens": 12, "token": None, "secret": ["abc", 1]}
    assert REDACTION.value({OURS: 1}) == {MARK: 1}


def test_a_number_in_json_stays_a_number() -> None:
    text = '{"password": 12345678, "next": [1]}'
    assert json.loads(REDACTION.text(text)) == json.loads(text)


# ───── in chunks ─────


def streamed(text: str, sizes: list[int], *, pause_s: float = 0.0) -> str:
    """The text as it is stored when it was written in chunks of these sizes."""
    stream, now, at, stored = RedactedStream(REDACTION), 0.0, 0, b""
    data = text.encode()
    for size in sizes:
        stream.feed(data[at : at + size], now)
        at += size
        stored += stream.take(now)
        now += pause_s
        stored += stream.take(now)
    stream.feed(data[at:], now)
    return (stored + stream.take(now) + stream.finish()).decode()


@secrets
def test_a_secret_that_is_written_in_two_chunks_is_redacted(case: Case) -> None:
    text = f"before\n{case.text}\nafter\n"
    whole = REDACTION.text(text)
    size = len(text.encode())
    for cut in range(1, size, 1 + size // 60):
        for pause_s in (0.0, 2 * QUIET_S):
            assert streamed(text, [cut], pause_s=pause_s) == whole, f"cut at {cut}, {pause_s} s apart"


@secrets
def test_a_secret_written_one_character_at_a_time_is_redacted(case: Case) -> None:
    text = f"before {case.text} after\n"
    assert streamed(text, [1] * len(text.encode()), pause_s=2 * QUIET_S) == REDACTION.text(text)


@pytest.mark.parametrize("text", INNOCENT)
def test_text_that_is_not_secret_is_kept_in_chunks_too(text: str) -> None:
    assert streamed(f"{text}\n{text}", [3] * 40, pause_s=2 * QUIET_S) == f"{text}\n{text}"


def test_secrets_in_a_long_stream_are_found_however_it_is_chunked() -> None:
    chosen = random.Random(7)
    parts = []
    for _ in range(400):
        parts.append(chosen.choice(["x" * chosen.randint(1, 300), "line\n" * chosen.randint(1, 60), " word " * 50]))
        case = chosen.choice(SECRETS[:60])
        parts.append(f"\n{case.text}\n")
    text = "".join(parts)
    sizes = [chosen.randint(1, 9000) for _ in range(2000)]
    assert streamed(text, sizes) == REDACTION.text(text)


def test_a_line_without_an_end_is_processed_in_parts() -> None:
    key = "sk-" + MIXED[:48]
    chosen = random.Random(3)
    text = "".join("word " * chosen.randint(0, 5) + key + " " for _ in range(7000))
    stream, held = RedactedStream(REDACTION), []
    stored = b""
    for at in range(0, len(text), 5000):
        stream.feed(text[at : at + 5000].encode(), 0.0)
        stored += stream.take(0.0)
        held.append(stream.held_bytes)
    assert max(held) <= 2 * HELD_BYTES
    shown = (stored + stream.finish()).decode()
    assert shown == text.replace(key, MARK)


def test_text_that_is_decided_is_not_held_back() -> None:
    stream = RedactedStream(REDACTION)
    stream.feed(b"one\ntwo words", 0.0)
    assert stream.take(0.0) == b"one\n"
    assert stream.due_at() == QUIET_S
    assert stream.take(QUIET_S) == b"two "
    assert stream.due_at() is None
    stream.feed(b" more\n", 5.0)
    assert stream.take(5.0) == b"words more\n"


def test_a_private_key_without_its_end_is_redacted_as_far_as_it_came() -> None:
    text = "-----BEGIN " + f"RSA PRIVATE KEY-----\n{MIXED}\n{MIXED}\n"
    assert streamed(text, [30, 40]) == MARK
    assert streamed(text + "the process was killed, it says\n", [30, 40]) == f"{MARK}the process was killed, it says\n"


# ───── time ─────

HOSTILE = {
    "one letter": b"a",
    "names": b"password",
    "names and signs": b"password=",
    "quotes": b'password:"',
    "escaped quotes": b'password:\\"\\\\"',
    "backslashes": b"\\",
    "urls": b"://a:",
    "url in url": b"://aaaaaaaa:aaaaaaaa",
    "headers": b"authorization: ",
    "options": b"--token ",
    "curl": b"curl -u ",
    "keys": b"sk-a1B2c3D4e5F6-",
    "dots": b"M.abcdef.",
    "blocks": b"-----BEGIN RSA PRIVATE KEY-----",
    "base64": b"eyJhbGciOiJIUzI1NiJ9.",
    "colours": b"password\x1b[1m",
    "spaces": b"password  ",
    "upper": b"A",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_line_takes_time_proportional_to_its_length(name: str) -> None:
    line = (HOSTILE[name] * 1_000_000)[:1_000_000]
    began = time.process_time()
    REDACTION.bytes(line)
    assert time.process_time() - began < 6.0
