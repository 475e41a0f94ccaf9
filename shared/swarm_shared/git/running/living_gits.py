"""Which repository a living git works in, as far as the kernel shows it."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

# What sends git to another repository than that of its folder. Source: git(1), "Options", "Environment Variables".
_VARIABLES = (b"GIT_DIR", b"GIT_COMMON_DIR", b"GIT_WORK_TREE")
_OPTIONS = (b"-C", b"--git-dir", b"--work-tree")


def may_work_in(pid: int, common_dir: Path) -> bool:
    """Whether a git may be at work in the repository with this git directory; False only if all it names is elsewhere.

    What cannot be read, such as another user's process, may be.
    """
    try:
        cwd = os.readlink(f"/proc/{pid}/cwd")
        words = _items(pid, "cmdline")
        environ = _items(pid, "environ")
    except (FileNotFoundError, ProcessLookupError):
        return False  # it has ended
    except OSError:
        return True
    if not any(words):
        return True  # the kernel is just starting it
    folders = {cwd}
    for folder in (*_after_options(words), *_of_variables(environ)):
        # Several relative ones build on each other.
        folders |= {os.path.normpath(os.path.join(before, os.fsdecode(folder))) for before in folders}
    wanted = os.path.realpath(common_dir)
    return any(_repository_of(Path(folder)) == wanted for folder in folders)


def _items(pid: int, name: str) -> list[bytes]:
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read().split(b"\0")


def _after_options(words: list[bytes]) -> list[bytes]:
    found = [after for word, after in pairwise(words) if word in _OPTIONS]
    parts = (word.partition(b"=") for word in words)
    return found + [value for option, equals, value in parts if equals and option in _OPTIONS]


def _of_variables(environ: list[bytes]) -> list[bytes]:
    parts = (entry.partition(b"=") for entry in environ)
    return [value for name, _, value in parts if name in _VARIABLES and value]


def _repository_of(folder: Path) -> str | None:
    """The git directory that all worktrees share of the repository which a folder is part of, or None."""
    for at in (folder, *folder.parents):
        for git_dir in (at / ".git", at):
            found = _common_dir(git_dir)
            if found is not None:
                return found
    return None


def _common_dir(git_dir: Path) -> str | None:
    try:
        if git_dir.is_file():
            git_dir = git_dir.parent / git_dir.read_text().removeprefix("gitdir:").strip()
        if not (git_dir / "HEAD").exists():
            return None
        link = git_dir / "commondir"
        return os.path.realpath(git_dir / link.read_text().strip() if link.is_file() else git_dir)
    except (OSError, UnicodeDecodeError):
        return None
