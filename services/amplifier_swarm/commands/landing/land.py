"""`land`: merge landed work into one of your branches."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.names import complete_branch
from amplifier_swarm.output.terminal import notice, print_json, say
from swarm_shared.domain.models import Status
from swarm_shared.git.merging.merging import MergeKind
from swarm_shared.merge_back.landing import in_words
from swarm_shared.merge_back.landing import land as land_into_branch
from swarm_shared.merge_back.preview import preview
from swarm_shared.merge_back.repository import integration_of

_HOW = {
    MergeKind.FAST_FORWARD: "fast-forward",
    MergeKind.MERGED: "a merge commit",
    MergeKind.CONTAINED: "nothing to do: it has all landed work already",
    MergeKind.CONFLICT: "not possible: conflicts",
    MergeKind.UNRELATED: "not possible: no commit in common",
}
_SHORT = 12


@command(
    "land",
    example="land --into main\nland --into main --dry-run",
    short_help="Merge landed work into one of your branches.",
)
@click.option(
    "--into",
    metavar="BRANCH",
    shell_complete=complete_branch,
    help="The branch to update.  [default: the branch that the swarm began from]",
)
@click.option("--dry-run", is_flag=True, help="Show commits and files; change nothing.  [default: off]")
@json_option
def land(app: App, into: str | None, dry_run: bool, as_json: bool) -> None:
    """Bring all landed work into BRANCH, by fast-forward or by a merge commit.

    If BRANCH is checked out, that checkout is updated too; its tracked files must have no uncommitted changes.
    """
    with app.open(read_only=True) as database:
        _, row = integration_of(database.landings)
        counts = database.tasks.counts()
        if into is None and row.person_ref is None:
            raise click.UsageError("the swarm began from no branch; name one: --into BRANCH")
        branch = into or str(row.person_branch)
        if dry_run:
            found = preview(database, branch)
            if as_json:
                print_json(found)
            else:
                for line in _lines(found):
                    say(line)
            return
        done = land_into_branch(database, branch)
    undo = done.undo_command()
    if as_json:
        print_json(
            {
                "branch": done.branch,
                "kind": str(done.merge.kind),
                "old": done.merge.old,
                "new": done.merge.new,
                "checkout": None if done.checkout is None else str(done.checkout),
                "undo": undo,
            }
        )
        return
    say(in_words(done))
    if undo is not None:
        notice(f"to undo it: {undo}")
    left = sum(counts.get(status, (0, 0.0))[0] for status in (Status.APPROVED, Status.LANDING))
    if left:
        notice(f"{left} more passed and wait to land")


def _lines(found: dict[str, Any]) -> Iterator[str]:
    """The preview as text."""
    yield f"{found['landed']} ({found['tip'][:_SHORT]}) into {found['branch']} ({found['into'][:_SHORT]})"
    yield f"how: {_HOW[MergeKind(found['kind'])]}"
    if found["checkout"]:
        yield f"checkout: {found['checkout']} is updated with it"
    if found["refusal"]:
        yield f"it would be refused: {found['refusal']['message']}"
    if found["commit_count"]:
        yield f"{_count(found['commit_count'], 'commit')}, newest first, with those of tasks inside their landing:"
        yield from (f"  {each['commit'][:_SHORT]} {each['title']}" for each in found["commits"])
    if found["file_count"]:
        yield f"{_count(found['file_count'], 'file')}, +{found['added']} -{found['deleted']}:"
        yield from (f"  {_file(each)}" for each in found["files"])
        if found["file_count"] > len(found["files"]):
            yield f"  and {found['file_count'] - len(found['files'])} more"
    for each in found["not_included"]:
        more = each["count"] - len(each["ids"])
        named = ", ".join(shlex.quote(task_id) for task_id in each["ids"]) + (f" and {more} more" if more > 0 else "")
        yield f"not included: {each['count']} {each['what']}: {named}"


def _file(each: dict[str, Any]) -> str:
    lines = "binary" if each["added"] is None else f"+{each['added']} -{each['deleted']}"
    name = each["path"] if each["old_path"] is None else f"{each['old_path']} → {each['path']}"
    return f"{each['change']} {name} {lines}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
