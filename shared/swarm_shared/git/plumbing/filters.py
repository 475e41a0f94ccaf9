"""Finds missing filter programs that a checkout requires, before any worktree is created."""

from __future__ import annotations

import re
import shutil

from msgspec import Struct

from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.runner import Git, join_items

_KEY = re.compile(r"filter\.(?P<name>.+)\.(?P<what>required|process|smudge|clean)", re.DOTALL)
# Git runs filters in a shell; a first word with any of these is not simply a program.
_SHELL = re.compile(r"[\s$`\"'\\;&|<>(){}*?\[\]~]")
_TRUE = frozenset({"true", "yes", "on", "1", ""})


class MissingFilter(Struct, frozen=True, kw_only=True):
    """A required filter whose program is not installed, with a file that needs it."""

    name: str
    program: str
    path: str


def missing_filters(repository: Repository) -> tuple[MissingFilter, ...]:
    """Required filters that files of the checkout ask for and whose program is not on the PATH.

    Raises:
        GitError: Git does not answer.
    Source: gitattributes(5), “filter”: without a required filter git refuses to check the file out.
    """
    top = repository.top_level
    if top is None:
        return ()
    git = repository.git.at(cwd=top, git_dir=repository.git_dir, work_tree=top)
    absent = {name: program for name, program in _required(git).items() if _is_absent(program, git)}
    if not absent:
        return ()
    paths = git.items("ls-files", "-z")
    attributes = git.items("check-attr", "--stdin", "-z", "filter", stdin=join_items(paths)) if paths else ()
    first: dict[str, str] = {}
    for path, name in zip(attributes[::3], attributes[2::3], strict=True):  # path, attribute, value
        first.setdefault(name, path)
    return tuple(
        MissingFilter(name=name, program=program, path=first[name]) for name, program in absent.items() if name in first
    )


def _required(git: Git) -> dict[str, str]:
    """The program of each required filter that a checkout runs."""
    found: dict[str, dict[str, str]] = {}
    for item in git.items("config", "--null", "--get-regexp", r"^filter\.", ok=(0, 1)):
        key, _, value = item.partition("\n")
        if match := _KEY.fullmatch(key):
            found.setdefault(match["name"], {})[match["what"]] = value
    programs = {}
    for name, driver in found.items():
        command = driver.get("process") or driver.get("smudge") or ""
        if command and driver.get("required", "false").lower() in _TRUE:
            programs[name] = command.split()[0]
    return programs


def _is_absent(program: str, git: Git) -> bool:
    if "=" in program or _SHELL.search(program) or ("/" in program and not program.startswith("/")):
        return False  # the shell may make anything of it, or it is part of the commit
    return shutil.which(program, path=git.environ.get("PATH")) is None
