"""Interprets the end of a session: structure takes precedence over exit codes, and exit codes over text."""

from __future__ import annotations

import signal as signals
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from swarm_shared.agents.presets.cli import AgentCli, Reader
from swarm_shared.agents.reading.answers import bare_answer, closing_answer, find_answer, items, judge
from swarm_shared.agents.reading.cli_events import Said, read_events
from swarm_shared.agents.reading.error_text import first_line, last_line, lines_matching
from swarm_shared.agents.reading.trouble import TheTasksOwn, find_trouble, trouble_from
from swarm_shared.agents.reading.usage import Usage
from swarm_shared.domain.models import FailureClass, Role
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.program.error_line import error_line
from swarm_shared.program.terminal_text import storable, without_colours

REASON_LIMIT_CHARS = 4_000
_MOST_WARNINGS = 5
# The number of lines of a failing command that the next prompt shows.
TAIL_LINES = 40
# Error channels are searched at their end: a CLI reports last why it stops.
CHANNEL_LIMIT_CHARS = 20_000
# A CLI that never started exits with 1 or 2; a wrapper uses 126 for "not runnable" and 127 for "not found".
_NEVER_BEGAN_EXITS = frozenset({1, 2, 126, 127})
_SHELL_SIGNAL_BASE = 128
# Those that end programs; a code such as 144 or 173 is rather an exit code of the program's own.
_ENDING_SIGNALS = frozenset(
    {
        signals.SIGHUP,
        signals.SIGINT,
        signals.SIGQUIT,
        signals.SIGILL,
        signals.SIGABRT,
        signals.SIGBUS,
        signals.SIGFPE,
        signals.SIGKILL,
        signals.SIGSEGV,
        signals.SIGPIPE,
        signals.SIGALRM,
        signals.SIGTERM,
        signals.SIGXCPU,
    }
)


class SessionEnd(Struct, frozen=True, kw_only=True):
    """How a session ended. Both codes None: the CLI could not be started, `stderr` says why.

    `stdout` and `stderr` are decoded with `errors="replace"`; where output was dropped, they hold the mark.
    `began` is True when session files or other proof show that the session was past its start-up: then an end
    without an answer is a death and no setup problem.
    """

    exit_code: int | None = None
    signal: int | None = None
    stdout: str = ""
    stderr: str = ""
    began: bool = False
    too_long: bool = False  # not started, because this task's prompt or arguments are longer than the system allows


class Reading(Struct, frozen=True, kw_only=True):
    """The interpretation of a session's end. `failure` is None if the task may continue.

    `trouble` comes with PROVIDER, and with SETUP where a text said so.
    `tokens` (all input and output, cached input among it), `cached_tokens` and `cost_usd` are None when unknown; where
    the preset calls them cumulative, they are of the CLI's session so far.
    A session that we killed is INTERRUPTED, which only the caller knows; here any signal is CRASH.
    """

    failure: FailureClass | None
    reason: str = ""
    answer: dict[str, Any] | None = None
    must_fix: tuple[str, ...] = ()
    question: str = ""  # with QUALITY: the builder stopped to ask this
    session_id: str | None = None
    models: tuple[str, ...] = ()
    tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    by_model: Mapping[str, Usage] = field(default_factory=dict)  # where the CLI states each model's tokens
    trouble: Trouble | None = None
    unfit: bool = False  # with SETUP: no session of this task can be started as it is
    blames_machine: bool = False  # the reason is what a program said that would say the same to any task


def read_session(cli: AgentCli, role: Role, end: SessionEnd, now_ms: int) -> Reading:
    """Classify the end of a session of the builder or the validator.

    Args:
        now_ms: Wall time, for waits that a provider names as a moment.
    """
    end = _plain(end)
    if end.signal is not None:
        return _with_said(
            _reading(FailureClass.CRASH, f"{cli.name} was killed by {_signal_name(end.signal)}"), _said(cli, end)
        )
    if end.exit_code is None:
        reading = _reading(FailureClass.SETUP, f"{cli.name} could not be started: {last_line(end.stderr)}")
        return replace(reading, unfit=end.too_long, blames_machine=end.too_long)
    if cli.reader is Reader.EXIT_CODE:
        return _read_command(role, end, end.exit_code)
    said = _said(cli, end)
    return _with_said(_read_agent(cli, role, end, end.exit_code, said, now_ms), said)


def read_cut(cli: AgentCli, end: SessionEnd, *, stuck: bool, now_ms: int) -> Reading:
    """What a session that we ended had said; its failure is PROVIDER where it was held up by its provider.

    Args:
        stuck: It was ended because it gave no sign of life, and not at its time limit: then waiting for the provider
            is enough; otherwise its last events must be errors.
    """
    if cli.reader is not Reader.EVENTS:
        return _reading(None)
    end = _plain(end)
    said = _said(cli, end)
    # If events report nothing, the last message on standard error counts; earlier ones were recovered from.
    text = said.errors or ("" if said.events else last_line(end.stderr))
    trouble = trouble_from(cli, said.found, 0, text, now_ms, summary=first_line(text))
    if trouble is None and stuck and cli.result.waits and (said.waiting or not said.events):
        trouble = Trouble(kind=TroubleKind.OVERLOADED, text="no answer from the provider")
    if not isinstance(trouble, Trouble) or trouble.kind is TroubleKind.STARTUP:
        return _with_said(_reading(None), said)
    return _with_said(_troubled(trouble), said)


def warnings_of(cli: AgentCli, end: SessionEnd) -> list[str]:
    """The CLI's messages about parts that were missing in the session; never the agent's text."""
    end = _plain(end)
    before_events = end.stdout.partition("\n{")[0]
    return lines_matching(f"{before_events}\n{end.stderr}", cli.warnings, most=_MOST_WARNINGS)


def _plain(end: SessionEnd) -> SessionEnd:
    return replace(end, stdout=without_colours(end.stdout), stderr=without_colours(end.stderr))


def _said(cli: AgentCli, end: SessionEnd) -> Said:
    """What the events say: those on standard output, or where it has none, errors on standard error."""
    if cli.reader is not Reader.EVENTS:
        return Said()
    said = read_events(cli.result, end.stdout)
    if said.known:
        return said
    beside = read_events(cli.result, end.stderr)
    if beside.ok is False or beside.found is not None:
        beside.answer, beside.ok = None, False
        return beside
    return said


def _read_agent(cli: AgentCli, role: Role, end: SessionEnd, exit_code: int, said: Said, now_ms: int) -> Reading:
    if said.ok is False:
        return _read_reported_error(cli, said, exit_code, said.errors or end.stderr, now_ms, answer=said.answer or "")
    has_events = cli.reader is Reader.EVENTS and said.events > 0
    text = said.answer if has_events else end.stdout
    answer = None
    if cli.reader is not Reader.EVENTS or said.ok:
        answer = find_answer(text, role) if text else None
    elif not has_events:  # a CLI that printed the bare object is understood too
        answer = bare_answer(end.stdout, role)
    if answer is not None:
        return _read_answer(cli, role, answer, exit_code)
    if said.ok and exit_code != 0 and (errors := said.errors or said.recovered):
        return _read_reported_error(cli, said, exit_code, errors, now_ms)
    if exit_code != 0 and not said.ok:
        return _read_without_result(cli, end, exit_code, said, now_ms)
    # Exit 0 without output: only then is standard error used; it also contains warnings of good sessions.
    silent = not (text or "").strip()
    trouble = find_trouble(cli, said.errors or _channel(end.stderr), now_ms) if exit_code != 0 or silent else None
    if trouble is not None:
        return _troubled(trouble)
    return replace(_reading(FailureClass.UNREADABLE, _unreadable_reason(role, text, exit_code)), blames_machine=True)


def _read_reported_error(
    cli: AgentCli, said: Said, exit_code: int, error: str, now_ms: int, *, answer: str = ""
) -> Reading:
    """A failure that the events state; some state it by an answer of the CLI's own, which has no error text."""
    summary = first_line(error)
    if answer and not said.errors:
        summary = "; ".join(line for line in (first_line(answer), summary) if line)
    trouble = trouble_from(cli, said.found, exit_code, _channel(error), now_ms, summary=summary)
    if isinstance(trouble, Trouble):
        return _troubled(trouble)
    if any(pattern.search(error) for pattern in cli.cancelled):
        return _reading(FailureClass.CRASH, f"{cli.name} was stopped from outside: {error.strip()}")
    return _reading(FailureClass.QUALITY, error.strip() or f"{cli.name} reports an error without a message")


def _read_answer(cli: AgentCli, role: Role, answer: dict[str, Any], exit_code: int) -> Reading:
    judgement = judge(answer, role)
    failure = None if judgement.passed else FailureClass.QUALITY
    reason = judgement.reason
    if judgement.passed and exit_code != 0:
        failure = FailureClass.QUALITY
        reason = f"{cli.name} exited with code {exit_code} although its answer reports success"
    return _reading(failure, reason, answer=answer, must_fix=judgement.must_fix, question=judgement.question)


def _read_without_result(cli: AgentCli, end: SessionEnd, exit_code: int, said: Said, now_ms: int) -> Reading:
    channel = _channel(said.errors) or _channel(end.stderr, "" if said.events else end.stdout)
    summary = first_line(said.errors) or last_line(end.stderr) or ("" if said.events else last_line(end.stdout))
    trouble = trouble_from(cli, said.found, exit_code, channel, now_ms, summary=summary)
    if isinstance(trouble, Trouble):
        return _troubled(trouble)
    summary = summary or "it printed nothing"
    if isinstance(trouble, TheTasksOwn):
        return _reading(FailureClass.QUALITY, summary)
    began = end.began or said.known or said.events > 0
    if exit_code in _NEVER_BEGAN_EXITS and not began:
        return _reading(
            FailureClass.SETUP, f"{cli.name} exited with code {exit_code} before it gave a result: {summary}"
        )
    killed = exit_code - _SHELL_SIGNAL_BASE in _ENDING_SIGNALS
    if killed:
        summary = f"{_signal_name(exit_code - _SHELL_SIGNAL_BASE)} {summary}".strip()
    reading = _reading(FailureClass.CRASH, f"{cli.name} died with exit code {exit_code} and no result: {summary}")
    return replace(reading, blames_machine=not killed)


def _read_command(role: Role, end: SessionEnd, exit_code: int) -> Reading:
    """A task's own `run:` or `verify:`: its exit code, and the answer object where it ends with one."""
    answer = closing_answer(end.stdout, role) if end.stdout else None
    judgement = judge(answer, role) if answer is not None else None
    if exit_code == 0:
        if judgement is None or judgement.passed:
            return _reading(None, answer=answer)
        return _reading(
            FailureClass.QUALITY,
            judgement.reason,
            answer=answer,
            must_fix=judgement.must_fix,
            question=judgement.question,
        )
    word = "verify" if role is Role.VALIDATOR else "run"
    what = {126: " (a command in it is not executable)", 127: " (a command in it was not found)"}.get(exit_code, "")
    lines = [f"the task's {word} command exited with code {exit_code}{what}"]
    if judgement is not None and not judgement.passed:
        lines.append(judgement.reason)
    printed = tail_lines(end.stdout, end.stderr)
    must_fix = judgement.must_fix if judgement is not None else ()
    if role is Role.VALIDATOR and answer is None and not what:
        # Its exit code is the verdict: it objects, and what it printed is the objection.
        said = error_line("\n".join(printed)) or next(filter(None, reversed(printed)), lines[0])
        must_fix = (storable(without_colours(said)),)
        answer = {"verdict": "FAIL", "critical_issues": list(must_fix)}
    return _reading(
        FailureClass.QUALITY,
        "\n".join(lines + printed),
        answer=answer,
        must_fix=must_fix,
        question=judgement.question if judgement is not None else "",
    )


def tail_lines(stdout: str, stderr: str, count: int = TAIL_LINES) -> list[str]:
    """The last lines of a command's output, standard error last because failures are reported there."""
    lines = [line.rstrip() for line in stdout.splitlines()[-count:] + stderr.splitlines()[-count:]]
    return lines[-count:]


def _troubled(trouble: Trouble) -> Reading:
    failure = FailureClass.SETUP if trouble.kind is TroubleKind.STARTUP else FailureClass.PROVIDER
    return _reading(failure, f"{trouble.kind}: {trouble.text}", trouble=trouble)


def _unreadable_reason(role: Role, text: str | None, exit_code: int) -> str:
    asked = "verdict" if role is Role.VALIDATOR else "status"
    if not (text or "").strip():
        return f"the {role} ended with exit code {exit_code} and an empty answer"
    return f"the {role}'s answer contains no JSON object with a {asked}; it ends: {last_line(text or '')}"


def _reading(
    failure: FailureClass | None,
    reason: str = "",
    *,
    answer: dict[str, Any] | None = None,
    must_fix: tuple[str, ...] = (),
    trouble: Trouble | None = None,
    question: str = "",
) -> Reading:
    return Reading(
        failure=failure,
        reason=_clipped(reason),
        answer=answer,
        must_fix=must_fix,
        trouble=trouble,
        question=_clipped(question),
    )


def _with_said(reading: Reading, said: Said) -> Reading:
    return Reading(
        failure=reading.failure,
        reason=reading.reason,
        answer=reading.answer,
        must_fix=reading.must_fix,
        question=reading.question,
        session_id=said.session_id,
        models=said.models,
        tokens=said.tokens,
        cached_tokens=said.cached_tokens,
        output_tokens=said.output_tokens,
        cost_usd=said.cost_usd,
        by_model=said.by_model,
        trouble=reading.trouble,
        unfit=reading.unfit,
        blames_machine=reading.blames_machine,
    )


def usage_of(reading: Reading) -> Usage:
    """The usage that the session's output reports."""
    return Usage(
        tokens=reading.tokens,
        cached_tokens=reading.cached_tokens,
        output_tokens=reading.output_tokens,
        cost_usd=reading.cost_usd,
    )


def files_of(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """The files that a builder says it created or changed, each once, in its order."""
    named = items(answer.get("files_created")) + items(answer.get("files_modified"))
    return tuple(dict.fromkeys(named))


def _channel(*texts: str) -> str:
    return "\n".join(text[-CHANNEL_LIMIT_CHARS:] for text in texts if text)


def _clipped(text: str) -> str:
    text = storable(text)
    if len(text) <= REASON_LIMIT_CHARS:
        return text
    # Both ends: what happened comes first, the failing line last.
    half = REASON_LIMIT_CHARS // 2
    return f"{text[:half]}\n[…]\n{text[-half:]}"


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signals.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
