"""Errors of git and repositories, each kind with advice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from swarm_shared.domain.errors import ConfigError, SwarmError


class GitUnusable(ConfigError):
    """Git is missing, too old, or refuses this repository as a whole; found before anything starts."""


class GitError(SwarmError):
    """The repository is in a state in which this cannot be done."""

    exit_code = 6


class GitFailed(GitError):
    """A git command ended with an exit code that its caller did not expect.

    Args:
        arguments: The command after ``git``.
        code: Its exit code; negative for a signal.
        said: Its standard error.
    """

    def __init__(self, arguments: Sequence[str], code: int, said: str, where: Path) -> None:
        words = said.strip() or (f"it was killed by signal {-code}" if code < 0 else f"exit code {code}")
        super().__init__(f"git {_verb(arguments)} failed in {where}: {words}", hint=_advice(said))
        self.arguments = tuple(arguments)
        self.code = code
        self.said = said


def says_something(error: SwarmError) -> bool:
    """Whether git reported a cause; one that was killed from outside, such as for its memory, did not."""
    return not (isinstance(error, GitFailed) and error.code < 0 and not error.said.strip())


class UnrelatedHistories(GitFailed):
    """Two commits that were to be merged have no commit in common."""


class GitTimeout(GitError):
    """A git command did not end in its time and was killed, with what it had started."""

    def __init__(self, arguments: Sequence[str], timeout_s: float, where: Path) -> None:
        super().__init__(
            f"git {_verb(arguments)} did not end within {timeout_s:g} s in {where}",
            hint="is the disk slow or full, or does a filter or a fetch on demand wait for the network?",
        )
        self.timeout_s = timeout_s


class RefMoved(GitError):
    """A ref no longer has the value that a change was built on; nothing was changed.

    `found` is its value now, None when it does not exist.
    """

    def __init__(self, ref: str, *, expected: str | None, found: str | None) -> None:
        super().__init__(
            f"{ref} is at {found or 'no commit'}, not at {expected or 'no commit'}: it was moved",
            hint=f"see: git reflog {quote(ref)}",
        )
        self.ref = ref
        self.expected = expected
        self.found = found


class RefLocked(GitError):
    """A ref has the expected value and still cannot be changed: a lock is left, or the folder is read-only."""

    def __init__(self, ref: str, said: str) -> None:
        super().__init__(
            f"{ref} cannot be changed: {said.strip()}",
            hint="when no git command is running, delete the .lock file that it names",
        )
        self.ref = ref


class BranchInUse(GitError):
    """A branch that we would move is checked out, where its files would then look changed."""

    def __init__(self, branch: str, at: Path) -> None:
        super().__init__(
            f"branch {branch} is checked out in {at}",
            hint=f"switch that checkout to another branch: git -C {quote(str(at))} switch --detach",
        )
        self.branch = branch
        self.at = at


class DirtyCheckout(GitError):
    """A checkout that would have to be updated has changes that are not committed, or an unfinished operation."""

    def __init__(
        self,
        at: Path,
        paths: Sequence[str],
        why: str = "has changes that are not committed",
        *,
        hint: str = "commit or stash them there, then try again",
    ) -> None:
        named = ", ".join(paths[:5]) + (" …" if len(paths) > 5 else "")
        super().__init__(f"{at} {why}" + (f": {named}" if named else ""), hint=hint)
        self.at = at
        self.paths = tuple(paths)


class RepositoryBusy(GitError):
    """Another swarm process held the repository's lock for too long."""


def _verb(arguments: Sequence[str]) -> str:
    """Enough to know the command by, without paths and messages."""
    return " ".join(arguments[:2] if arguments[0] == "worktree" else arguments[:1])


_ADVICE = (
    ("No space left", "free some disk space"),
    ("Permission denied", "check who owns the files of the repository"),
    (".lock': File exists", "another git is running here; when none is, delete the .lock file that it names"),
    ("bad object", "the repository lacks an object: git fsck"),
    ("is corrupt", "the repository is damaged: git fsck"),
    ("unrelated histories", "the two branches have no common commit"),
    ("bad config", "correct that line of the file"),
    ("filter", "a filter of .gitattributes failed; run `git checkout` there yourself"),
)


def _advice(said: str) -> str:
    trusted = re.search(r"safe\.directory (.+)$", said, re.MULTILINE)
    if "dubious ownership" in said and trusted is not None:
        return f"if you trust it: git config --global --add safe.directory {trusted[1]}"
    for sign, advice in _ADVICE:
        if sign in said:
            return advice
    return "run the command there yourself"
