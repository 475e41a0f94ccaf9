"""Reads refs, and moves them only from the value that we know: compare and swap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from swarm_shared.git.plumbing.on_disk import (
    commit_on_disk,
    is_contained_on_disk,
    note_contained,
    note_present,
    ref_on_disk,
)
from swarm_shared.git.plumbing.packed_lock import remove_abandoned
from swarm_shared.git.running.git_errors import GitFailed, RefLocked, RefMoved
from swarm_shared.git.running.runner import Git, join_items

_NO = 1  # git's exit code for "no" where it answers a question
_FAILED = 128
# A user's git holds a ref's lock for milliseconds.
_LOCK_TRIES = 20
_LOCK_PAUSE_S = 0.1


class RefMove(Struct, frozen=True, kw_only=True):
    """A ref from one commit to another; None is a ref that does not exist. With `forced` wherever it was."""

    ref: str
    new: str | None
    old: str | None = None
    forced: bool = False


def read_ref(git: Git, ref: str) -> str | None:
    """The commit that a full ref name points to now; None without such a ref."""
    found = ref_on_disk(git, ref)
    if found is not None:
        return found.sha
    answer = git.ask("rev-parse", "--quiet", "--verify", f"{ref}^{{commit}}", ok=(0, _NO))
    sha = answer.out.decode().strip()
    if not sha:
        return None
    note_present(git, sha)
    return sha


def refs_below(git: Git, prefix: str) -> dict[str, str]:
    """Every ref whose name is `prefix` or below it, with its object. `prefix` ends with a slash or is a whole name."""
    out = git.ask("for-each-ref", "--format=%(objectname) %(refname)", prefix.rstrip("/")).out.decode()
    pairs = (line.split(" ", 1) for line in out.splitlines())
    return {ref: sha for sha, ref in pairs}


def move_refs(git: Git, moves: Sequence[RefMove], *, reason: str) -> None:
    """Move refs, all or none, each only if it still has its old value.

    Git ends with 128 both for a ref that moved and for a lock in the way, so the refs are read again:
    a lock is waited for a while, and a move that turns out to be done is done.

    Raises:
        RefMoved: One has another value; nothing was changed.
        RefLocked: All have their old values and still cannot be changed.
    """
    request = join_items([part for move in moves for part in _instruction(move)])
    said = ""
    for turn in range(_LOCK_TRIES):
        if turn:
            git.pause(_LOCK_PAUSE_S)
        answer = git.ask("update-ref", "-m", reason, "--stdin", "-z", stdin=request, ok=(0, 1, _FAILED))
        if answer.code == 0:
            return
        said = answer.err
        found = {move.ref: _read_any(git, move.ref) for move in moves}
        if all(found[move.ref] == move.new for move in moves):
            return
        for move in moves:
            if found[move.ref] != move.old and not move.forced:
                raise RefMoved(move.ref, expected=move.old, found=found[move.ref])
        if ".lock" not in said:
            break
        remove_abandoned(said)
    raise RefLocked(moves[0].ref, said)


def move_ref(git: Git, ref: str, *, new: str | None, old: str | None, reason: str) -> None:
    """Move one ref; as `move_refs`."""
    move_refs(git, [RefMove(ref=ref, new=new, old=old)], reason=reason)


def is_contained(git: Git, sha: str, tip: str) -> bool:
    """Whether a commit is part of the history of another (a sha or a ref).

    A commit that the repository does not have, such as one that a power failure took, is contained nowhere.

    Raises:
        GitFailed: There is no such `tip`.
    """
    if sha == tip:
        return True
    known = is_contained_on_disk(git, sha, tip)
    if known is not None:
        return known
    answer = git.ask("merge-base", "--is-ancestor", sha, tip, ok=(0, _NO, _FAILED))
    if answer.code == _FAILED:
        if has_commit(git, tip) and not has_commit(git, sha):
            return False
        raise GitFailed(("merge-base", "--is-ancestor", sha, tip), _FAILED, answer.err, git.cwd)
    if answer.code == 0:
        note_contained(sha, tip)
    return answer.code == 0


def has_commit(git: Git, name: str) -> bool:
    return (
        commit_on_disk(git, name) is not None
        or git.ask("cat-file", "-e", f"{name}^{{commit}}", ok=(0, _NO, _FAILED)).code == 0
    )


def merge_base(git: Git, one: str, other: str) -> str | None:
    """The commit from which two histories part; None when they have nothing in common."""
    if one == other or is_contained_on_disk(git, one, other):
        return one
    if is_contained_on_disk(git, other, one):
        return other
    return git.line("merge-base", one, other, ok=(0, _NO)) or None


def independent(git: Git, shas: Iterable[str]) -> tuple[str, ...]:
    """Those that no other one contains, in the given order."""
    wanted = tuple(dict.fromkeys(shas))
    if len(wanted) < 2:
        return wanted
    heads = set(git.ask("merge-base", "--independent", *wanted).out.decode().split())
    return tuple(sha for sha in wanted if sha in heads)


def tree_of(git: Git, sha: str) -> str:
    """The tree id of a commit."""
    found = commit_on_disk(git, sha)
    return found.tree if found is not None else git.line("rev-parse", "--verify", f"{sha}^{{tree}}")


def _read_any(git: Git, ref: str) -> str | None:
    answer = git.ask("rev-parse", "--quiet", "--verify", ref, ok=(0, _NO))
    return answer.out.decode().strip() or None


def _instruction(move: RefMove) -> tuple[str, ...]:
    """One line of git-update-ref(1) --stdin -z: verb and ref, then values; an empty old value is "any"."""
    if move.forced:
        assert move.new is not None, "what is there is not deleted unseen"
        return (f"update {move.ref}", move.new, "")
    if move.new is None:
        if move.old is None:
            raise ValueError(f"{move.ref}: nothing to nothing is no move")
        return (f"delete {move.ref}", move.old)
    if move.old is None:
        return (f"create {move.ref}", move.new)
    return (f"update {move.ref}", move.new, move.old)
