"""Why git finds no repository, or no files, although there seems to be one, with the command that repairs it."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.worktrees.listing import list_worktrees

_SCANNED = 200  # entries of a folder


class Obstacle(Struct, frozen=True, kw_only=True):
    """What prevents worktrees.

    Args:
        hint: The command that repairs it.
        unreadable: A repository is there, and it is damaged or set up in a way that hides its files.
    """

    text: str
    hint: str | None = None
    unreadable: bool = False


def without_files(found: Repository) -> Obstacle:
    """What to say of a repository that is bare, or says so of itself."""
    if found.common_dir.name == ".git" and found.git_dir == found.common_dir:
        at = found.common_dir / "config"
        return Obstacle(
            text=f"core.bare is true in {at}, although {found.common_dir.parent} is a checkout",
            hint=f"git config --file '{at}' core.bare false",
            unreadable=True,
        )
    checkouts = [listed.path for listed in list_worktrees(found.git) if not listed.missing]
    hint = (
        f"name one of its worktrees: --project-root '{checkouts[0]}'"
        if checkouts
        else f"make a worktree and name it with --project-root: git -C '{found.common_dir}' worktree add PATH"
    )
    return Obstacle(text="it is a bare repository", hint=hint, unreadable=True)


def missing(root: Path, landed_in: str | None) -> Obstacle | None:
    """What to say of a folder in which git finds no repository; None when there is no sign of one.

    Args:
        landed_in: The git directory that the tasks' worktrees belonged to so far.
    """
    mark = _nearest_mark(root)
    if mark is not None:
        return _about_mark(mark)
    inner = _bare_below(root)
    if inner is not None:
        text = f"it is not in a git repository, but holds the worktrees of {inner}"
        return Obstacle(text=text, hint="name one of them with --project-root", unreadable=True)
    if landed_in is None:
        return None
    there = Path(landed_in)
    before = there.parent if there.name == ".git" else there
    text = f"it is not in a git repository, and earlier tasks had worktrees of {before}"
    if there.is_dir():
        return Obstacle(text=text, hint=f"--project-root '{before}'")
    return Obstacle(text=f"{text}, which does not exist", hint="where has it moved, or is its disk not mounted?")


def _nearest_mark(root: Path) -> Path | None:
    """The `.git` that git must have seen from this folder upwards; it looks neither beyond a disk nor a ceiling."""
    here = root.resolve()
    ceilings = {Path(one).resolve() for one in os.environ.get("GIT_CEILING_DIRECTORIES", "").split(":") if one}
    for folder in (here, *here.parents):
        if (folder in ceilings and folder != here) or folder.stat().st_dev != here.stat().st_dev:
            return None
        mark = folder / ".git"
        if os.path.lexists(mark) and (folder == here or not _is_nothing(mark)):
            return mark
    return None


def _is_nothing(mark: Path) -> bool:
    """An empty folder, as sandboxes leave it in a folder above: no repository has been there."""
    try:
        return not mark.is_symlink() and _named_by(mark) is None and not (mark.is_dir() and any(mark.iterdir()))
    except OSError:
        return False


def _about_mark(mark: Path) -> Obstacle:
    named = _named_by(mark)
    if named is not None and not named.exists():
        text = f"{mark} names the git directory {named}, which does not exist"
        hint = f"if the repository has moved, run in it: git worktree repair '{mark.parent}'"
    elif mark.is_dir() and not any(mark.iterdir()):
        text, hint = f"{mark} is empty, so git takes it for no repository", f"remove it: rmdir '{mark}'"
    elif mark.is_dir() and not (mark / "HEAD").exists():
        text = f"{mark} has lost its HEAD, so git takes it for no repository"
        hint = f"name the branch that was checked out: echo 'ref: refs/heads/main' > '{mark}/HEAD'"
    else:
        text, hint = f"{mark} exists, but git finds no repository", f"see what it says: git -C '{mark.parent}' status"
    return Obstacle(text=text, hint=hint, unreadable=True)


def _named_by(mark: Path) -> Path | None:
    """Where a `.git` file, or a link, leads to."""
    if mark.is_symlink():
        return mark.parent / os.readlink(mark)
    try:
        text = os.fsdecode(mark.read_bytes()) if mark.is_file() else ""
    except OSError:
        return None
    return mark.parent / text.removeprefix("gitdir:").strip() if text.startswith("gitdir:") else None


def _bare_below(root: Path) -> Path | None:
    """A bare repository right in this folder that has worktrees in it."""
    try:
        with os.scandir(root) as entries:
            folders = [Path(entry.path) for entry, _ in zip(entries, range(_SCANNED), strict=False) if entry.is_dir()]
        for folder in folders:
            if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
                links = (folder / "worktrees").glob("*/gitdir")
                if any(Path(link.read_text().strip()).is_relative_to(root.resolve()) for link in links):
                    return folder
    except OSError:
        return None
    return None
