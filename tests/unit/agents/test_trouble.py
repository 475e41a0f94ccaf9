"""Each sign of provider and startup trouble, and the waits that providers request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.agents.reading.trouble import find_trouble
from swarm_shared.agents.reading.waits import MAX_WAIT_S, RESET_MARGIN_S, wait_asked_for
from swarm_shared.domain.trouble import TroubleKind

AMPLIFIER = load_presets()["amplifier"]
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
HOUR_S = 3600.0

SIGNS = {
    TroubleKind.THROTTLED: [
        "HTTP 429",
        "HTTP/1.1 429 Too Many Requests",
        'API Error: {"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}',
        "Execution failed: RateLimitError: Error code: 429 - {'type': 'error'}",
        '{"error": {"code": "rate_limit_exceeded"}}',
        "Rate limit reached for model-x in organization o on tokens per min. Please try again in 5.3s.",
        "429 too many requests",
        "The API provider has rate limited you. Try again later or check your quotas.",
        'RESOURCE_EXHAUSTED: quota metric x, "quotaId": "GenerateRequestsPerMinutePerProject-FreeTier"',
        '"quotaId": "RequestsPerMinute", check your plan, you exceeded your current quota RESOURCE_EXHAUSTED',
        "exceeded retry limit, last status: 429 Too Many Requests",
    ],
    TroubleKind.OVERLOADED: [
        "HTTP 529",
        '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
        "API Error: 529 Overloaded",
        "status code: 503",
        "503 Service Unavailable",
        "Execution failed: ProviderUnavailableError: Connection error.",
        "Execution failed: NetworkError: reset by peer",
        "Execution failed: LLMTimeoutError: no answer",
        "Selected model is at capacity. Please try a different model.",
        "API Error: 500 Internal server error.",
        "HTTP 502",
        "connect ECONNREFUSED 127.0.0.1:443",
        "Reconnecting... waiting for network (Connection failed: error sending request)",
        "exception TypeError: fetch failed sending request",
        "failed to lookup address information: Name does not resolve",
        "We're currently experiencing high demand",
        "stream disconnected before completion: response.completed not seen",
    ],
    TroubleKind.WINDOW: [
        "Claude AI usage limit reached|1795352400",
        "You've hit your limit · resets 1pm (Europe/Berlin)",
        "You've hit your weekly limit · resets 1pm (Europe/Berlin)",
        "session limit · resets 4pm",
        "5-hour limit reached ∙ resets 3pm",
        "Your limit will reset at 3pm (America/New_York).",
        '{"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1795352400}}',
        "You've hit your usage limit. Upgrade to Pro or try again at 3:15 PM.",
        "You've hit your usage limit, try again at Nov 24th, 2026 9:00 AM.",
    ],
    TroubleKind.QUOTA: [
        "Error code: 429 - {'error': {'code': 'insufficient_quota'}}",
        "Execution failed: QuotaExceededError: no more",
        "Quota exceeded. Check your plan and billing details.",
        "You exceeded your current quota, please check your plan and billing details.",
        "Your workspace is out of credits",
        "spend cap reached",
        "429 enforced_spend_limit_reached",
        "credits_required",
        "Your credit balance is too low",
        "credit_balance_too_low",
        "HTTP 402 billing_error",
        "402 Payment Required",
        'RESOURCE_EXHAUSTED "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"',
    ],
    TroubleKind.CREDENTIALS: [
        "HTTP 401",
        "Not logged in · Please run /login",
        "Missing environment variable: `OPENAI_API_KEY`.",
        "OAuth token has expired",
        "401 Unauthorized",
        "status: 403",
        '{"error": {"type": "authentication_error"}}',
        "Execution failed: AuthenticationError: bad",
        "Execution failed: AccessDeniedError: bad",
        "Invalid API key · Please run /login",
    ],
    TroubleKind.STARTUP: [
        "╭─ Bundle Error ─╮",
        "Failed to clone https://example.invalid/x",
        "Module Activation Failed",
        "Execution failed: NotFoundError: model: claude-nope",
        "Execution failed: ConfigurationError: no provider",
    ],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in SIGNS.items() for text in texts])
def test_each_sign_is_recognised_in_any_case(kind: TroubleKind, text: str) -> None:
    for said in (text, f"some lines\nbefore it: {text}\nand after"):
        trouble = find_trouble(AMPLIFIER, said, NOW_MS)
        assert trouble is not None
        assert trouble.kind is kind
        assert trouble.text
    if kind is not TroubleKind.QUOTA and "PerMinute" not in text:
        lower = find_trouble(AMPLIFIER, text.lower(), NOW_MS)
        assert lower is not None
        assert lower.kind is kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AssertionError: 429 != 430",
        "tests/test_http.py:429: expected 4",
        "Execution failed: ContextLengthError: 200429 tokens, HTTP 429 quoted",
        "Execution failed: InvalidToolCallError: 'rate limit reached'",
        "ModuleNotFoundError: No module named 'x'",
        "the file has a limit of 3",
        "Error: src/main.js:512: unexpected token",
        "Codex ran out of room in the model's context window.",
    ],
)
def test_the_tasks_own_errors_are_no_trouble(text: str) -> None:
    assert find_trouble(AMPLIFIER, text, NOW_MS) is None


def test_the_text_is_one_line_that_a_user_can_read() -> None:
    trouble = find_trouble(AMPLIFIER, "first\n  " + "x" * 5000 + " HTTP 429 " + "y" * 5000 + "\nlast", NOW_MS)
    assert trouble is not None
    assert "HTTP 429" in trouble.text
    assert len(trouble.text) <= 500
    assert "\n" not in trouble.text


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("retry-after: 30", 30.0),
        ("Retry-After: 30\nx", 30.0),
        ('{"retry_after": 12.5}', 12.5),
        ('"retryDelay": "37s"', 37.0),
        ("retry after 250ms", 0.25),
        ("Please try again in 5.3s. See the docs", 5.3),
        ("Please try again in 20 seconds", 20.0),
        ("try again in 1m30s", 90.0),
        ("Please retry in 37.5s.", 37.5),
        ("try again in 2 days 3 hours 5 minutes", 2 * 86400 + 3 * 3600 + 300.0),
        ("try again in 3 months", None),
        ("try again in 99 days", MAX_WAIT_S),
        ("try again later", None),
        ("overloaded", None),
    ],
)
def test_a_requested_wait_is_read_in_seconds(text: str, wait_s: float | None) -> None:
    assert wait_asked_for(text, NOW_MS) == (pytest.approx(wait_s) if wait_s is not None else None)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        (f"Claude AI usage limit reached|{NOW_MS // 1000 + 7200}", 2.0),
        (f'"resetsAt": {NOW_MS // 1000 + 7200}', 2.0),
        (f'"resetsAt": {NOW_MS + 7_200_000}', 2.0),
        ('"resets_at": "2026-11-22T14:00:00Z"', 2.0),
        ("resets 1pm (UTC)", 1.0),
        ("resets 3pm (Europe/Berlin)", 2.0),
        ("resets 11am (UTC)", 23.0),
        ("limit will reset at 3pm (America/New_York)", 8.0),
        ("resets 12am (UTC)", 12.0),
        ("try again at 3:15 PM.", 2.25),
        ("try again at 14:30", 1.5),
        ("try again at Nov 24th, 2026 9:00 AM.", 44.0),
        ("resets Nov 23, 5pm (UTC)", 29.0),
        ("resets Nov 23 at 9am (UTC)", 21.0),
        ("resets 3pm (Nowhere/Land)", 2.0),
        ("resets Nov 31, 5pm", None),
        ("resets 99pm", None),
        (f"usage limit reached|{NOW_MS // 1000 - 50}", 0.0),
    ],
)
def test_a_reset_given_as_a_moment_becomes_a_wait(text: str, hours: float | None) -> None:
    # Clock times without a zone are the machine's, which is an hour ahead of UTC here.
    local = timezone(timedelta(hours=1))
    wait = wait_asked_for(text, NOW_MS, local=local)
    if hours is None:
        assert wait is None
    else:
        assert wait == pytest.approx(hours * HOUR_S + RESET_MARGIN_S)


def test_a_past_date_without_a_year_is_next_years_and_capped() -> None:
    assert wait_asked_for("resets Jan 2, 5pm (UTC)", NOW_MS) == MAX_WAIT_S


def test_only_trouble_that_passes_by_itself_has_a_wait() -> None:
    hard = find_trouble(AMPLIFIER, "insufficient_quota, retry after 20s", NOW_MS)
    soft = find_trouble(AMPLIFIER, "rate_limit_error, retry after 20s", NOW_MS)
    assert hard is not None
    assert hard.wait_s is None
    assert soft is not None
    assert soft.wait_s == 20.0


@pytest.mark.parametrize(("seconds_ago", "expected_s"), [(1, 0.0), (59, 0.0), (119, 0.0), (121, 24 * HOUR_S - 121)])
def test_a_time_of_day_that_has_just_passed_is_not_tomorrows(seconds_ago: int, expected_s: float) -> None:
    # Claude Code truncates the moment to the minute, so the first attempt after a window may still be refused.
    now_ms = NOW_MS + seconds_ago * 1000
    assert wait_asked_for("You've hit your limit · resets 12:00pm (UTC)", now_ms) == expected_s + RESET_MARGIN_S
