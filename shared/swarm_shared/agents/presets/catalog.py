"""Loads the presets: the built-in ones, changed and extended by the user's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from swarm_shared.agents.presets.cli import (
    IDLE_CPU_S,
    NO_TROUBLE,
    AgentCli,
    Condition,
    Fact,
    Pattern,
    Progress,
    PromptChannel,
    Reader,
    ResultRules,
    SessionLog,
    Sign,
    Store,
    Take,
)
from swarm_shared.agents.presets.entry import Entry
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.models import Role
from swarm_shared.domain.trouble import TroubleKind
from swarm_shared.program.nearest import Suggester, or_nearest


def shipped(name: str) -> dict[str, Any]:
    """A file of this package."""
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def load_presets(own: Mapping[str, object] = MappingProxyType({})) -> Mapping[str, AgentCli]:
    """Every agent CLI by name: the shipped ones, changed and extended by the user's own.

    Args:
        own: `agent_clis` of swarm.yaml, name to entry. An entry named like a shipped preset changes only
            the keys that it states; `like: NAME` starts from another preset.

    Raises:
        ConfigError: An entry that cannot work; the message names the key and what is allowed.
    """
    entries: dict[str, dict[str, Any]] = shipped("presets.toml")
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
    known = sorted(presets)
    raise ConfigError(
        f"agent CLI {name!r} is not known",
        hint=or_nearest(
            Suggester(known).nearest(name),
            f"known: {', '.join(known)}; add your own under agent_clis in swarm.yaml",
        ),
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
        ready=entry.words("ready"),
        ready_may_err=entry.flag("ready_may_err"),
        login=entry.text("login"),
        untried=entry.flag("untried"),
        resume=entry.words("resume", template=True),
        model_args=entry.words("model_args", template=True),
        progress=entry.choice("progress", Progress, Progress.NONE),
        store=entry.choice("store", Store, Store.NONE),
        expands_mentions=entry.flag("expands_mentions"),
        warm_up=entry.words("warm_up", template=True),
        warnings=tuple(entry.pattern("warnings", text) for text in entry.words("warnings")),
        env=entry.texts_by_name("env", template=True),
        session_variables=entry.words("session_variables"),
        state=_state(entry),
        variables=entry.words("variables"),
        confined=entry.texts_by_name("confined", template=True),
        trouble=signs_from(entry, "trouble"),
        trouble_exits={
            _exit_code(entry, code): _kind(entry, f"trouble_exits.{code}", kind)
            for code, kind in entry.mapping("trouble_exits").items()
        },
        http_exits=entry.flag("http_exits"),
        idle_cpu_s=entry.number("idle_cpu_s", IDLE_CPU_S),
        cancelled=tuple(entry.pattern("cancelled", text) for text in entry.words("cancelled")),
        result=_rules(result),
        session_log=_session_log(entry.table("session_log")) if entry.peek("session_log") is not None else None,
    )
    entry.refuse_the_rest("like")
    if channel is PromptChannel.ARGUMENT and not all("{prompt}" in words for words in cli.argv.values()):
        raise entry.wrong("argv", "has no {prompt}, yet prompt is 'argument'", "add '{prompt}' as one word")
    if reader is Reader.EVENTS and not (cli.result.ok and cli.result.answer):
        raise entry.wrong("result", "must state ok and answer for the reader 'events'", "see presets.toml")
    return cli


def _state(entry: Entry) -> tuple[str, ...]:
    """Paths below the home directory."""
    paths = entry.words("state")
    for path in paths:
        if not path.startswith("~/") or ".." in path.split("/") or not path.strip("~/"):
            raise entry.wrong("state", f"{path!r} is not a path below ~", "such as ~/.claude")
    return paths


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
        ok=_conditions(entry, "ok"),
        failed=_conditions(entry, "failed"),
        answer=_takes(entry, "answer"),
        error=_takes(entry, "error"),
        trouble=_facts(entry, "trouble"),
        work=_conditions(entry, "work"),
        waits=_conditions(entry, "waits"),
        session=entry.words("session"),
        model=entry.words("model"),
        tokens=_takes(entry, "tokens"),
        cached=_takes(entry, "cached"),
        output=_takes(entry, "output"),
        partial=_takes(entry, "partial"),
        cost=_takes(entry, "cost"),
        cumulative=frozenset(entry.words("cumulative")),
    )
    if unknown := rules.cumulative - {"tokens", "cost"}:
        raise entry.wrong("cumulative", f"{min(unknown)!r} is not allowed", "tokens, cost")
    entry.refuse_the_rest()
    return rules


def _session_log(entry: Entry) -> SessionLog:
    log = SessionLog(
        folder=entry.text("folder", required=True),
        folder_variable=entry.text("folder_variable"),
        files=entry.text("files", required=True),
        rules=ResultRules(
            model=entry.words("model"),
            tokens=_takes(entry, "tokens"),
            cached=_takes(entry, "cached"),
            output=_takes(entry, "output"),
            cost=_takes(entry, "cost"),
            cumulative=frozenset({"tokens", "cost"}),
        ),
    )
    if "{session_id}" not in log.files:
        raise entry.wrong("files", "has no {session_id}", "a pattern such as 'sessions/{session_id}.jsonl'")
    entry.refuse_the_rest()
    return log


def _conditions(entry: Entry, key: str) -> tuple[Condition, ...]:
    return tuple(_condition(entry, f"{key}[{n}]", stated) for n, stated in enumerate(entry.conditions(key)))


def _condition(entry: Entry, key: str, stated: Mapping[str, Any]) -> Condition:
    """The condition with its patterns compiled: `{like = "..."}` and `{unlike = "..."}`."""
    condition: dict[str, object] = {}
    for path, wanted in stated.items():
        condition[str(path)] = wanted
        if isinstance(wanted, Mapping):
            place = Entry(f"{entry.where}.{key}.{path}", wanted)
            like, unlike = place.text("like"), place.text("unlike")
            place.refuse_the_rest()
            if bool(like) == bool(unlike):
                raise entry.wrong(f"{key}.{path}", "needs either like or unlike", "{like = 'pattern'}")
            condition[str(path)] = Pattern(pattern=place.pattern("like", like or unlike), wanted=bool(like))
    return condition


def _takes(entry: Entry, key: str) -> tuple[Take, ...]:
    """A list of paths, each a text or a table with `take` and `when`."""
    takes = []
    for n, stated in enumerate(entry.entries(key)):
        if isinstance(stated, str):
            takes.append(Take(when={}, path=stated))
            continue
        rule = Entry(f"{entry.where}.{key}[{n}]", stated)
        when = _condition(rule, "when", rule.mapping("when"))
        takes.append(Take(when=when, path=rule.text("take", required=True), per=rule.text("per")))
        rule.refuse_the_rest()
    return tuple(takes)


def _facts(entry: Entry, key: str) -> tuple[Fact, ...]:
    facts = []
    for rule in entry.tables(key):
        status, word = rule.text("status"), rule.text("kind")
        if not (status or word):
            raise rule.wrong("kind", "is missing, and so is status", f"none, {', '.join(TroubleKind)}")
        facts.append(
            Fact(
                when=_condition(rule, "when", rule.mapping("when")),
                kind=None if word in ("", NO_TROUBLE) else _kind(rule, "kind", word),
                status=status,
                wait=rule.text("wait"),
            )
        )
        rule.refuse_the_rest()
    return tuple(facts)


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
        raise entry.wrong(key, f"{word!r} is not a kind of trouble", f"one of {', '.join(TroubleKind)}") from None


def _exit_code(entry: Entry, word: object) -> int:
    try:
        return int(str(word))
    except ValueError:
        raise entry.wrong("trouble_exits", f"{word!r} is not an exit code", "a number from 1 to 255") from None
