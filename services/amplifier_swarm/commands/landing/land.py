"""`land`: merge landed work into one of your branches."""

from __future__ import annotations

from functools import partial

import click

from amplifier_swarm.app import App, command, json_option
from amplifier_swarm.integration import integration_of
from amplifier_swarm.names import complete_branch
from amplifier_swarm.terminal import print_json, remark, say
from swarm_shared.domain.branch_names import branch_of
from swarm_shared.domain.errors import StateError
from swarm_shared.domain.models import Status
from swarm_shared.git.landing.land_into import land_into
from swarm_shared.git.merging.merging import MergeKind
from swarm_shared.plan_marks import plan_marks

NAMED_PATHS = 20


@command("land", example="land --into main", short_help="Merge landed work into one of your branches.")
@click.option(
    "--into",
    metavar="BRANCH",
    shell_complete=complete_branch,
    help="What gets it.  [default: the branch that the swarm began from]",
)
@json_option
def land(app: App, into: str | None, as_json: bool) -> None:
    """Bring everything that has landed into BRANCH, by fast-forward or by a merge commit.

    A checkout that has BRANCH is updated with it, and must have nothing uncommitted in its tracked files.
    """
    with app.open(read_only=True) as database:
        integration, row = integration_of(database.landings)
        counts = database.tasks.counts()
        if into is None and row.person_ref is None:
            raise click.UsageError("the swarm began from no branch; name one: --into BRANCH")
        branch = into or branch_of(row.person_ref or "")
        marks = partial(plan_marks, database.landings, integration.repository)
        done = land_into(integration, branch, marks=marks)
    if done.merge.kind is MergeKind.CONFLICT:
        raise StateError(
            f"{integration.branch} and {branch} are in conflict: {', '.join(done.merge.conflicts[:NAMED_PATHS])}",
            hint=f"nothing was changed; merge it yourself: git switch {branch} && git merge {integration.branch}",
        )
    if done.merge.kind is MergeKind.UNRELATED:
        raise StateError(
            f"{integration.branch} and {branch} have no commit in common",
            hint=f"nothing was changed; was {branch} created again, or its first commit amended? see: git log --graph "
            f"{branch} {integration.branch}",
        )
    if as_json:
        print_json(
            {
                "branch": done.branch,
                "kind": str(done.merge.kind),
                "old": done.merge.old,
                "new": done.merge.new,
                "checkout": None if done.checkout is None else str(done.checkout),
            }
        )
        return
    if done.merge.kind is MergeKind.CONTAINED:
        say(f"{branch} has it all already")
    else:
        say(f"{branch} is at {(done.merge.new or '')[:12]} now, with all that has landed")
    left = sum(counts.get(status, (0, 0.0))[0] for status in (Status.APPROVED, Status.LANDING))
    if left:
        remark(f"{left} more passed and wait to land")
