"""Finds out before a run, without a model, whether an agent CLI can start and knows the agents asked for."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

from swarm_shared.agents.amplifier.home import agents_in, bundles_home, registered_bundles, settings_home
from swarm_shared.agents.amplifier.persona import BASE_BUNDLE, split_agent
from swarm_shared.agents.launching.launch import find_binary
from swarm_shared.agents.launching.readiness import Ready, ask_ready, command_of
from swarm_shared.agents.presets.cli import AgentCli, Store
from swarm_shared.domain.errors import EXIT_AGENT_CLI, ConfigError

# What the CLI takes credentials from when its settings name no provider.
_KEY_VARIABLES = (
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "CHAT_COMPLETIONS_BASE_URL",
)


class AgentCliError(ConfigError):
    """The agent CLI cannot start here."""

    exit_code = EXIT_AGENT_CLI


class Topic(StrEnum):
    """What a finding is about."""

    BINARY = "binary"
    AGENT = "agent"
    PROVIDER = "provider"
    LOGIN = "login"


class Finding(Struct, frozen=True, kw_only=True):
    """One thing found. `fatal`: no session could work. Otherwise only a warm-up run could decide it."""

    topic: Topic
    fatal: bool
    text: str
    hint: str = ""


def check_agent_cli(
    cli: AgentCli, agents: Iterable[str], *, env: Mapping[str, str], cwd: Path, timeout_s: float
) -> tuple[Finding, ...]:
    """What speaks against starting sessions of this CLI with these agents; empty when all is well.

    Args:
        agents: Names as given by flags and tasks; each is looked up once.
        env: The environment that sessions will have.
        cwd: Where sessions will work: settings and bundles of the project are read there.
        timeout_s: For each of the two runs: its version, and whether it is logged in.

    Raises:
        ConfigError: An agent's name cannot be one.
    """
    found = _check_binary(cli, env, cwd, timeout_s)
    findings = [found] if found is not None else []
    if found is None and cli.ready:
        login = _check_login(cli, env, cwd, timeout_s)
        findings += [login] if login is not None else []
    if cli.store is Store.AMPLIFIER:
        found = _check_provider(env, cwd)
        findings += [found] if found is not None else []
        bundles = registered_bundles(env)
        for agent in dict.fromkeys(agents):
            found = _check_agent(agent, bundles, env, cwd)
            findings += [found] if found is not None else []
    return tuple(findings)


def require_agent_cli(
    cli: AgentCli, agents: Iterable[str], *, env: Mapping[str, str], cwd: Path, timeout_s: float
) -> tuple[Finding, ...]:
    """The findings that only a warm-up run can settle.

    Raises:
        AgentCliError: The CLI cannot start, or has no provider (exit code 10).
        ConfigError: An agent does not exist.
    """
    findings = check_agent_cli(cli, agents, env=env, cwd=cwd, timeout_s=timeout_s)
    for finding in findings:
        if finding.fatal:
            error = ConfigError if finding.topic is Topic.AGENT else AgentCliError
            raise error(finding.text, hint=finding.hint or None)
    return findings


def _check_binary(cli: AgentCli, env: Mapping[str, str], cwd: Path, timeout_s: float) -> Finding | None:
    try:
        binary = find_binary(cli, env)
    except ConfigError as problem:
        return Finding(topic=Topic.BINARY, fatal=True, text=problem.message, hint=problem.hint or "")
    if not cli.version:
        return None
    words = " ".join([os.path.basename(binary), *cli.version])
    try:
        ended = subprocess.run(
            [binary, *cli.version],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding(topic=Topic.BINARY, fatal=False, text=f"`{words}` did not answer within {timeout_s:g} s")
    except OSError as problem:
        return Finding(
            topic=Topic.BINARY,
            fatal=True,
            text=f"agent CLI {cli.name!r}: {binary} cannot be started: {problem.strerror}",
        )
    if ended.returncode == 0:
        return None
    told = (ended.stderr or ended.stdout).decode("utf-8", "replace").strip().splitlines()
    return Finding(
        topic=Topic.BINARY,
        fatal=True,
        text=f"agent CLI {cli.name!r} cannot start: `{words}` ended with exit code {ended.returncode}"
        + (f": {told[-1]}" if told else ""),
        hint=f"run `{words}` in a shell",
    )


def _check_login(cli: AgentCli, env: Mapping[str, str], cwd: Path, timeout_s: float) -> Finding | None:
    answer = ask_ready(cli, env=env, cwd=cwd, timeout_s=timeout_s)
    if answer.ready is Ready.YES:
        return None
    if answer.ready is Ready.UNKNOWN:
        text = f"agent CLI {cli.name!r} may not be logged in: {answer.words}"
        return Finding(topic=Topic.LOGIN, fatal=False, text=text, hint=cli.login)
    return Finding(
        topic=Topic.LOGIN,
        fatal=True,
        text=f"agent CLI {cli.name!r} is not logged in: {answer.words}",
        hint=f"log in: {cli.login}" if cli.login else f"log in, until `{command_of(cli)}` succeeds",
    )


def _check_agent(
    agent: str, registered: Mapping[str, Path | None] | None, env: Mapping[str, str], cwd: Path
) -> Finding | None:
    bundles = registered or {}
    parts = split_agent(agent)
    if parts is None:
        known = "://" in agent or agent in bundles or _local_bundle(agent, env, cwd)
        return None if known else _undecided(agent)
    namespace, name = parts
    folder = bundles.get(namespace)
    if folder is not None and (known_agents := agents_in(folder)):
        return None if name in known_agents else _not_found(agent, bundles, env)
    if _in_cache(namespace, name, env):
        return None
    # A bundle that was never loaded is not in the registry; only in a filled one does that mean something.
    filled = bundles.get(BASE_BUNDLE) is not None and namespace not in bundles
    if filled and not _local_bundle(namespace, env, cwd):
        return _not_found(agent, bundles, env)
    return _undecided(agent)


def _undecided(agent: str) -> Finding:
    return Finding(
        topic=Topic.AGENT,
        fatal=False,
        text=f"whether agent {agent} exists is unknown until amplifier has fetched its bundles",
    )


def _not_found(agent: str, bundles: Mapping[str, Path | None], env: Mapping[str, str]) -> Finding:
    import difflib  # only on an error: it costs more to load than the whole check

    known = [
        f"{namespace}:{name}"
        for namespace, folder in bundles.items()
        if folder is not None
        for name in agents_in(folder)
    ]
    near = difflib.get_close_matches(agent, known, n=1, cutoff=0.5)
    return Finding(
        topic=Topic.AGENT,
        fatal=True,
        text=f"agent {agent} not found" + (f"; nearest: {near[0]}" if near else ""),
        hint=f"agents are looked up in {bundles_home(env)}; `amplifier bundle list` shows the bundles",
    )


def _in_cache(namespace: str, name: str, env: Mapping[str, str]) -> bool:
    """Whether a fetched repository named like the namespace holds the agent, registered or not."""
    return any(namespace in found.parent.parent.name for found in bundles_home(env).glob(f"cache/*/agents/{name}.md"))


def _local_bundle(name: str, env: Mapping[str, str], cwd: Path) -> bool:
    folders = (cwd / ".amplifier" / "bundles", settings_home(env) / "bundles")
    return any((folder / f"{name}{ending}").exists() for folder in folders for ending in ("", ".md", ".yaml", ".yml"))


def _check_provider(env: Mapping[str, str], cwd: Path) -> Finding | None:
    """With no provider the CLI installs all it knows, picks one, writes that down and then cannot connect."""
    files = (
        settings_home(env) / "settings.yaml",
        cwd / ".amplifier" / "settings.yaml",
        cwd / ".amplifier" / "settings.local.yaml",
    )
    settings = [read for read in (_settings(path) for path in files) if read is not None]
    if any(_has_provider(each) for each in settings):
        return None
    key_stored = (settings_home(env) / "keys.env").exists() or any(env.get(name) for name in _KEY_VARIABLES)
    return Finding(
        topic=Topic.PROVIDER,
        # Without any settings the CLI was never set up here, or is not the one we know: say it, but try.
        fatal=bool(settings) and not key_stored,
        text="amplifier's settings name no provider",
        hint="run `amplifier init`, or `amplifier provider list` to see what is configured",
    )


def _settings(path: Path) -> Mapping[str, Any] | None:
    import yaml  # only here: workers never read these files

    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return stored if isinstance(stored, dict) else {}


def _has_provider(settings: Mapping[str, Any]) -> bool:
    config = settings.get("config")
    return isinstance(config, Mapping) and bool(config.get("providers"))
