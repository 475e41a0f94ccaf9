"""The description of an agent CLI as frozen data, so that a new CLI needs only settings and no code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field
from msgspec.structs import replace

from swarm_shared.domain.models import Role
from swarm_shared.domain.trouble import TroubleKind


class PromptChannel(StrEnum):
    """How a prompt reaches the CLI."""

    STDIN = "stdin"
    ARGUMENT = "argument"
    NONE = "none"


class Reader(StrEnum):
    """How the end of a session is read."""

    EVENTS = "events"  # JSON objects on standard output, one or many
    TEXT = "text"  # standard output is the answer
    EXIT_CODE = "exit_code"  # a command: 0 is a pass


class Progress(StrEnum):
    """What shows that a session is alive."""

    STREAM = "stream"  # its output
    EVENTS = "events"  # its session files grow
    NONE = "none"  # nothing before the end: only the session limit binds it


class Store(StrEnum):
    """Where the CLI keeps sessions, usage and agents."""

    AMPLIFIER = "amplifier"
    NONE = "none"


# Seconds of processor time a minute. Most CLIs that wait for an answer use 0.02 to 0.4; work uses more.
IDLE_CPU_S = 1.0
# The keyword in data files for a text that looks like trouble but is not.
NO_TROUBLE = "none"


class Pattern(Struct, frozen=True, kw_only=True):
    """A condition on a text: the pattern occurs in it, or with `wanted` False does not (then no text is fine too)."""

    pattern: re.Pattern[str]
    wanted: bool


# Path in an event to the value it must have: see "conditions" at the top of presets.toml.
Condition = Mapping[str, object]


class Take(Struct, frozen=True, kw_only=True):
    """A value to take from events that meet a condition; an empty path takes the whole event as JSON.

    `per` is the path of an id: of events with the same one the last counts, where numbers are added up.
    """

    when: Condition
    path: str
    per: str = ""


class Fact(Struct, frozen=True, kw_only=True):
    """What an event that meets a condition says about the cause of a failure.

    `kind` None with an empty `status` means that the failure is the task's own. `status` is the path of an HTTP status
    (a number, or a text that begins with one) that decides; `kind` is then what holds where it is missing. `wait` is
    the path of a number: seconds to wait, or a moment in seconds or milliseconds since 1970.
    """

    when: Condition
    kind: TroubleKind | None
    status: str = ""
    wait: str = ""


class ResultRules(Struct, frozen=True, kw_only=True):
    """How a CLI's events report success, answer, error text, cause of failure, session id, model and usage."""

    ok: tuple[Condition, ...] = ()
    failed: tuple[Condition, ...] = ()
    answer: tuple[Take, ...] = ()
    error: tuple[Take, ...] = ()
    trouble: tuple[Fact, ...] = ()
    work: tuple[Condition, ...] = ()  # the provider has answered: errors before it are over
    waits: tuple[Condition, ...] = ()  # after it the CLI waits for its provider
    session: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    tokens: tuple[Take, ...] = ()
    cached: tuple[Take, ...] = ()
    output: tuple[Take, ...] = ()  # the part of the tokens that models wrote
    partial: tuple[Take, ...] = ()  # tokens, of sessions that ended without their total
    cost: tuple[Take, ...] = ()
    cumulative: frozenset[str] = frozenset()  # of tokens and cost: what counts the session so far


class SessionLog(Struct, frozen=True, kw_only=True):
    """The file that a CLI writes for each session: events, of which `rules` take models and usage.

    `files` is a glob pattern with `{session_id}`, below the folder that an environment variable names or, without it,
    below `folder` in the home directory.
    """

    folder: str
    files: str
    rules: ResultRules
    folder_variable: str = ""


class Sign(Struct, frozen=True, kw_only=True):
    """A text of an error channel and what it means; None means that it is no trouble."""

    kind: TroubleKind | None
    pattern: re.Pattern[str]


class AgentCli(Struct, frozen=True, kw_only=True):
    """One preset; every key is explained at the top of presets.toml."""

    name: str
    binary: str
    argv: Mapping[Role, tuple[str, ...]]
    prompt: PromptChannel
    reader: Reader
    version: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    model_args: tuple[str, ...] = ()
    progress: Progress = Progress.NONE
    store: Store = Store.NONE
    expands_mentions: bool = False
    warm_up: tuple[str, ...] = ()
    warnings: tuple[re.Pattern[str], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    session_variables: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    confined: Mapping[str, str] = field(default_factory=dict)
    trouble: tuple[Sign, ...] = ()
    trouble_exits: Mapping[int, TroubleKind] = field(default_factory=dict)
    http_exits: bool = False
    idle_cpu_s: float = IDLE_CPU_S
    ready: tuple[str, ...] = ()
    ready_may_err: bool = False
    login: str = ""
    untried: bool = False
    cancelled: tuple[re.Pattern[str], ...] = ()
    result: ResultRules = field(default_factory=ResultRules)
    session_log: SessionLog | None = None

    def for_confined_sessions(self) -> AgentCli:
        """The preset for sessions that the runner confines."""

        def confined(words: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(self.confined.get(word, word) for word in words)

        argv = {role: confined(words) for role, words in self.argv.items()}
        return replace(self, argv=argv, resume=confined(self.resume))

    def takes_agent(self, role: Role) -> bool:
        """Whether sessions in this role run the agent that the settings name; most agent CLIs have only their own."""
        return any(name in word for word in self.argv.get(role, ()) for name in ("{agent}", "{agent_bundle}"))
