"""Moves the agent's own work in a worktree, relative to the commit that HEAD is on, onto the task's branch.

An agent may leave any commit checked out: an older one to look at, a branch of the user's, the middle of a bisect or a
rebase. Its files are then that commit with the agent's edits, and not the task's branch with all newer files deleted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.domain.branch_names import TASK_BRANCHES, branch_of
from swarm_shared.git.merging.merging import MergedTree, merge_tree
from swarm_shared.git.merging.reverted import restore_reverted
from swarm_shared.git.plumbing.commits import commit_tree
from swarm_shared.git.plumbing.diffs import changed_paths
from swarm_shared.git.plumbing.refs import has_commit, independent, is_contained, merge_base, read_ref, tree_of
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.snapshots.unresolved import unresolved

# What git writes into the log of a HEAD when it makes a commit there, and not when it only moves to one.
_MADE = re.compile(
    r"(?:commit|cherry-pick|revert|merge|am|pull|rebase)\b(?!.*Fast-forward)(?! \((?:start|finish|abort)\))"
)

_VISITED_MOST = 20  # each costs three git processes, and only where an agent left an unrelated history


class OwnWork(Struct, frozen=True, kw_only=True):
    """The agent's work as a commit.

    Args:
        head_sha: The commit to put the task's branch on; the present one when there is nothing new, or a conflict.
        tree: Its files.
        parents: The commits that it was made from; itself when no commit was made.
        base_sha: The newest commit of the integration branch that it contains.
        conflicts: The paths in which the work does not fit onto the task's branch.
        saved: Commits of the agent that are not part of its history; with conflicts the first one has the work.
        restored: Files of others that its own history claims and its files lacked.
        unresolved: Conflicts of a merge that the agent left as they were; its history claims no such merge then.
    """

    head_sha: str
    tree: str
    parents: tuple[str, ...]
    base_sha: str = ""
    conflicts: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()


class Bringer:
    """Brings the files of one worktree onto the line of commits of its task.

    Args:
        branch: The task's branch.
        line: The commit that it is on.
        trunk: The newest known commit of the integration branch.
        message: For the commits that are made.
        unmerged: The paths that an unfinished merge has in conflict.
    """

    def __init__(
        self, checkout: Checkout, branch: str, *, line: str, trunk: str, message: str, unmerged: tuple[str, ...] = ()
    ) -> None:
        self._checkout, self._git, self._branch = checkout, checkout.git, branch
        self._line, self._trunk, self._message, self._unmerged = line, trunk, message, unmerged
        self._start = checkout.start()

    def bring(self, tree: str, *, head: str | None) -> OwnWork:
        """The work in files that were checked out from `head`; None for an orphan branch without a commit."""
        if head is None:
            return self._checked(self._unrelated(tree, head=None))
        merging = self._checkout.merge_heads()
        if merging and tree == tree_of(self._git, head):
            # The merge was begun and its files then put back. Calling it merged would make landing revert all
            # that it brought.
            merging = ()
        made = self._from_line if head == self._line else self._from_elsewhere
        return self._checked(made(tree, head=head, merging=merging))

    def _checked(self, work: OwnWork) -> OwnWork:
        """The work on the history of the integration branch, with everything that its own history claims."""
        git, start = self._git, self._start
        if start is not None and work.head_sha == start.sha:
            return replace(work, base_sha=start.base_sha)
        base = merge_base(git, work.head_sha, self._trunk)
        if base is None:
            # The branch itself was moved onto an unrelated history.
            head, self._line = work.head_sha, self._trunk if start is None else start.sha
            return self._checked(self._unrelated(work.tree, head=head))
        work = replace(work, base_sha=base)
        if start is None or base == start.base_sha or not has_commit(git, start.sha):
            return work
        known = merge_base(git, start.sha, base)
        if known is None or known == base:
            return work  # it took in nothing
        left = unresolved(self._checkout, unmerged=self._unmerged, known=known, base=base, head=work.head_sha)
        if left:
            # It says that it merged what it has not: without that parent the conflict comes up again at landing. The
            # start is no parent where the agent has dropped some of its history: that would delete what is dropped.
            parent = start.sha if known == start.base_sha else known
            made = commit_tree(git, work.tree, parents=(parent,), message=self._message)
            saved = (*work.saved, work.head_sha)
            return replace(work, head_sha=made, base_sha=known, saved=saved, unresolved=left)
        found = restore_reverted(
            git,
            head=work.head_sha,
            start=start.sha,
            known=known,
            base=base,
            message=self._message,
            scratch=self._checkout.git_dir,
        )
        if found is None:
            return work
        return replace(work, head_sha=found.head_sha, tree=found.tree, restored=found.paths)

    def _from_line(self, tree: str, *, head: str, merging: tuple[str, ...]) -> OwnWork:
        """The files were made from the branch itself, or from a commit of the agent's own on top of it."""
        return self._committed(tree, independent(self._git, (self._line, head, *merging)))

    def _from_elsewhere(self, tree: str, *, head: str, merging: tuple[str, ...]) -> OwnWork:
        """The files were made from a commit that is not the task's branch."""
        git, line = self._git, self._line
        own = self._own_commits(head)
        floor = _floor(head, own)
        if floor == line:
            return self._from_line(tree, head=head, merging=merging)
        if floor is None:
            return self._unrelated(tree, head=head)
        if not is_contained(git, floor, self._trunk) and not is_contained(git, floor, line):
            # Others' commits that have not landed: only what was done on top of them is this task's.
            return self._onto_line(tree, base=floor, beside=(head,) if head in own else ())
        work = self._committed(tree, (head, *merging))
        if is_contained(git, line, work.head_sha):
            return work
        merged = merge_tree(git, line, work.head_sha)
        return self._taken(merged, independent(git, (line, head, *merging)), saved=(work.head_sha,))

    def _unrelated(self, tree: str, *, head: str | None) -> OwnWork:
        """The files come from an unrelated history, such as an orphan branch or an amended first commit.

        They are an edit of what they are most like: the task's branch, a commit that was checked out before (an
        orphan branch begins with the files of one), its first commit, or no files at all.
        """
        git, line = self._git, self._line
        beside = () if head is None else (head,)
        visited = self._visited()
        bases = (line, *visited, *git.ask("rev-list", "--max-parents=0", line).out.decode().split())
        edits = [len(changed_paths(git, base, tree)) for base in bases]
        nearest = bases[edits.index(min(edits))]
        if min(edits) > len(git.items("ls-tree", "-r", "-z", "--name-only", tree)):
            return self._onto_line(tree, base=None, beside=beside)
        if nearest == line:
            return self._committed(tree, (line, *beside))
        if nearest in visited:
            work = self._from_elsewhere(tree, head=nearest, merging=())
            return replace(work, saved=(*work.saved, *beside))
        return self._onto_line(tree, base=nearest, beside=beside)

    def _onto_line(self, tree: str, *, base: str | None, beside: tuple[str, ...]) -> OwnWork:
        """The difference between a base and the files, merged into the branch, which gets no history of the base."""
        git = self._git
        parents = () if base is None else (base,)
        work = commit_tree(git, tree, parents=parents, message=self._message)
        ours = commit_tree(git, tree_of(git, self._line), parents=parents, message=self._message)
        return self._taken(merge_tree(git, ours, work, unrelated=base is None), (self._line,), saved=(work, *beside))

    def _taken(self, merged: MergedTree, parents: tuple[str, ...], *, saved: tuple[str, ...]) -> OwnWork:
        line = self._line
        if merged.clean:
            return replace(self._committed(merged.tree, parents), saved=saved[1:])
        return OwnWork(
            head_sha=line, tree=tree_of(self._git, line), parents=(line,), conflicts=merged.conflicts, saved=saved
        )

    def _committed(self, tree: str, parents: tuple[str, ...]) -> OwnWork:
        if len(parents) == 1 and tree_of(self._git, parents[0]) == tree:
            return OwnWork(head_sha=parents[0], tree=tree, parents=parents)
        made = commit_tree(self._git, tree, parents=parents, message=self._message)
        return OwnWork(head_sha=made, tree=tree, parents=parents)

    def _own_commits(self, head: str) -> dict[str, str | None]:
        """The commits of this worktree's agents below a HEAD, each with its first parent."""
        git = self._git
        known = [self._line, self._trunk]
        person = read_ref(git.at(cwd=git.cwd, git_dir=_common_dir(self._checkout), work_tree=None), "HEAD")
        if person is not None:
            known.append(person)
        if self._start is not None and has_commit(git, self._start.sha):
            known.append(self._start.sha)
        listed = git.ask(
            *("rev-list", "--parents", "--timestamp", head, "--not", *known, "--remotes"),
            *(f"--exclude={branch_of(self._branch)}", f"--branches={TASK_BRANCHES}*"),
        )
        made = self._made_here()
        own: dict[str, str | None] = {}
        for line in listed.out.decode().splitlines():
            moment, sha, *parents = line.split()
            if self._start is None or int(moment) >= self._start.at_s or sha in made:
                own[sha] = parents[0] if parents else None
        return own

    def _made_here(self) -> frozenset[str]:
        """Commits that the log of this worktree's HEAD names as made in it, whatever their dates say."""
        return frozenset(sha for sha, text in self._checkout.head_log() if _MADE.match(text))

    def _visited(self) -> tuple[str, ...]:
        """The commits that HEAD was on last and that share history with the integration branch, newest first."""
        found = dict.fromkeys(sha for sha, _ in reversed(self._checkout.head_log()) if sha != self._line)
        last = tuple(found)[:_VISITED_MOST]
        return tuple(
            sha for sha in last if has_commit(self._git, sha) and merge_base(self._git, sha, self._trunk) is not None
        )


def _floor(head: str, own: Mapping[str, str | None]) -> str | None:
    """The commit that the agent's own commits below a HEAD were made on; None if they have no parent."""
    at: str | None = head
    while at is not None and at in own:
        at = own[at]
    return at


def _common_dir(checkout: Checkout) -> Path:
    return checkout.git_dir if checkout.adrift else checkout.git_dir.parents[1]
