"""How each CLI is pointed at the provider, and which settings keep a run short.

To add one: its preset, its package in package.json and an entry here; docs/agents.md says how. Keys are made up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agents.provider import Fault

KEY = "sk-made-up-0000"

# Path below HOME: text.
Files = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cli:
    """One agent CLI.

    Attributes:
        name: Of its preset, and of its program.
        package: Of the npm registry.
        env: Variables of every run, by the provider's URL.
        files: What is in HOME before the first run, by the provider's URL.
        faults_unknown: What its provider does not do, or does not report in a specific way.
        endless: After these it tries again without end, so that only the task's time limit ends it.
        shortened: What was set so that a run is short, for the table.
    """

    name: str
    package: str
    env: Callable[[str], Mapping[str, str]] = lambda url: {}
    files: Callable[[str], Files] = lambda url: {}
    faults_unknown: frozenset[Fault] = frozenset()
    endless: frozenset[Fault] = frozenset()
    shortened: str = ""


def _claude(url: str) -> Mapping[str, str]:
    return {
        "ANTHROPIC_BASE_URL": url,
        # The login of a subscription: only its limits are a plan's.
        "CLAUDE_CODE_OAUTH_TOKEN": KEY,
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def _codex(url: str) -> Files:
    config = f"""\
model = "gpt-play"
model_provider = "play"
check_for_update_on_startup = false

[model_providers.play]
name = "play"
base_url = "{url}/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
"""
    return {".codex/config.toml": config}


def _gemini(url: str) -> Files:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "model": {"name": "gemini-play"},
        "general": {"maxAttempts": 2, "disableAutoUpdate": True, "disableUpdateNag": True},
        "privacy": {"usageStatisticsEnabled": False},
    }
    return {".gemini/settings.json": json.dumps(settings, indent=2)}


def _opencode(url: str) -> Files:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "play",
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
        "models": {"gpt-play": {"name": "gpt-play", "limit": {"context": 200_000, "output": 8_000}}},
    }
    config = {
        "autoupdate": False,
        "share": "disabled",
        "model": "play/gpt-play",
        "small_model": "play/gpt-play",
        "provider": {"play": provider},
    }
    return {".config/opencode/opencode.json": json.dumps(config, indent=2)}


def _qwen(url: str) -> Files:
    settings = {
        "model": {"generationConfig": {"maxRetries": 1, "retryInitialDelayMs": 500, "retryMaxDelayMs": 1000}},
        "general": {"disableAutoUpdate": True},
    }
    return {".qwen/settings.json": json.dumps(settings, indent=2)}


def _pi(url: str) -> Files:
    provider = {
        "baseUrl": f"{url}/v1",
        "api": "openai-completions",
        "apiKey": KEY,
        "models": [{"id": "gpt-play", "name": "gpt-play", "contextWindow": 200_000, "maxTokens": 8_000}],
    }
    settings = {"defaultProvider": "play", "defaultModel": "gpt-play", "retry": {"enabled": False}}
    return {
        ".pi/agent/models.json": json.dumps({"providers": {"play": provider}}, indent=2),
        ".pi/agent/settings.json": json.dumps(settings, indent=2),
    }


CLIS = (
    Cli(
        name="claude",
        package="@anthropic-ai/claude-code",
        env=_claude,
        shortened="`CLAUDE_CODE_MAX_RETRIES=1`",
    ),
    Cli(
        name="codex",
        package="@openai/codex",
        env=lambda url: {"OPENAI_API_KEY": KEY},
        files=_codex,
        endless=frozenset({Fault.REFUSED}),
        shortened="`request_max_retries` and `stream_max_retries`: 1",
    ),
    Cli(
        name="gemini",
        package="@google/gemini-cli",
        env=lambda url: {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": KEY},
        files=_gemini,
        # Google has no 402 and no plan, all of it arrives as a quota; and as the CLI prints nothing before its end,
        # only its time limit ends a session that hangs.
        faults_unknown=frozenset({Fault.UNPAID, Fault.WINDOW, Fault.HANG}),
        shortened="`general.maxAttempts`: 2, and an explicit model, for which it calls no router",
    ),
    Cli(name="opencode", package="opencode-ai", files=_opencode),
    Cli(
        name="copilot",
        package="@github/copilot",
        env=lambda url: {
            "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
            "COPILOT_PROVIDER_API_KEY": KEY,
            "COPILOT_MODEL": "gpt-play",
        },
    ),
    Cli(
        name="qwen",
        package="@qwen-code/qwen-code",
        env=lambda url: {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "gpt-play"},
        files=_qwen,
        shortened="`model.generationConfig.maxRetries`: 1",
    ),
    Cli(name="pi", package="@mariozechner/pi-coding-agent", files=_pi, shortened="`retry.enabled`: false"),
)
BY_NAME = {cli.name: cli for cli in CLIS}
