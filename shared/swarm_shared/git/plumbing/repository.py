"""The repository that a project root belongs to, found before anything starts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from swarm_shared.domain.branch_names import HEADS, TASK_BRANCHES, branch_of
from swarm_shared.git.plumbing.refs import read_ref, refs_below
from swarm_shared.git.running.git_errors import GitError, GitFailed, GitUnusable
from swarm_shared.git.running.runner import Git

MIN_VERSION = (2, 38)  # merge-tree --write-tree
_NONE_HERE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository with the checkout that the user works in.

    Args:
        common_dir: The git directory that all its worktrees share.
        git_dir: The git directory of the user's checkout: `common_dir`, or its own for a linked worktree.
        top_level: The top folder of that checkout; None for a bare repository.
        prefix: Where the project root is below it, such as ``services/api``; empty for the top itself.
        object_format: ``sha1`` or ``sha256``.
        head_ref: What HEAD names, such as ``refs/heads/main``; None when it is detached.
        head_sha: Its commit; None before the first one.
        git: Git for refs and objects; it belongs to no checkout.
    """

    common_dir: Path
    git_dir: Path
    top_level: Path | None
    prefix: str
    object_format: str
    head_ref: str | None
    head_sha: str | None
    git: Git = field(repr=False, compare=False)

    @classmethod
    def find(cls, project_root: Path, *, git: Git | None = None) -> Repository | None:
        """The repository of a folder, or None when it is in none.

        Raises:
            GitUnusable: Git is missing or older than 2.38, it refuses the repository (another user's, or damaged), or
                the repository's settings lead away from this folder.
        """
        here = (git or Git(cwd=project_root)).at(cwd=project_root, git_dir=None, work_tree=None)
        _require_version(here)
        answer = here.ask(
            *("rev-parse", "--is-bare-repository", "--is-inside-work-tree", "--show-object-format"),
            ok=(0, _NONE_HERE),
        )
        if answer.code:
            if "not a git repository" in answer.err:
                return None  # `unreadable.missing` finds out whether there should be one
            failure = GitFailed(("rev-parse",), answer.code, answer.err, project_root)
            raise GitUnusable(failure.message, hint=failure.hint)
        bare, inside, object_format = answer.out.decode().split()
        if bare == "false" and inside == "false":
            _refuse_other_files(here, project_root)
            return None  # the inside of a .git directory is no project
        common_dir = Path(here.line("rev-parse", "--path-format=absolute", "--git-common-dir"))
        git_dir = Path(here.line("rev-parse", "--path-format=absolute", "--git-dir"))
        with_files = inside == "true"
        elsewhere = here.at(cwd=common_dir, git_dir=common_dir, work_tree=None)
        return cls(
            common_dir=common_dir,
            git_dir=git_dir,
            top_level=Path(here.line("rev-parse", "--show-toplevel")) if with_files else None,
            prefix=here.line("rev-parse", "--show-prefix").rstrip("/") if with_files else "",
            object_format=object_format,
            head_ref=here.line("symbolic-ref", "--quiet", "HEAD", ok=(0, 1)) or None,
            head_sha=read_ref(here, "HEAD"),
            git=elsewhere,
        )

    def holding(self, descriptor: int) -> Repository:
        """The same repository, whose git keeps this descriptor open until it ends, even if we die before."""
        return replace(self, git=self.git.holding(descriptor))

    def wary(self, wary: bool) -> Repository:
        """The same repository, whose git is wary of settings that agents have written, or is not."""
        return replace(self, git=replace(self.git, wary=wary))

    @property
    def bare(self) -> bool:
        return self.top_level is None

    @property
    def head_branch(self) -> str | None:
        """``main``; None when HEAD is detached."""
        return None if self.head_ref is None else branch_of(self.head_ref)

    def obstacle(self) -> str | None:
        """Why tasks cannot have worktrees of this repository; None when they can."""
        if self.head_sha is None:
            return "the repository has no commit yet; make a first one"
        if self.prefix and not self._has_folder(self.head_sha, self.prefix):
            return f"the folder {self.prefix} is not part of the last commit, so a worktree would not have it"
        taken = self.branches_in_the_way()
        if taken:
            return f"branch {taken[0]} is in the way of the branches swarm/…; rename it: git branch -m {taken[0]} NEW"
        return None

    def branches_in_the_way(self) -> tuple[str, ...]:
        """Branches that leave no room for those of tasks: to git a name is either a branch or a folder of branches."""
        found = [branch_of(ref) for ref in refs_below(self.git, HEADS + "swarm")]
        return tuple(name for name in found if TASK_BRANCHES.startswith(name + "/"))

    def ref_for(self, branch: str) -> str:
        """The full ref of a branch that the user named.

        Raises:
            GitError: Git does not allow such a name.
        """
        answer = self.git.ask("check-ref-format", "--branch", branch, ok=(0, 1, 128))
        # It also takes words for branches, such as @{-1}, and resolves them.
        if answer.code or os.fsdecode(answer.out).removesuffix("\n") != branch or branch == "HEAD":
            raise GitError(f"{branch!r} cannot be the name of a branch", hint="see git check-ref-format --help")
        return HEADS + branch

    def _has_folder(self, sha: str, folder: str) -> bool:
        answer = self.git.ask("cat-file", "-t", f"{sha}:{folder}", ok=(0, 128))
        return answer.out.strip() == b"tree"


def _refuse_other_files(git: Git, project_root: Path) -> None:
    git_dir = Path(git.line("rev-parse", "--absolute-git-dir"))
    if not project_root.resolve().is_relative_to(git_dir.resolve()):
        config = git_dir / "config"
        raise GitUnusable(
            f"core.worktree in {config} leads away from {project_root}",
            hint=f"git config --file '{config}' --unset core.worktree",
        )


def _require_version(git: Git) -> None:
    said = os.fsdecode(git.ask("version").out).strip()
    numbers = re.search(r"(\d+)\.(\d+)", said)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < MIN_VERSION:
        raise GitUnusable(f"{said} is too old", hint="worktrees per task need git 2.38 or newer; or --isolation none")
