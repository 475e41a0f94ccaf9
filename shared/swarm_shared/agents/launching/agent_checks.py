"""Checks before a run, without a model, whether an agent CLI can start and finds the requested agents."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from swarm_shared.agents.amplifier.home import (
    agents_in,
    bundles_home,
    cached_agents,
    registered_bundles,
    settings_home,
)
from swarm_shared.agents.amplifier.persona import BASE_BUNDLE, split_agent
from swarm_shared.agents.amplifier.providers import check_provider
from swarm_shared.agents.launching.launch import find_binary
from swarm_shared.agents.launching.readiness import Ready, ask_ready, command_of
from swarm_shared.agents.launching.short_command import run_short
from swarm_shared.agents.presets.cli import AgentCli, Store
from swarm_shared.domain.errors import EXIT_AGENT_CLI, ConfigError

_FILE_URI = "file://"


class AgentCliError(ConfigError):
    """The agent CLI cannot start here."""

    exit_code = EXIT_AGENT_CLI


class Topic(StrEnum):
    """What a finding is about."""

    BINARY = "binary"
    AGENT = "agent"
    PROVIDER = "provider"
    LOGIN = "login"


class CliFinding(Struct, frozen=True, kw_only=True):
    """One thing found. `fatal`: no session could work. Otherwise only a warm-up run could decide it.

    `agent` is the one that a finding about an agent is about.
    """

    topic: Topic
    fatal: bool
    text: str
    hint: str = ""
    agent: str = ""


def check_agent_cli(
    cli: AgentCli, agents: Iterable[str], *, env: Mapping[str, str], cwd: Path, timeout_s: float
) -> tuple[CliFinding, ...]:
    """Problems with starting sessions of this CLI with these agents; empty if there are none.

    Args:
        agents: Names as given by flags and tasks; each is looked up once.
        env: The environment that sessions will have.
        cwd: Where sessions will work: settings and bundles of the project are read there.
        timeout_s: For each of the two commands: version, and login check.

    Raises:
        ConfigError: An agent's name cannot be one.
    """
    found = _check_binary(cli, env, cwd, timeout_s)
    findings = [found] if found is not None else []
    if found is None and cli.ready:
        login = _check_login(cli, env, cwd, timeout_s)
        findings += [login] if login is not None else []
    if cli.store is Store.AMPLIFIER:
        missing = check_provider(env, cwd)
        if missing is not None:
            findings.append(CliFinding(topic=Topic.PROVIDER, fatal=missing.fatal, text=missing.text, hint=missing.hint))
        bundles = registered_bundles(env)
        for agent in dict.fromkeys(agents):
            found = _check_agent(agent, bundles, env, cwd)
            findings += [found] if found is not None else []
    return tuple(findings)


def _check_binary(cli: AgentCli, env: Mapping[str, str], cwd: Path, timeout_s: float) -> CliFinding | None:
    try:
        binary = find_binary(cli, env)
    except ConfigError as problem:
        return CliFinding(topic=Topic.BINARY, fatal=True, text=problem.message, hint=problem.hint or "")
    if not cli.version:
        return None
    words = " ".join([os.path.basename(binary), *cli.version])
    answer = run_short(binary, cli.version, env=env, cwd=cwd, timeout_s=timeout_s)
    if answer.timed_out:
        return CliFinding(topic=Topic.BINARY, fatal=False, text=f"`{words}` did not answer within {timeout_s:g} s")
    if answer.not_started is not None:
        return CliFinding(
            topic=Topic.BINARY,
            fatal=True,
            text=f"agent CLI {cli.name!r}: {binary} cannot be started: {answer.not_started}",
        )
    if answer.exit_code == 0:
        return None
    return CliFinding(
        topic=Topic.BINARY,
        fatal=True,
        text=f"agent CLI {cli.name!r} cannot start: `{words}` ended with exit code {answer.exit_code}"
        + (f": {answer.complaint}" if answer.complaint else ""),
        hint=f"run `{words}` in a shell",
    )


def _check_login(cli: AgentCli, env: Mapping[str, str], cwd: Path, timeout_s: float) -> CliFinding | None:
    answer = ask_ready(cli, env=env, cwd=cwd, timeout_s=timeout_s)
    if answer.ready is Ready.YES:
        return None
    if answer.ready is Ready.UNKNOWN:
        text = f"agent CLI {cli.name!r} may not be logged in: {answer.words}"
        return CliFinding(topic=Topic.LOGIN, fatal=False, text=text, hint=cli.login)
    return CliFinding(
        topic=Topic.LOGIN,
        fatal=True,
        text=f"agent CLI {cli.name!r} is not logged in: {answer.words}",
        hint=f"log in: {cli.login}" if cli.login else f"log in, until `{command_of(cli)}` succeeds",
    )


def _check_agent(
    agent: str, registered: Mapping[str, Path | None] | None, env: Mapping[str, str], cwd: Path
) -> CliFinding | None:
    bundles = registered or {}
    parts = split_agent(agent)
    if parts is None:
        if agent.startswith(_FILE_URI) and not os.path.exists(agent.removeprefix(_FILE_URI).partition("#")[0]):
            return _no_bundle(agent)
        known = "://" in agent or agent in bundles or _local_bundle(agent, env, cwd)
        return None if known else _undecided(agent)
    namespace, name = parts
    folder = bundles.get(namespace)
    if folder is not None and (known_agents := agents_in(folder)):
        return None if name in known_agents else _not_found(agent, bundles, env)
    if cached := cached_agents(env, namespace):
        # The registry may never name the repository itself, where only a part of it is included.
        return None if name in cached else _not_found(agent, bundles, env)
    # A bundle that was never loaded is not in the registry; only in a filled one does that mean something.
    filled = bundles.get(BASE_BUNDLE) is not None and namespace not in bundles
    if filled and not _local_bundle(namespace, env, cwd):
        return _not_found(agent, bundles, env)
    return _undecided(agent)


def _undecided(agent: str) -> CliFinding:
    return CliFinding(
        topic=Topic.AGENT,
        fatal=False,
        text=f"amplifier has not fetched its bundles yet, so it is not known whether agent {agent} exists",
        agent=agent,
    )


def _no_bundle(agent: str) -> CliFinding:
    return CliFinding(
        topic=Topic.AGENT,
        fatal=True,
        text=f"bundle {agent} not found",
        hint="correct the address of the bundle file",
        agent=agent,
    )


def _not_found(agent: str, bundles: Mapping[str, Path | None], env: Mapping[str, str]) -> CliFinding:
    import difflib  # only on an error: it costs more to load than the whole check

    known = [
        f"{namespace}:{name}"
        for namespace, folder in bundles.items()
        for name in (agents_in(folder) if folder is not None else cached_agents(env, namespace))
    ]
    near = difflib.get_close_matches(agent, known, n=1, cutoff=0.5)
    return CliFinding(
        topic=Topic.AGENT,
        fatal=True,
        text=f"agent {agent} not found" + (f"; nearest: {near[0]}" if near else ""),
        hint=f"agents are looked up in {bundles_home(env)}; `amplifier bundle list` shows the bundles",
        agent=agent,
    )


def _local_bundle(name: str, env: Mapping[str, str], cwd: Path) -> bool:
    folders = (cwd / ".amplifier" / "bundles", settings_home(env) / "bundles")
    return any((folder / f"{name}{ending}").exists() for folder in folders for ending in ("", ".md", ".yaml", ".yml"))
