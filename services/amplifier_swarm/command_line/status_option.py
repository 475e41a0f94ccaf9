"""Options that several commands take: statuses by group or stored name, and the confirmation of bulk changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from swarm_shared.domain.models import Group, Status, statuses_named
from swarm_shared.program.nearest import Suggester, or_nearest

F = TypeVar("F", bound=Callable[..., Any])


def status_option(help: str) -> Callable[[F], F]:
    """`--status WORD`, several times: the command gets `statuses`, the stored ones that they mean."""

    def convert(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> tuple[Status, ...]:
        found: list[Status] = []
        for word in ",".join(words).split(",") if words else ():
            try:
                found += statuses_named(word)
            except ValueError:
                choices = f"choose from: {', '.join(known_words())}"
                advice = or_nearest(Suggester(known_words()).nearest(word), choices)
                raise click.BadParameter(f"{word!r} is not a status; {advice}", ctx, param) from None
        return tuple(dict.fromkeys(found))

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        plain = incomplete.lower().replace("-", "_")
        return [CompletionItem(word) for word in known_words() if word.startswith(plain)]

    return click.option(
        "--status",
        "statuses",
        metavar="STATUS",
        multiple=True,
        callback=convert,
        shell_complete=complete,
        help=f"{help}  A group or a stored status; several times or with commas.",
    )


def known_words() -> list[str]:
    """Groups first, then the further stored statuses."""
    return list(dict.fromkeys([*map(str, Group), *map(str, Status)]))
