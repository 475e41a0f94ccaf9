"""Why work cannot land as it is, in words for its agent, with the tasks and commits that it conflicts with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from swarm_shared.domain.models import FailureClass
from swarm_shared.git.landing.between import Landed
from swarm_shared.git.merging.merging import Merge
from swarm_shared.store.queue.policy import AttemptResult
from swarm_worker.session.steps import failed

NAMED_PATHS = 20
OUTPUT_CHARS = 200


class Refused(Exception):
    """The work cannot land as it is.

    `raced` says that its attempt had merged all that it was given: another landing was quicker. Such a refusal does
    not count against the limit.
    """

    def __init__(
        self,
        reason: str,
        *,
        must_fix: tuple[str, ...],
        checks: Sequence[dict[str, Any]] = (),
        between: Sequence[Landed] = (),
        raced: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason, self.must_fix, self.checks, self.raced = reason, must_fix, checks, raced
        self.between = between

    def result(self, so_far: AttemptResult) -> AttemptResult:
        return replace(
            failed(so_far, FailureClass.QUALITY, self.reason),
            must_fix=self.must_fix,
            check_results=list(self.checks) or None,
            raced=self.raced,
            landed_between=tuple((landed.task_id, landed.commit) for landed in self.between),
        )


def conflict(merge: Merge, into: str, *, between: Sequence[Landed], raced: bool) -> Refused:
    return Refused(
        f"conflict in {named(merge.conflicts)}{_with(between)}",
        must_fix=(
            f"Run `git merge {into}` here and resolve it so that both hold: {named(merge.conflicts)}",
            *merge.notes[:NAMED_PATHS],
        ),
        between=between,
        raced=raced,
    )


def failing(checks: Sequence[dict[str, Any]], into: str, *, between: Sequence[Landed], raced: bool) -> Refused:
    """Its merge is clean, and a command fails on the merged result."""
    failing = [check for check in checks if not check["passed"]]
    commands = ", ".join(check["command"] for check in failing)
    merged = f"merged into {into}{_with(between)}"
    return Refused(
        f"{merged}, this fails: {commands}{last_line(failing[0])}",
        must_fix=(f"Make it work with the landed work (branch {into}).",),
        checks=checks,
        between=between,
        raced=raced,
    )


def reverts(paths: Sequence[str], into: str, *, between: Sequence[Landed]) -> Refused:
    return Refused(
        f"landing it would change files that its own work does not: {named(paths)}{_with(between)}",
        must_fix=(f"Keep the changes of other tasks as they are on {into}: {named(paths)}",),
        between=between,
    )


def unrelated(into: str) -> Refused:
    return Refused(
        f"its branch has no commit in common with {into}",
        must_fix=(f"Move your work onto {into}: the history of this branch no longer begins with the same commit.",),
    )


def last_line(check: dict[str, Any]) -> str:
    """The last line that a failing command printed, to be shown after its name."""
    lines = str(check.get("output") or "").rstrip().splitlines()
    return f" ({lines[-1].strip()[:OUTPUT_CHARS]})" if lines and lines[-1].strip() else ""


def named(paths: Sequence[str]) -> str:
    more = len(paths) - NAMED_PATHS
    return ", ".join(paths[:NAMED_PATHS]) + (f" and {more} more" if more > 0 else "")


def _with(between: Sequence[Landed]) -> str:
    return f" with {', '.join(map(str, between))}, landed meanwhile" if between else ""
