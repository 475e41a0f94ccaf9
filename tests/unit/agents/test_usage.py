"""Tokens, cost and signs of progress from the files that Amplifier writes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from swarm_shared.agents.amplifier.home import EVENTS_FILE, sessions_folder
from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.agents.reading.usage import Usage, events_size, find_session, session_usage, total_usage

PRESETS = load_presets()
AMPLIFIER = PRESETS["amplifier"]
ROOT = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
BEGAN = "2026-11-22T12:00:00.000+00:00"
BEGAN_S = 1_795_348_800


class Home:
    """A HOME with session folders of one working directory."""

    def __init__(self, folder: Path) -> None:
        self.cwd = folder / "project"
        self.cwd.mkdir()
        self.env = {"HOME": str(folder)}
        self.sessions = sessions_folder(self.env, self.cwd)

    def write(self, session: str, *events: dict[str, object] | str, at_s: int = BEGAN_S) -> None:
        folder = self.sessions / session
        folder.mkdir(parents=True)
        lines = (event if isinstance(event, str) else json.dumps(event) + "\n" for event in events)
        (folder / EVENTS_FILE).write_text("".join(lines))
        os.utime(folder, (at_s, at_s))

    def usage(self, session: str | None = ROOT) -> Usage:
        return total_usage(session_usage(AMPLIFIER, env=self.env, cwd=self.cwd, session_id=session))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def start(parent: str | None = None) -> dict[str, object]:
    return {"ts": BEGAN, "event": "session:start", "data": {"parent_id": parent}}


def response(**usage: object) -> dict[str, object]:
    return {"ts": BEGAN, "event": "llm:response", "data": {"usage": usage}}


def test_usage_is_summed_over_the_session_and_everything_that_it_delegated(home: Home) -> None:
    home.write(ROOT, start(), response(total_tokens=10, cost_usd=0.5), response(input_tokens=3, output_tokens=4))
    child, grandchild, stranger = "0-1_foundation-explorer", "1-2_x", "0-9_y"
    home.write(child, start(ROOT), response(total_tokens=100, cost_usd="0.25"))
    home.write(grandchild, start(child), response(total_tokens=1000))
    home.write(stranger, start("another"), response(total_tokens=5))
    assert home.usage() == Usage(tokens=1117, output_tokens=4, cost_usd=0.75)


def test_usage_is_divided_by_the_model_that_answered(home: Home) -> None:
    def request(request: str, model: str) -> dict[str, object]:
        prompt = 'write "model": "wrong" into the file'
        return {"event": "llm:request", "request_id": request, "data": {"model": model, "raw": prompt}}

    def answer(request: str, tokens: int, **data: object) -> dict[str, object]:
        return {
            **response(total_tokens=tokens),
            "request_id": request,
            "data": {**data, "usage": {"total_tokens": tokens}},
        }

    home.write(ROOT, start(), request("r1", "large"), answer("r1", 10), answer("r2", 5, model="small"), answer("r3", 2))
    home.write("0-1_x", start(ROOT), request("r4", "small"), answer("r4", 100))
    used = session_usage(AMPLIFIER, env=home.env, cwd=home.cwd, session_id=ROOT)
    assert {model: usage.tokens for model, usage in used.items()} == {"large": 10, "small": 105, "": 2}


def test_unknown_usage_is_not_zero(home: Home) -> None:
    assert home.usage() == Usage()
    home.write(ROOT, start(), {"event": "llm:response", "data": {}}, response(cost_usd=0.5))
    assert home.usage() == Usage(tokens=None, cost_usd=0.5)
    assert home.usage(None) == Usage()
    assert home.usage("../../etc") == Usage()
    assert session_usage(PRESETS["claude"], env=home.env, cwd=home.cwd, session_id=ROOT) == {}


def test_a_record_that_the_logger_wrote_twice_counts_once(home: Home) -> None:
    def answer(logged: str, happened: str) -> dict[str, object]:
        data = {"timestamp": happened, "usage": {"total_tokens": 10, "cache_read_tokens": 4}}
        return {"ts": logged, "event": "llm:response", "data": data}

    home.write(ROOT, start(), answer("…:01", "…:00"), answer("…:02", "…:00"), answer("…:04", "…:03"))
    assert home.usage() == Usage(tokens=20, cached_tokens=8)


def test_an_incomplete_last_line_of_a_killed_session_is_skipped(home: Home) -> None:
    half = '{"event": "llm:response", "data": {"usage": {"total_to'
    home.write(ROOT, start(), response(total_tokens=10), "no json\n", half)
    assert home.usage().tokens == 10


def test_events_of_sessions_that_began_since_then_are_the_sign_of_progress(home: Home) -> None:
    def size() -> int | None:
        return events_size(AMPLIFIER, env=home.env, cwd=home.cwd, started_ms=BEGAN_S * 1000)

    assert size() is None
    home.write("old", start(), at_s=BEGAN_S - 60)
    assert size() is None, "an old session is not progress"
    home.write(ROOT, start(), at_s=BEGAN_S + 5)
    first = size()
    assert first
    with (home.sessions / ROOT / EVENTS_FILE).open("a") as events:
        events.write(json.dumps(response(total_tokens=1)) + "\n")
    assert (size() or 0) > first
    assert events_size(PRESETS["codex"], env=home.env, cwd=home.cwd, started_ms=0) is None


def test_the_session_of_a_killed_run_is_found_only_if_it_is_unambiguous(home: Home) -> None:
    def found() -> str | None:
        return find_session(AMPLIFIER, env=home.env, cwd=home.cwd, started_ms=BEGAN_S * 1000)

    assert found() is None
    home.write(ROOT, start(), at_s=BEGAN_S + 5)
    home.write("0-1_foundation-explorer", start(ROOT), at_s=BEGAN_S + 6)
    assert found() == ROOT
    home.write("8d444840-9dc0-11d1-b245-5ffdce74fad2", start(), at_s=BEGAN_S + 7)
    assert found() is None


def test_sessions_are_below_home_whatever_amplifier_home_says(tmp_path: Path) -> None:
    cwd = tmp_path / "a-b" / "c"
    cwd.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(cwd)
    env = {"HOME": "/home/x", "AMPLIFIER_HOME": "/elsewhere"}
    slug = str(cwd.resolve()).replace("/", "-")
    assert sessions_folder(env, link) == Path(f"/home/x/.amplifier/projects/{slug}/sessions")


def test_a_resumed_session_counts_although_it_began_earlier(home: Home) -> None:
    home.write(ROOT, start(), at_s=BEGAN_S)
    later_ms = (BEGAN_S + 100) * 1000
    assert events_size(AMPLIFIER, env=home.env, cwd=home.cwd, started_ms=later_ms) is None
    resumed = events_size(AMPLIFIER, env=home.env, cwd=home.cwd, started_ms=later_ms, resumed=ROOT)
    assert resumed == (home.sessions / ROOT / EVENTS_FILE).stat().st_size
