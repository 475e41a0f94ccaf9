"""Reviews what an attempt did with the shared stash: no stash is lost, or lands as the work of another task."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.branch_names import TASK_BRANCHES, kept_ref
from swarm_shared.git.plumbing.refs import RefMove, move_refs
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.runner import Git, split_items
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.snapshots.stash import Stashed, made_since, put_back, read_stack, stashed, take_off

_Files = Mapping[str, str]  # path to its new blob; zeros where it was deleted
_KNOWN: dict[str, tuple[Stashed, _Files]] = {}  # a commit never changes: the user's stashes are read once


class Reviewed(Struct, frozen=True, kw_only=True):
    """What was found and repaired.

    Args:
        left: Its own entries that it had left on the stack: now commits below its kept refs, and off the stack.
        lost: Its own entries that are neither on the stack nor in its work: below its kept refs too.
        taken: Entries of others that it took into its work or dropped: on the stack again, or below the kept refs of
            their task.
        gone: Entries of the user that vanished while it and others ran, and nothing says who dropped them: on the
            stack again.
    """

    left: tuple[Stashed, ...] = ()
    lost: tuple[Stashed, ...] = ()
    taken: tuple[Stashed, ...] = ()
    gone: tuple[Stashed, ...] = ()


# What the log of HEAD says where it left its branch; an unfinished rebase is on none.
_DETACHED = re.compile(r"\t(?:checkout: moving|rebase(?: -i)? \(start\))")


class StashWatch:
    """The stack at the start of an attempt, and the changes that its sessions made.

    Args:
        safe, checkout: The task's safe id and worktree.
    """

    def __init__(self, repository: Repository, safe: str, checkout: Checkout) -> None:
        self._repository, self._safe, self._checkout = repository, safe, checkout
        self._before = read_stack(repository)
        self._seen: set[str] = set()  # entries that were reported

    def review(
        self,
        base_sha: str,
        head_sha: str,
        *,
        user_changed: Callable[[Collection[str]], bool],
        is_open: Callable[[str], bool],
        alone: bool,
    ) -> Reviewed:
        """Look at the stack after sessions of which nothing is alive any more; what was reported is not found again.

        Without any use of the stash this asks no git process, or one where the stack has entries (three at first
        sight of them).

        Args:
            base_sha, head_sha: From where to where the attempt's work goes.
            user_changed: Whether any of these files changed in the user's checkout meanwhile, or its HEAD moved.
            is_open: Whether a session of the task with this safe id may be running.
            alone: No other attempt runs in this repository.
        """
        before, now = self._before, read_stack(self._repository)
        if now.marks == before.marks and not now.entries:
            return Reviewed()
        git = self._repository.git
        shas = {*before.shas, *now.shas}
        if now.marks != before.marks:
            shas |= {*made_since(self._repository, before.read_at_ns)}
        mine = _changes_between(git, base_sha, head_sha)
        left: list[Stashed] = []
        lost: list[Stashed] = []
        taken: list[Stashed] = []
        gone: list[Stashed] = []
        owners: dict[str, str | None] = {}
        for entry in self._in_order(_look_up(git, shas - self._seen)):
            owner, files, vanished = self._owner(entry), _KNOWN[entry.sha][1], entry.sha not in now.shas
            owners[entry.sha] = owner
            home = self._repository.top_level if owner is None else self._checkout.path.parent / owner
            if owner == self._safe:
                if not vanished:
                    left.append(entry)
                elif not {*files} <= {*mine}:
                    lost.append(entry)
            elif _is_in(files, mine, whole=not vanished) and not (vanished and _holds(git, home, files)):
                taken.append(entry)
            elif owner is None and entry.sha in before.shas and vanished and not user_changed(files):
                (taken if alone else gone).append(entry)
        # Also what is put back: a session that pops at this moment drops whatever is on top by then.
        _keep(git, {entry.sha: owners[entry.sha] or self._safe for entry in (*left, *lost, *taken, *gone)})
        for entry in left:
            take_off(self._repository, entry.sha)
        found = self._in_order([*taken, *gone])
        back = [entry for entry in found if (owner := owners[entry.sha]) is None or is_open(owner)]
        if back:
            put_back(self._repository, back)
        self._before = read_stack(self._repository)
        self._seen |= {entry.sha for entry in (*left, *lost, *found)}
        return Reviewed(left=tuple(left), lost=tuple(lost), taken=tuple(taken), gone=tuple(gone))

    def _in_order(self, entries: Iterable[Stashed]) -> list[Stashed]:
        """Oldest first; the stack knows it better than times in seconds do."""
        places = {entry.sha: -place for place, entry in enumerate(self._before.entries)}
        return sorted(entries, key=lambda entry: (entry.made_at, places.get(entry.sha, 1)))

    def _owner(self, entry: Stashed) -> str | None:
        """The safe id of the task whose session made it; None for the user."""
        if entry.branch is not None and entry.branch.startswith(TASK_BRANCHES):
            return entry.branch.removeprefix(TASK_BRANCHES)
        # On a branch of the agent's own, or on none: then the log of this worktree's HEAD says that it was left.
        try:
            log = (self._checkout.git_dir / "logs" / "HEAD").read_text("utf-8", "replace")
            user = (self._repository.git_dir / "HEAD").read_text("utf-8", "replace").strip()
        except OSError:
            return None
        moved = bool(_DETACHED.search(log)) if entry.branch is None else f" to {entry.branch}\n" in log
        users = not user.startswith("ref: ") if entry.branch is None else user == f"ref: refs/heads/{entry.branch}"
        return self._safe if moved and entry.parents[0] in log and not users else None


def _look_up(git: Git, shas: Collection[str]) -> tuple[Stashed, ...]:
    fresh = stashed(git, sorted(sha for sha in shas if sha not in _KNOWN))
    changes = _changes(git, fresh)
    _KNOWN.update({entry.sha: (entry, changes[entry.sha]) for entry in fresh})
    return tuple(_KNOWN[sha][0] for sha in shas if sha in _KNOWN)


def _holds(git: Git, folder: Path | None, files: _Files) -> bool:
    """Whether the files are in this folder exactly so: then the agent there has popped the entry."""
    wanted = {path: blob for path, blob in files.items() if set(blob) != {"0"}}
    if folder is None or not wanted or not all((folder / path).is_file() for path in wanted):
        return False
    # Options of git that takes paths by line; a path with a line end in it is no evidence.
    request = "".join(f"{path}\n" for path in wanted).encode("utf-8", "surrogateescape")
    inside = git.at(cwd=folder, git_dir=git.git_dir, work_tree=folder)
    answer = inside.ask("hash-object", "--stdin-paths", stdin=request, ok=(0, 128))
    return answer.out.decode().split() == [*wanted.values()]


def _is_in(stash: _Files, work: _Files, *, whole: bool) -> bool:
    """Whether what was stashed is found in some work; in parts where its entry has vanished."""
    same = [path for path, blob in stash.items() if work.get(path) == blob]
    return bool(stash) and (len(same) == len(stash) if whole else bool(same))


def _keep(git: Git, owners: Mapping[str, str]) -> None:
    moves = [RefMove(ref=kept_ref(safe, sha), new=sha, forced=True) for sha, safe in owners.items()]
    if moves:
        move_refs(git, moves, reason="swarm: a stash")


def _changes(git: Git, entries: Collection[Stashed]) -> dict[str, _Files]:
    """What each stash changes, its untracked files included; one git process for all."""
    untracked = {entry.parents[2]: entry.sha for entry in entries if len(entry.parents) > 2}
    # A commit and what is to count as its only parent; untracked files are a commit without one.
    lines = (*(f"{entry.sha} {entry.parents[0]}\n" for entry in entries), *(f"{sha}\n" for sha in untracked))
    request = "".join(lines).encode()
    found: dict[str, dict[str, str]] = {entry.sha: {} for entry in entries}
    if not entries:
        return {}
    raw = ("diff-tree", "--stdin", "-r", "--raw", "-z", "--no-renames", "--root")
    of: dict[str, str] = {}
    items = iter(split_items(git.ask(*raw, stdin=request).out))
    for item in items:
        if item.startswith(":"):
            of[next(items)] = item.split(" ")[3]
        else:
            of = found[untracked.get(item.strip(), item.strip())]
    return {sha: dict(files) for sha, files in found.items()}


def _changes_between(git: Git, base: str, head: str) -> _Files:
    items = iter(git.items("diff-tree", "-r", "--raw", "-z", "--no-renames", base, head))
    return {next(items): meta.split(" ")[3] for meta in items}
