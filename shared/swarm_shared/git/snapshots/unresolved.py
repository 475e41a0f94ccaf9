"""Conflicts that an agent did not resolve and that its files do not show.

Git writes markers into a text file. For a binary file, a file that one side deleted, or a submodule it only keeps one
side and notes the conflict in the index: a commit of everything takes that side and drops what the other had landed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from swarm_shared.git.merging.merging import merge_tree
from swarm_shared.git.plumbing.refs import has_commit, is_contained
from swarm_shared.git.running.git_errors import UnrelatedHistories
from swarm_shared.git.running.runner import Git
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.snapshots.submodules import modules_of

_SUBMODULE = "160000"


def unmerged_paths(checkout: Checkout) -> tuple[str, ...]:
    """The paths that the index of an unfinished merge has in conflict; without a merge this asks no git process."""
    if not checkout.merge_heads():
        return ()
    listed = checkout.git.items("ls-files", "-z", "--unmerged")
    return tuple(sorted({entry.partition("\t")[2] for entry in listed}))


def unresolved(checkout: Checkout, *, unmerged: tuple[str, ...], known: str, base: str, head: str) -> tuple[str, ...]:
    """The paths of landed changes that an attempt merged and did not take in.

    Args:
        unmerged: As `unmerged_paths` found them at the end of the attempt.
        known: The newest commit of the integration branch that the attempt's start and its end contain.
        base: The newest one that `head` contains.
        head: The work at the end of the attempt.
    """
    found = _as_git_left_them(checkout, unmerged, head) | _submodules_aside(checkout, known, base, head)
    return tuple(sorted(found))


def _as_git_left_them(checkout: Checkout, unmerged: tuple[str, ...], head: str) -> frozenset[str]:
    """Those that the agent did not touch."""
    merging, began = checkout.merge_heads(), checkout.head_sha()
    if not unmerged or not merging or began is None:
        return frozenset()
    try:
        left = merge_tree(checkout.git, began, merging[0]).tree
    except UnrelatedHistories:
        return frozenset()
    before, now = _entries(checkout.git, left, unmerged), _entries(checkout.git, head, unmerged)
    return frozenset(path for path in unmerged if before.get(path) == now.get(path))


def _submodules_aside(checkout: Checkout, known: str, base: str, head: str) -> frozenset[str]:
    """Submodules that others moved and whose commit here does not contain the one that landed."""
    items = iter(checkout.git.items("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", known, base))
    # Source: git-diff-tree(1), raw output: old mode, new mode, old id, new id and letter, then the path.
    moved = {path: meta.split(" ") for meta, path in zip(items, items, strict=True)}
    landed = {path: fields[3] for path, fields in moved.items() if fields[1] == _SUBMODULE}
    if not landed:
        return frozenset()
    modules = {module.path: module.checkout.git for module in modules_of(checkout)}
    found = set()
    for path, entry in _entries(checkout.git, head, sorted(landed)).items():
        mode, _, sha = entry.split(" ")
        if mode != _SUBMODULE or sha == landed[path]:
            continue
        git = modules.get(path)
        if git is None or not has_commit(git, landed[path]) or not is_contained(git, landed[path], sha):
            found.add(path)
    return frozenset(found)


def _entries(git: Git, tree: str, paths: Sequence[str]) -> Mapping[str, str]:
    """Mode, type and id of those paths that a tree has."""
    listed = git.items("ls-tree", "-z", "--full-tree", tree, "--", *paths)
    return {path: meta for meta, _, path in (entry.partition("\t") for entry in listed)}
