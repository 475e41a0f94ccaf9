"""Names that users type: tasks, phases, workers, branches, problems and agent CLIs.

Shell completion, and errors that suggest a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amplifier_swarm.command_line.app import App
from swarm_shared.domain.errors import NotFound, SwarmError
from swarm_shared.program.nearest import suggestion

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

MAX_OFFERED = 200
OWN_BRANCHES = "swarm/"  # the swarm writes these; `land` is for yours
_Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def check_phase(database: TaskDatabase, phase: str | None) -> None:
    """Refuse a phase that no task has: it is a typing error, and nothing would match.

    Raises:
        NotFound: No task has this phase.
    """
    if phase is None or database.tasks.page(phase=phase, limit=1)[1]:
        return
    phases = database.tasks.phases(limit=MAX_OFFERED)
    raise NotFound(f"no task has the phase '{phase}'", hint=suggestion(phase, phases, "phases are"))


def _from_database(names: Callable[[TaskDatabase, str], Iterable[str]]) -> _Complete:
    """Completion from the database; offers nothing without a usable one."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        try:
            with ctx.ensure_object(App).open(read_only=True) as database:
                return [name for name in names(database, incomplete) if name.startswith(incomplete)]
        except SwarmError:
            return []

    return complete


complete_task = _from_database(lambda database, typed: database.tasks.ids_from(typed, limit=MAX_OFFERED))
complete_phase = _from_database(lambda database, _: database.tasks.phases(limit=MAX_OFFERED))
complete_worker = _from_database(lambda database, _: [row["worker_id"] for row in database.workers.shown()])


complete_problem = _from_database(
    lambda database, _: [group["fingerprint"] for group in database.failures.groups(MAX_OFFERED)]
)


def complete_agent_cli(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The agent CLIs of the suite, and those of swarm.yaml."""
    from swarm_shared.agents.presets.catalog import load_presets

    try:
        known = load_presets(ctx.ensure_object(App).settings().agent_clis)
    except SwarmError:
        return []
    return sorted(name for name in known if name.startswith(incomplete))


def complete_branch(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Your local branches of the repository around the current folder, without the swarm's own."""
    from swarm_shared.git.running.runner import Git

    try:
        out = Git(cwd=Path.cwd()).ask("for-each-ref", "--format=%(refname:short)", "refs/heads").out
    except (SwarmError, OSError):
        return []
    names = out.decode("utf-8", "replace").splitlines()
    return [name for name in names if name.startswith(incomplete) and not name.startswith(OWN_BRANCHES)]
