"""Loads the presets: those that ship with the suite, changed and joined by a person's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

from swarm_shared.agents.cli import (
    NO_TROUBLE,
    AgentCli,
    Progress,
    PromptChannel,
    Reader,
    ResultRules,
    Sign,
    Store,
    Take,
    TroubleKind,
)
from swarm_shared.agents.entry import Entry
from swarm_shared.errors import ConfigError
from swarm_shared.models import Role


def load_presets(own: Mapping[str, object] = MappingProxyType({})) -> Mapping[str, AgentCli]:
    """Every agent CLI by name: the shipped ones, changed and joined by a person's own.

    Args:
        own: `agent_clis` of swarm.yaml, name to entry. An entry named like a shipped preset changes only
            the keys that it states; `like: NAME` starts from another preset.

    Raises:
        ConfigError: An entry that cannot work; the message names the key and what is allowed.
    """
    shipped = tomllib.loads(resources.files(__package__).joinpath("presets.toml").read_text(encoding="utf-8"))
    entries: dict[str, dict[str, Any]] = dict(shipped)
    for name, stated in own.items():
        entries[str(name)] = _merged(str(name), stated, entries)
    return MappingProxyType({name: _agent_cli(name, entry) for name, entry in entries.items()})


def choose(presets: Mapping[str, AgentCli], name: str) -> AgentCli:
    """The preset of that name.

    Raises:
        ConfigError: There is none.
    """
    if name in presets:
        return presets[name]
    raise ConfigError(
        f"agent CLI {name!r} is not known",
        hint=f"known: {', '.join(sorted(presets))}; add your own under agent_clis in swarm.yaml",
    )


def _merged(name: str, stated: object, entries: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    if not isinstance(stated, Mapping):
        raise ConfigError(f"agent_clis.{name}: must be a mapping of settings", hint="see the manual on agent CLIs")
    settings = {str(key): value for key, value in stated.items()}
    like = settings.pop("like", name if name in entries else None)
    if like is None:
        return settings
    if like not in entries:
        raise ConfigError(
            f"agent_clis.{name}.like: no agent CLI is named {like!r}",
            hint=f"known: {', '.join(sorted(entries))}",
        )
    return {**entries[like], **settings}


def _agent_cli(name: str, settings: Mapping[str, Any]) -> AgentCli:
    entry = Entry(f"agent_clis.{name}", settings)
    channel = entry.choice("prompt", PromptChannel, PromptChannel.STDIN)
    reader = entry.choice("reader", Reader, Reader.TEXT)
    result = entry.table("result")
    cli = AgentCli(
        name=name,
        binary=entry.text("binary", required=True),
        argv=_argv(entry),
        prompt=channel,
        reader=reader,
        version=entry.words("version"),
        resume=entry.words("resume", template=True),
        progress=entry.choice("progress", Progress, Progress.NONE),
        store=entry.choice("store", Store, Store.NONE),
        expands_mentions=entry.flag("expands_mentions"),
        warm_up=entry.flag("warm_up"),
        env=entry.texts_by_name("env", template=True),
        session_variables=entry.words("session_variables"),
        trouble=signs_from(entry, "trouble"),
        trouble_exits={
            _exit_code(entry, code): _kind(entry, f"trouble_exits.{code}", kind)
            for code, kind in entry.mapping("trouble_exits").items()
        },
        cancelled=tuple(entry.pattern("cancelled", text) for text in entry.words("cancelled")),
        result=_rules(result),
    )
    entry.refuse_the_rest("like")
    if channel is PromptChannel.ARGUMENT and not all("{prompt}" in words for words in cli.argv.values()):
        raise entry.wrong("argv", "has no {prompt}, yet prompt is 'argument'", "add '{prompt}' as one word")
    if reader is Reader.EVENTS and not (cli.result.ok and cli.result.answer):
        raise entry.wrong("result", "must state ok and answer for the reader 'events'", "see presets.toml")
    return cli


def _argv(entry: Entry) -> Mapping[Role, tuple[str, ...]]:
    if isinstance(entry.peek("argv"), Mapping):
        roles = entry.table("argv")
        argv = {role: roles.words(role.value, template=True) for role in (Role.BUILDER, Role.VALIDATOR)}
        roles.refuse_the_rest()
        return argv
    words = entry.words("argv", template=True)
    return {Role.BUILDER: words, Role.VALIDATOR: words}


def _rules(entry: Entry) -> ResultRules:
    rules = ResultRules(
        ok=entry.conditions("ok"),
        failed=entry.conditions("failed"),
        answer=_takes(entry, "answer"),
        error=_takes(entry, "error"),
        session=entry.words("session"),
        tokens=entry.words("tokens"),
        cost=entry.words("cost"),
    )
    entry.refuse_the_rest()
    return rules


def _takes(entry: Entry, key: str) -> tuple[Take, ...]:
    takes = []
    for rule in entry.tables(key):
        takes.append(Take(when=rule.mapping("when"), path=rule.text("take", required=True)))
        rule.refuse_the_rest()
    return tuple(takes)


def signs_from(entry: Entry, key: str) -> tuple[Sign, ...]:
    """The signs that a list of `{kind, pattern}` states, in its order."""
    signs = []
    for rule in entry.tables(key):
        word = rule.text("kind", required=True)
        kind = None if word == NO_TROUBLE else _kind(rule, "kind", word)
        signs.append(Sign(kind=kind, pattern=rule.pattern("pattern", rule.text("pattern", required=True))))
        rule.refuse_the_rest()
    return tuple(signs)


def _kind(entry: Entry, key: str, word: object) -> TroubleKind:
    try:
        return TroubleKind(str(word))
    except ValueError:
        raise entry.wrong(key, f"{word!r} is no kind of trouble", f"one of {', '.join(TroubleKind)}") from None


def _exit_code(entry: Entry, word: object) -> int:
    try:
        return int(str(word))
    except ValueError:
        raise entry.wrong("trouble_exits", f"{word!r} is no exit code", "a number from 1 to 255") from None
