"""What is read from sessions of the real agent CLIs: every fault of a provider, and every kind of answer."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from transcripts import RECORDED_MS, all_names, transcript

from swarm_shared.agents.reading.session_result import Reading, read_cut, read_session
from swarm_shared.domain.models import FailureClass
from swarm_shared.domain.trouble import TroubleKind

CREDENTIALS = TroubleKind.CREDENTIALS
QUOTA = TroubleKind.QUOTA
WINDOW = TroubleKind.WINDOW
THROTTLED = TroubleKind.THROTTLED
OVERLOADED = TroubleKind.OVERLOADED
QUALITY = FailureClass.QUALITY
UNREADABLE = FailureClass.UNREADABLE
CRASH = FailureClass.CRASH
PASS = None

# Cases that all CLIs have in common; exceptions for one CLI below take precedence.
COMMON: dict[str, TroubleKind | FailureClass | None] = {
    "ok": PASS,
    "fence": PASS,
    "middle": PASS,
    "validator-ok": PASS,
    "429-after7-times2": PASS,  # a recovered error
    "fail": QUALITY,
    "validator-fail": QUALITY,
    "prose": UNREADABLE,
    "wrongjson": UNREADABLE,
    "nologin": CREDENTIALS,
    "nokey": CREDENTIALS,
    "401": CREDENTIALS,
    "oauth-401": CREDENTIALS,
    "403": CREDENTIALS,
    "402": QUOTA,
    "quota": QUOTA,
    "oauth-window-in3600": WINDOW,
    "window-in3600": WINDOW,
    "429-after7": THROTTLED,
    "500": OVERLOADED,
    "503": OVERLOADED,
    "529": OVERLOADED,
    "break": OVERLOADED,
    "streamerr": OVERLOADED,
    "refused": OVERLOADED,
    "ctx": QUALITY,
    "refusal": UNREADABLE,  # prose of the model; asked again
}
OWN: dict[str, TroubleKind | FailureClass | None] = {
    "claude-2.1.332/oauth": PASS,
    "claude-2.1.332/resume-unknown": TroubleKind.STARTUP,
    "claude-2.1.332/unknown-flag": FailureClass.SETUP,
    "codex-0.171.0/resume-unknown": FailureClass.SETUP,
    "codex-0.171.0/unknown-flag": FailureClass.SETUP,
    "pi-0.73.1/resume-unknown": FailureClass.SETUP,
    "claude-2.1.332/long-hangmid": PASS,  # asked again without streaming
    "claude-2.1.332/streamerr": PASS,  # the same
    "claude-2.1.332/refusal": QUALITY,
    "claude-2.1.332/window-in3600": THROTTLED,  # with a key it does not mention that it is the plan's
    "codex-0.171.0/sleep-s500": PASS,
    "codex-0.171.0/streamerr-coderate_limit_exceeded": THROTTLED,
    "gemini-0.61.0/long-hang": OVERLOADED,
    "gemini-0.61.0/untrusted": TroubleKind.STARTUP,
    "opencode-1.18.33/refusal": QUALITY,
}
# Sessions that the recording ended; their result if they end for another reason.
ENDED: dict[str, TroubleKind | FailureClass | None] = {
    "claude-2.1.332/break": CRASH,
    "claude-2.1.332/hang": CRASH,
    "claude-2.1.332/hangmid": CRASH,
    "claude-2.1.332/sleep-s500": CRASH,
    "claude-2.1.332/long-hang": OVERLOADED,
    "gemini-0.61.0/cut-429-after7": THROTTLED,
    "gemini-0.61.0/cut-500": OVERLOADED,
    "gemini-0.61.0/hang": OVERLOADED,
    "gemini-0.61.0/hangmid": UNREADABLE,
    "gemini-0.61.0/sleep-s500": UNREADABLE,
}
WAITS_S = {
    "claude-2.1.332/oauth-window-in3600": pytest.approx(3600, abs=120),
    "codex-0.171.0/streamerr-coderate_limit_exceeded": 7.0,
    "gemini-0.61.0/429-after7": 7.0,
    "opencode-1.18.33/429-after7": 7.0,
    "copilot-1.0.102/429-after7": 7.0,
}


def expected(name: str) -> TroubleKind | FailureClass | None:
    one = transcript(name)
    for table in (OWN, ENDED):
        if name in table:
            return table[name]
    return CRASH if one.end.signal is not None else COMMON[name.partition("/")[2]]


def read(name: str) -> Reading:
    one = transcript(name)
    return read_session(one.cli, one.role, one.end, RECORDED_MS)


@pytest.mark.parametrize("name", all_names())
def test_every_session_is_classified_correctly(name: str) -> None:
    reading, wanted = read(name), expected(name)
    if isinstance(wanted, TroubleKind):
        assert reading.trouble is not None, reading.reason
        assert reading.trouble.kind is wanted
        setup = wanted is TroubleKind.STARTUP
        assert reading.failure is (FailureClass.SETUP if setup else FailureClass.PROVIDER)
    else:
        assert (reading.failure, reading.trouble) == (wanted, None), reading.reason


@pytest.mark.parametrize(("name", "wait_s"), WAITS_S.items())
def test_the_wait_that_a_provider_requests_is_read(name: str, wait_s: float) -> None:
    trouble = read(name).trouble
    assert trouble is not None
    assert trouble.wait_s == wait_s


@pytest.mark.parametrize("name", all_names())
def test_the_reason_is_the_clis_own_text(name: str) -> None:
    reading = read(name)
    if reading.failure is None:
        return
    said = reading.reason.partition(": ")[2] if reading.trouble else reading.reason
    assert any(len(word) > 2 for word in said.split()), said
    assert not said.startswith(("{\n", "}", "│", "\x1b")), said
    assert "SIGSTKFLT" not in said
    assert "signal 116" not in said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("codex-0.171.0/402", "quota: unexpected status 402 Payment Required: Insufficient credits."),
        ("opencode-1.18.33/402", "quota: Insufficient credits. Add more to continue."),
        ("gemini-0.61.0/break", "overloaded: terminated"),
        ("gemini-0.61.0/untrusted", "startup: Gemini CLI is not running in a trusted directory."),
        ("gemini-0.61.0/nologin", "credentials: Please set an Auth method"),
    ],
)
def test_the_final_error_text_is_the_reason(name: str, text: str) -> None:
    assert read(name).reason.startswith(text)


# ───── sessions that we end ─────

WAS_ENDED = [
    name
    for name in all_names()
    if transcript(name).end.signal is not None or (name in ENDED and not name.endswith(("long-429-after7",)))
]
# Their last events were errors of the provider, so even the time limit is the provider's fault.
HELD_UP = {
    "claude-2.1.332/long-hang": OVERLOADED,
    "codex-0.171.0/long-hangmid": OVERLOADED,
    "codex-0.171.0/nologin": OVERLOADED,
    "gemini-0.61.0/cut-429-after7": THROTTLED,
    "gemini-0.61.0/cut-500": OVERLOADED,
    "gemini-0.61.0/hang": OVERLOADED,
    "pi-0.73.1/429-after7": THROTTLED,
}
# They show no event after which only the provider can be waited for.
SILENT_FOR_UNKNOWN_REASONS = {"gemini-0.61.0/hangmid", "gemini-0.61.0/sleep-s500", "opencode-1.18.33/sleep-s500"}


@pytest.mark.parametrize("name", WAS_ENDED)
def test_a_session_at_its_limit_is_the_providers_fault_if_its_last_events_are_errors(name: str) -> None:
    one = transcript(name)
    reading = read_cut(one.cli, one.end, stuck=False, now_ms=RECORDED_MS)
    kind = reading.trouble.kind if reading.trouble else None
    assert kind == HELD_UP.get(name)
    assert reading.failure is (FailureClass.PROVIDER if kind else None)


@pytest.mark.parametrize("name", WAS_ENDED)
def test_a_silent_session_is_the_providers_fault_if_it_was_waiting_for_it(name: str) -> None:
    one = transcript(name)
    reading = read_cut(one.cli, one.end, stuck=True, now_ms=RECORDED_MS)
    assert (reading.failure is FailureClass.PROVIDER) == (name not in SILENT_FOR_UNKNOWN_REASONS)


def test_a_stopped_session_keeps_its_id() -> None:
    one = transcript("codex-0.171.0/hang")
    assert read_cut(one.cli, one.end, stuck=False, now_ms=RECORDED_MS).session_id is not None


@pytest.mark.parametrize(
    ("name", "tokens"), [("claude-2.1.332/ok", 8402), ("qwen-0.15.10/ok", 8100), ("opencode-1.18.33/ok", 8100)]
)
def test_a_stopped_session_keeps_the_tokens_seen_so_far(name: str, tokens: int) -> None:
    one = transcript(name)
    events = [line for line in one.end.stdout.splitlines(keepends=True) if '"type": "result"' not in line]
    end = replace(one.end, stdout="".join(events), exit_code=None, signal=15)
    assert read_cut(one.cli, end, stuck=False, now_ms=RECORDED_MS).tokens == tokens


def test_text_on_standard_error_is_not_an_answer() -> None:
    one = transcript("gemini-0.61.0/ok")
    end = replace(one.end, stdout="", stderr=one.end.stdout)
    assert read_session(one.cli, one.role, end, RECORDED_MS).failure is UNREADABLE


@pytest.mark.parametrize("name", ["codex-0.171.0/hang", "opencode-1.18.33/hangmid", "qwen-0.15.10/quota"])
def test_a_killed_session_keeps_its_id(name: str) -> None:
    assert read(name).session_id is not None


# ───── usage ─────


@pytest.mark.parametrize(
    ("name", "tokens", "cached", "cost_usd", "models"),
    [
        ("claude-2.1.332/ok", 8500, 6000, 0.0132, ("claude-opus-5-5",)),
        ("codex-0.171.0/ok", 8100, 6000, None, ()),
        ("gemini-0.61.0/ok", 12210, 9000, None, ("gemini-3.5-flash-lite", "gemini-3.1-pro-preview")),
        ("opencode-1.18.33/ok", 8100, 6000, 0.003, ()),
        ("qwen-0.15.10/ok", 8100, 6000, None, ("gpt-fake",)),
        ("pi-0.73.1/ok", 8100, 6000, 0.0, ("gpt-fake",)),
        ("copilot-1.0.102/ok", None, None, None, ("gpt-fake",)),
    ],
)
def test_tokens_are_all_input_and_output_and_the_model_is_read(
    name: str, tokens: int | None, cached: int | None, cost_usd: float | None, models: tuple[str, ...]
) -> None:
    reading = read(name)
    assert (reading.tokens, reading.cached_tokens) == (tokens, cached)
    assert reading.cost_usd == (None if cost_usd is None else pytest.approx(cost_usd))
    assert reading.models == models


def test_the_tokens_of_each_model_are_read_if_a_cli_reports_them() -> None:
    one = transcript("gemini-0.61.0/ok")
    used = read_session(one.cli, one.role, one.end, RECORDED_MS).by_model
    figures = {model: (each.tokens, each.cached_tokens, each.output_tokens) for model, each in used.items()}
    assert figures == {"gemini-3.5-flash-lite": (4070, 3000, 70), "gemini-3.1-pro-preview": (8140, 6000, 140)}
    codex = transcript("codex-0.171.0/ok")
    assert read_session(codex.cli, codex.role, codex.end, RECORDED_MS).by_model == {}
