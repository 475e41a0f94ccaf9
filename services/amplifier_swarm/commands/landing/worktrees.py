"""`worktrees`: list the worktrees and branches of tasks, and remove those whose work has landed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.commands.landing.cleanup import Cleanup
from amplifier_swarm.output.terminal import notice, print_json, say, table
from swarm_shared.agents.launching.environment import inherited
from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.domain.branch_names import task_branch, task_ref
from swarm_shared.domain.errors import NotFound
from swarm_shared.domain.models import GROUP_OF, Group, TaskSpec
from swarm_shared.domain.runners import NOT_CONFINING
from swarm_shared.git.landing.prune import prune
from swarm_shared.git.plumbing.refs import read_ref
from swarm_shared.git.worktrees.disk_use import disk_use, size_of
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees
from swarm_shared.merge_back.repository import integration_of

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase
    from swarm_shared.git.landing.following import Integration
    from swarm_shared.settings.settings import Settings
    from swarm_shared.store.queue.landings import NamedTask

_MAY_GO = frozenset({Group.COMPLETED, Group.FAILED, Group.HELD, Group.CANCELLED})


@command(
    "worktrees",
    example="worktrees\nworktrees prune\nworktrees prune --discard 2.6.1.a",
    short_help="List the tasks' worktrees; remove landed ones.",
)
@click.argument("action", required=False, type=click.Choice(["prune"]))
@click.option(
    "--discard",
    "discarded",
    metavar="ID",
    multiple=True,
    help="Also remove the worktree of this task, landed or not.  [default: none]",
)
@json_option
def worktrees(app: App, action: str | None, discarded: tuple[str, ...], as_json: bool) -> None:
    """List the worktrees of tasks. `prune` removes the worktree and branch of every task whose commits have landed.

    It also removes worktrees that were cleaned for the next tasks. Work that is not on the integration branch is only
    removed if you name its task with --discard. Before a worktree is removed, the commands under `cleanup` in
    swarm.yaml run in it; if one fails, the worktree is kept unless you discard it.
    """
    if discarded and action is None:
        raise click.UsageError("--discard belongs to `worktrees prune`")
    with app.open(read_only=True) as database:
        integration, _ = integration_of(database.landings)
        root = database.path.with_name(database.path.name + ".swarm") / "worktrees"
        trees = TaskWorktrees(integration.repository, root)
        if action is None:
            _list(database, integration, trees, as_json=as_json)
        else:
            _prune(database, integration, trees, discarded, settings=app.settings(), as_json=as_json)


def _list(database: TaskDatabase, integration: Integration, trees: TaskWorktrees, *, as_json: bool) -> None:
    rows = [_row(named, integration, trees) for named in database.landings.named()]
    spares = trees.spares.paths()
    if as_json:
        sizes = {str(path): size_of(path) for path in spares}
        print_json({"worktrees": rows, "spares": [*sizes], "spare_bytes": sizes})
        return
    shown = [[r["id"], r["status"], r["branch"], _mib(r["size_bytes"]), r["path"]] for r in rows]
    table(("task", "status", "branch", "size", "worktree"), shown)
    used = disk_use(trees.root.parent)
    if spares:
        what = "clean worktree is" if len(spares) == 1 else "clean worktrees are"
        notice(f"{len(spares)} {what} kept for the next tasks, in {trees.spares.root}")
    if used.size_bytes:
        notice(f"{_mib(used.size_bytes)} on the disk in total")


def _mib(size_bytes: object) -> str | None:
    return f"{size_bytes / 1024 / 1024:.1f} MiB" if isinstance(size_bytes, int) else None


def _row(named: NamedTask, integration: Integration, trees: TaskWorktrees) -> dict[str, str | int | None]:
    there = trees.find(named.safe) is not None
    branch = read_ref(integration.repository.git, task_ref(named.safe)) is not None
    return {
        "id": named.task_id,
        "status": str(named.status),
        "branch": task_branch(named.safe) if branch else None,
        "path": str(trees.path_of(named.safe)) if there else None,
        "size_bytes": size_of(trees.path_of(named.safe)) if there else None,
    }


def _prune(
    database: TaskDatabase,
    integration: Integration,
    trees: TaskWorktrees,
    discarded: tuple[str, ...],
    *,
    settings: Settings,
    as_json: bool,
) -> None:
    named = database.landings.named()
    names = {each.task_id: each.safe for each in named}
    for task_id in discarded:
        if task_id not in names:
            raise NotFound(f"task {task_id!r} has no worktree", hint="amplifier-swarm worktrees lists them")
    busy = {each.safe for each in named if GROUP_OF[each.status] not in _MAY_GO}
    tasks = {each.safe: each.task_id for each in named}
    environ = inherited(os.environ, load_presets(settings.agent_clis))
    cleaner = Cleanup(settings.cleanup, limit_s=settings.check_timeout_s, environ=environ)

    def cleanup(safe: str, cwd: Path) -> str | None:
        failure = cleaner.run(_spec(database, tasks.get(safe), safe), cwd)
        if failure is not None:
            notice(f"{tasks.get(safe, safe)}: {failure}")
        return failure

    trees = trees.of(trees.repository.wary(settings.runner not in NOT_CONFINING))
    forced = {names[task_id] for task_id in discarded}
    pruned = prune(trees, integration, busy=busy, forced=forced, cleanup=cleanup)
    trees.spares.tidy(0)
    if as_json:
        print_json(
            {"pruned": [{"id": tasks.get(p.safe), "name": p.safe, "kept_because": p.kept_because} for p in pruned]}
        )
        return
    gone = [p for p in pruned if p.kept_because is None]
    for kept in pruned:
        if kept.kept_because is not None:
            say(f"{tasks.get(kept.safe, kept.safe)} stays: {kept.kept_because}")
    notice(f"{len(gone)} removed, {len(pruned) - len(gone)} kept")


def _spec(database: TaskDatabase, task_id: str | None, safe: str) -> TaskSpec:
    """The task that the worktree belonged to; if the queue was cleared, only its name is left."""
    if task_id is None:
        return TaskSpec(id=safe, name=safe)
    return database.tasks.spec(database.tasks.get(task_id)["seq"])
