"""What of the landed work is on no branch of the user's yet, for the summary of a run."""

from __future__ import annotations

from msgspec import Struct

from swarm_shared.domain.branch_names import branch_of
from swarm_shared.domain.errors import SwarmError
from swarm_shared.git.plumbing.refs import is_contained, read_ref
from swarm_shared.merge_back.repository import integration_of
from swarm_shared.store.queue.landings import Landings


class Waiting(Struct, frozen=True, kw_only=True):
    """Landed work that is on no branch of the user's yet; `into` is the branch that the swarm began from, if any."""

    branch: str
    into: str | None
    graph: tuple[str, ...]


def waiting_to_come_over(landings: Landings, *, limit: int) -> Waiting | None:
    """The latest landed work, as git draws it; None if the user already has all of it."""
    try:
        integration, row = integration_of(landings)
        tip = integration.tip()
        git = integration.repository.git
        theirs = read_ref(git, row.person_ref) if row.person_ref else None
        if tip is None or (theirs is not None and is_contained(git, tip, theirs)):
            return None
        range_ = f"{theirs}..{tip}" if theirs else tip
        drawn = git.ask("log", "--graph", "--oneline", "--no-decorate", f"--max-count={limit}", range_).out
    except SwarmError:
        return None  # the rest of the summary is still printed
    lines = drawn.decode("utf-8", "replace").splitlines()
    return Waiting(
        branch=integration.branch,
        into=branch_of(row.person_ref) if row.person_ref else None,
        graph=tuple(line.rstrip() for line in lines),
    )
