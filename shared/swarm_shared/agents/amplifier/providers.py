"""Whether Amplifier's settings name a model provider that has its key, as far as files and environment show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from swarm_shared.agents.amplifier.home import settings_home

# Where the CLI takes credentials from if its settings name no provider.
_KEY_VARIABLES = (
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "CHAT_COMPLETIONS_BASE_URL",
)
# Settings that a provider does not work without; others may be empty.
_NEEDED = re.compile(r"(?:key|token|secret|url|endpoint)$", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Missing(Struct, frozen=True, kw_only=True):
    """What is missing. `fatal`: no session could work."""

    fatal: bool
    text: str
    hint: str


def check_provider(env: Mapping[str, str], cwd: Path) -> Missing | None:
    """What prevents sessions from having a provider; None if at least one looks complete.

    Args:
        env: The environment that sessions will have.
        cwd: Where they will work: settings of the project are read there.
    """
    files = (
        settings_home(env) / "settings.yaml",
        cwd / ".amplifier" / "settings.yaml",
        cwd / ".amplifier" / "settings.local.yaml",
    )
    settings = [read for read in (_settings(path) for path in files) if read is not None]
    providers = [provider for each in settings for provider in _providers(each)]
    kept = _stored_keys(env)
    if not providers:
        # Without a provider the CLI installs all that it knows, picks one, records it, and then cannot connect.
        return Missing(
            # Without any settings the CLI was never set up here, or is an unknown version: report it, but try.
            fatal=bool(settings) and not (kept or any(env.get(name) for name in _KEY_VARIABLES)),
            text="amplifier's settings name no provider",
            hint="run `amplifier init`, or `amplifier provider list` to see what is configured",
        )
    empty = [_empty_variable(provider, env, kept) for provider in providers]
    if not all(empty):
        return None
    key, name = next(each for each in empty if each is not None)
    return Missing(
        fatal=True,
        text=f"amplifier's provider {_name_of(providers[0])} takes its {key} from ${{{name}}}, which is empty here",
        hint=f"set {name} in the environment that the swarm is started in, or store it: `amplifier init`",
    )


def _empty_variable(provider: Mapping[str, Any], env: Mapping[str, str], kept: set[str]) -> tuple[str, str] | None:
    """A needed setting of the provider and the variable that it is taken from, if that has no value anywhere."""
    config = provider.get("config")
    for key, value in config.items() if isinstance(config, Mapping) else ():
        if not (isinstance(value, str) and _NEEDED.search(str(key))):
            continue
        for name in _VARIABLE.findall(value):
            # A variable that is set, though empty, is not replaced by the stored one.
            if not env.get(name) and (name in env or name not in kept):
                return str(key), name
    return None


def _name_of(provider: Mapping[str, Any]) -> str:
    return str(provider.get("id") or provider.get("module") or "").removeprefix("provider-") or "(unnamed)"


def _stored_keys(env: Mapping[str, str]) -> set[str]:
    """The names in Amplifier's own file of keys that have a value."""
    try:
        lines = (settings_home(env) / "keys.env").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return set()
    pairs = (line.strip().partition("=") for line in lines if not line.strip().startswith("#"))
    return {name.strip() for name, _, value in pairs if value.strip().strip("\"'")}


def _settings(path: Path) -> Mapping[str, Any] | None:
    import yaml  # only here: workers never read these files

    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return stored if isinstance(stored, dict) else {}


def _providers(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    config = settings.get("config")
    stated = config.get("providers") if isinstance(config, Mapping) else None
    if isinstance(stated, Mapping):
        stated = list(stated.values())
    return [each if isinstance(each, Mapping) else {} for each in stated] if isinstance(stated, list) else []
