"""The results of the checks that the worker makes itself, without a process: what a snapshot of the work showed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from swarm_shared.git.snapshots.snapshot import Snapshot
from swarm_shared.git.snapshots.submodules import Secured

NAMED_PATHS = 20


def does_not_fit(made: Snapshot) -> dict[str, Any]:
    """The work was made on another commit than the task's branch, and conflicts with it."""
    assert made.saved is not None, "what conflicts is saved"
    return result(
        "built-in: the work fits onto the task's branch",
        passed=False,
        otherwise="the work was done on another commit than the task's branch and conflicts with it in "
        + listed(made.conflicts),
        output=f"The work is saved as commit {made.saved}. RunLoop on the task's branch, bring the work over with "
        f"`git cherry-pick {made.saved[:12]}`, and resolve: {listed(made.conflicts)}",
    )


def not_resolved(made: Snapshot) -> dict[str, Any]:
    return result(
        "built-in: every conflict of the merge is resolved",
        passed=False,
        otherwise=f"a merge left conflicts unresolved in {listed(made.unresolved)}",
        output="Git writes no markers into binary files, deleted files and submodules. Merge again, make each of these "
        "hold both changes (in a submodule: merge the commit that landed), and run `git add` on it:\n"
        + listed(made.unresolved),
    )


def vanished(made: Snapshot) -> dict[str, Any]:
    return result(
        "built-in: no files are missing by accident",
        passed=False,
        otherwise=f"{len(made.vanished)} files were missing without a commit that deletes them; they are back",
        output=f"{listed(made.vanished)}\nIf the task is to delete them, commit the deletion on the task's branch.",
    )


def listed(paths: Sequence[str]) -> str:
    more = len(paths) - NAMED_PATHS
    return ", ".join(paths[:NAMED_PATHS]) + (f" and {more} more" if more > 0 else "")


def not_on_a_remote(found: Sequence[Secured], changed: Collection[str]) -> list[str]:
    """What must still be pushed before anyone else can check the landed work out."""
    lines = []
    for one in found:
        outer = any(one.path == path or one.path.startswith(f"{path}/") for path in changed)
        if one.problem is not None:
            lines.append(f"{one.path}: {one.head_sha} is in this worktree alone: {one.problem}")
        elif one.unpushed and outer:
            lines.append(
                f"{one.path}: {one.head_sha[:12]} is only in the project's repository of the submodule; push it there: "
                f"git -C {one.path} push origin {one.head_sha}:refs/heads/NAME"
            )
    return lines


def result(
    name: str, *, passed: bool, output: str = "", warning: bool = False, otherwise: str | None = None
) -> dict[str, Any]:
    """A check without a process; `otherwise` says in the reason of a failure what its name says of a pass."""
    shown: dict[str, Any] = {"command": name, "passed": passed, "exit_code": None, "output": output}
    if not passed:
        shown["otherwise"] = otherwise
    return {**shown, "warning": True} if warning else shown


def warning_of(
    name: str, found: Sequence[str], fails_as: str | None = None, *, most: int = NAMED_PATHS
) -> list[dict[str, Any]]:
    """No result where nothing was found; else a warning, or with `fails_as` a failed check with that reason."""
    if not found:
        return []
    more = len(found) - most
    output = "\n".join(found[:most]) + (f"\nand {more} more" if more > 0 else "")
    return [result(name, passed=fails_as is None, output=output, warning=fails_as is None, otherwise=fails_as)]
