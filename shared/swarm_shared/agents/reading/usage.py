"""A session's usage, and the growth of its files while it works, from the files that Amplifier writes."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from swarm_shared.agents.amplifier.home import EVENTS_FILE, is_sub_session, sessions_folder, sessions_since
from swarm_shared.agents.presets.cli import AgentCli, Store

# A delegated session's first event names its parent; the event may carry the session's whole configuration.
_PARENT_WITHIN_BYTES = 256 * 1024
_PARENT = re.compile(rb'"parent(?:_id)?"\s*:\s*"([^"]+)"')
_FIRST_TIME_WITHIN_BYTES = 4096
_FIRST_TIME = re.compile(rb'"ts"\s*:\s*"([^"]+)"')
_TWICE_WITHIN = 4  # records: the second one follows soon
_RESPONSE_MARK, _REQUEST_MARK = b'"llm:response"', b'"llm:request"'
_MODEL = re.compile(rb'"model"\s*:\s*"([^"\\]+)"')
_REQUEST_ID = re.compile(rb'"request_id"\s*:\s*"([^"\\]+)"')


class Usage(Struct, frozen=True, kw_only=True):
    """What models were paid for; None if nothing reports it, which is not zero.

    `tokens` are all input and output, `cached_tokens` the part of the input that came from a cache,
    `output_tokens` what models wrote.
    """

    tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None

    def plus(self, other: Usage) -> Usage:
        """The sum of both; unknown is not zero."""
        return Usage(
            tokens=_plus(self.tokens, other.tokens),
            cached_tokens=_plus(self.cached_tokens, other.cached_tokens),
            output_tokens=_plus(self.output_tokens, other.output_tokens),
            cost_usd=_plus(self.cost_usd, other.cost_usd),
        )

    def since(self, before: Usage, *, cumulative: Collection[str]) -> Usage:
        """What was used after `before`, of figures that count a session from its beginning.

        Args:
            cumulative: Which do, of "tokens" (with the cached ones) and "cost"; the others stay as they are.
        """
        tokens, cost = "tokens" in cumulative, "cost" in cumulative
        return Usage(
            tokens=_less(self.tokens, before.tokens) if tokens else self.tokens,
            cached_tokens=_less(self.cached_tokens, before.cached_tokens) if tokens else self.cached_tokens,
            output_tokens=_less(self.output_tokens, before.output_tokens) if tokens else self.output_tokens,
            cost_usd=_less(self.cost_usd, before.cost_usd) if cost else self.cost_usd,
        )


UNKNOWN_USAGE = Usage()
_Number = TypeVar("_Number", int, float)


def _plus(one: _Number | None, other: _Number | None) -> _Number | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _less(total: _Number | None, before: _Number | None) -> _Number | None:
    """A total below the previous one has started again."""
    if total is None or before is None or total < before:
        return total
    return total - before


def session_usage(cli: AgentCli, *, env: Mapping[str, str], cwd: Path, session_id: str | None) -> dict[str, Usage]:
    """Tokens and cost of a session and of all that it delegated, by model; nothing for CLIs that keep no such files.

    Args:
        env: The environment that the session had; only HOME counts.
        cwd: The session's working directory.

    A model that no event names is an empty text.
    """
    if cli.store is not Store.AMPLIFIER or not session_id or "/" in session_id:
        return {}
    by_model: dict[str, Usage] = {}
    for model, used in _used(sessions_folder(env, cwd), session_id):
        usage = Usage(
            tokens=_tokens(used),
            cached_tokens=_rounded(used.get("cache_read_tokens")),
            output_tokens=_rounded(used.get("output_tokens")),
            cost_usd=_number(used.get("cost_usd")),
        )
        by_model[model] = by_model.get(model, UNKNOWN_USAGE).plus(usage)
    return by_model


def total_usage(by_model: Mapping[str, Usage]) -> Usage:
    """Of all models together."""
    total = UNKNOWN_USAGE
    for usage in by_model.values():
        total = total.plus(usage)
    return total


def events_size(
    cli: AgentCli, *, env: Mapping[str, str], cwd: Path, started_ms: int, resumed: str | None = None
) -> int | None:
    """Bytes of events of sessions that began in this directory since then; its growth is a sign of progress.

    Args:
        resumed: An earlier session that is resumed: it counts too.

    None: no session has begun yet, or the CLI keeps no such files. Where several sessions share a directory,
    their sizes add up: then growth says that one of them works.
    """
    if cli.store is not Store.AMPLIFIER:
        return None
    folder = sessions_folder(env, cwd)
    sizes = {name: stat.st_size for name, stat in sessions_since(folder, started_ms)}
    if resumed is not None:
        with suppress(OSError):
            sizes[resumed] = (folder / resumed / EVENTS_FILE).stat().st_size
    return sum(sizes.values()) if sizes else None


def find_session(cli: AgentCli, *, env: Mapping[str, str], cwd: Path, started_ms: int) -> str | None:
    """The id of the session that began in this directory since then; None for none, or more than one.

    For sessions that were killed: in JSON mode the CLI prints the id only at its end. Only for a directory that the
    session has to itself.
    """
    if cli.store is not Store.AMPLIFIER:
        return None
    ids = [name for name, _ in sessions_since(sessions_folder(env, cwd), started_ms) if not is_sub_session(name)]
    return ids[0] if len(ids) == 1 else None


def _used(folder: Path, session_id: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Model and usage of every model answer of a session and of its sub-sessions, however deep."""
    related = [session_id]
    parents = _parents(folder, session_id)
    for member in related:
        related += [child for child, parent in parents.items() if parent == member and child not in related]
        yield from _used_in(folder / member / EVENTS_FILE)


def _parents(folder: Path, session_id: str) -> Mapping[str, str]:
    """Sub-session id to its parent's, of the sub-sessions that are not older than the session itself."""
    parents = {}
    for name, _ in sessions_since(folder, _began_ms(folder / session_id / EVENTS_FILE)):
        if is_sub_session(name) and (parent := _parent_of(folder / name / EVENTS_FILE)):
            parents[name] = parent
    return parents


def _began_ms(events: Path) -> int:
    """Wall time of a session's first event; 0 when it does not say, which only means more files to read."""
    try:
        with events.open("rb") as file:
            found = _FIRST_TIME.search(file.read(_FIRST_TIME_WITHIN_BYTES))
        return int(datetime.fromisoformat(found[1].decode()).timestamp() * 1000) if found else 0
    except (OSError, ValueError):
        return 0


def _parent_of(events: Path) -> str | None:
    try:
        with events.open("rb") as file:
            found = _PARENT.search(file.read(_PARENT_WITHIN_BYTES))
    except OSError:
        return None
    return found[1].decode("utf-8", "replace") if found else None


def _used_in(events: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    lines: list[bytes] = []
    asked: dict[str, str] = {}
    try:
        with events.open("rb") as file:
            # Lines can be huge (whole prompts): only those of model answers are worth parsing.
            for line in file:
                if _RESPONSE_MARK in line:
                    lines.append(line)
                elif _REQUEST_MARK in line and (model := _MODEL.search(line)) and (request := _REQUEST_ID.search(line)):
                    asked[request[1].decode()] = model[1].decode("utf-8", "replace")
    except OSError:
        return
    seen: list[tuple[object, ...]] = []
    for line in lines:
        try:
            event = json.loads(line)
            used = event["data"]["usage"] if event["event"] == "llm:response" else None
        except (ValueError, KeyError, TypeError):
            continue  # the last line of a killed session may be half
        if not isinstance(used, Mapping):
            continue
        # Older loggers write every record twice; the kernel's time in it is the same then.
        when = event["data"].get("timestamp") or event.get("ts")
        record = (when, event.get("request_id"), used)
        if when is None or record not in seen[-_TWICE_WITHIN:]:
            model = event["data"].get("model")  # some providers name it only in the request
            yield model if isinstance(model, str) else asked.get(str(event.get("request_id")), ""), used
        seen.append(record)


def _tokens(used: Mapping[str, Any]) -> int | None:
    total = _number(used.get("total_tokens"))
    if total is None:
        parts = [_number(used.get(name)) for name in ("input_tokens", "output_tokens")]
        known = [part for part in parts if part is not None]
        total = sum(known) if known else None
    return None if total is None else round(total)


def _rounded(value: object) -> int | None:
    number = _number(value)
    return None if number is None else round(number)


def _number(value: object) -> float | None:
    # Prices are exact decimals in the CLI, and some versions write those as text.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
