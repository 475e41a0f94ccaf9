"""What the sessions of an attempt changed outside their worktree, in the data that all worktrees share."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.branch_names import KEPT_REFS
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.snapshots.stash import Stashed
from swarm_shared.git.snapshots.stash_review import StashWatch
from swarm_shared.git.worktrees.leaks import Leak
from swarm_shared.git.worktrees.shared_settings import SettingsGuard, changes_between, read_shared
from swarm_shared.git.worktrees.task_worktrees import TaskWorktree
from swarm_shared.processes.file_lock import try_lock
from swarm_worker.workplaces.built_in_checks import warning_of
from swarm_worker.workplaces.workplace import Beyond, Sealed

_NAMED = 10
SETTINGS_CHECK = "built-in: git's shared settings were left alone"


class SharedSettings:
    """Git's settings, exclusions, attributes and hooks, which all worktrees share, while one attempt runs."""

    def __init__(self, repository: Repository, safe: str, locks: Path) -> None:
        self._repository, self._safe = repository, safe
        self._guard = SettingsGuard(
            repository, locks.parent / "git-settings.json", is_open=lambda other: _is_locked(locks / other)
        )
        self._found = list(self._guard.enter(safe))  # what others had spoiled
        self._before = read_shared(repository)

    def review(self) -> list[str]:
        """Changes since the last review, including those that were undone."""
        changed = changes_between(self._repository.git, self._before, read_shared(self._repository))
        found = [*self._found, *changed, *self._guard.put_back()]
        self._found, self._before = [], read_shared(self._repository)
        return found

    def leave(self) -> None:
        self._guard.leave(self._safe)


class Shared(Struct, frozen=True, kw_only=True):
    """The state of what is shared as an attempt begins.

    Args:
        stashes: The stack of stashes.
        settings: Git's settings and similar changes.
        locks: The folder with the locks of the swarm's worktrees.
    """

    safe: str
    stashes: StashWatch
    locks: Path
    settings: SharedSettings

    @classmethod
    def at_opening(cls, repository: Repository, opened: TaskWorktree, locks: Path) -> Shared:
        watch = StashWatch(repository, opened.safe, opened.checkout)
        settings = SharedSettings(repository, opened.safe, locks)
        return cls(safe=opened.safe, stashes=watch, locks=locks, settings=settings)

    def review(self, sealed: Sealed, leaked: Callable[[], Leak]) -> Beyond:
        """Report and undo what was done since the last review; only if no process of any session is left.

        Args:
            leaked: What is new in the user's checkout.
        """

        def user_changed(paths: Collection[str]) -> bool:
            found = leaked()
            return found.head_moved or bool(set(paths) & set(found.paths))

        settings = self.settings.review()  # first: what follows asks git
        others = [path for path in self._locks() if path.name != self.safe]
        found = self.stashes.review(
            sealed.base_sha,
            sealed.head_sha,
            user_changed=user_changed,
            is_open=lambda safe: safe != self.safe and _is_locked(self.locks / safe),
            alone=not any(_is_locked(path) for path in others),
        )
        checks = [
            *warning_of(SETTINGS_CHECK, settings, most=_NAMED),
            *warning_of(
                "built-in: no stash was left behind",
                [f"{_shown(entry)} is not in the work; it is kept as {KEPT_REFS}{self.safe}/{entry.sha}"
                 for entry in (*found.left, *found.lost)],
                most=_NAMED,
            ),
            *warning_of(
                "built-in: the user's stashes were left alone",
                [f"{_shown(entry)} was dropped meanwhile, by this task, another one or you; it is on the stack again, "
                 f"and kept as {KEPT_REFS}{self.safe}/{entry.sha}"
                 for entry in found.gone],
                most=_NAMED,
            ),
        ]  # fmt: skip
        if not found.taken:
            return Beyond(checks=checks)
        name = "built-in: only its own stashes were used"
        taken = ", ".join(_shown(entry) for entry in found.taken[:_NAMED])
        hold = f"it took or dropped a stash that it had not pushed: {taken}. The stash was saved and put back"
        own = [f"`git stash apply {entry.sha}` brings back what you stashed." for entry in (*found.left, *found.lost)]
        checks.append({"command": name, "passed": False, "exit_code": None, "output": hold, "otherwise": hold})
        fix = (
            f"All worktrees share one `git stash` stack, and you took an entry that is not yours: {taken}. Undo the "
            "changes that came with it, and do not push or pop stashes."
        )
        return Beyond(checks=checks, hold=hold, must_fix=(fix, *own[:_NAMED]))

    def _locks(self) -> Sequence[Path]:
        try:
            return [*self.locks.iterdir()]
        except OSError:
            return []


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not try_lock(descriptor)
    finally:
        os.close(descriptor)


def _shown(entry: Stashed) -> str:
    return f"{entry.sha[:12]} ({entry.subject})"
