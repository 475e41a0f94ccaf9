"""The names of tasks in the repository: safe names for branches and folders, and the refs built from them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

INTEGRATION_BRANCH = "swarm/integration"
TASK_BRANCHES = "swarm/task/"
HEADS = "refs/heads/"
# Every head that an attempt ended with, whatever an agent does to its branch later; not under refs/heads, so that the
# user's list of branches does not grow.
KEPT_REFS = "refs/swarm/kept/"
# Where swarms have put an integration branch last: it moves with it, and nothing else moves it.
LANDED_REFS = "refs/swarm/landed/"
# Names of branches that a swarm has taken and not yet stored.
TAKEN_REFS = "refs/swarm/taken/"

MAX_LENGTH = 80  # of a safe id: leaves room for suffixes such as ".lock" within the 255 bytes of a file name
_HASH_DIGITS = 10
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def safe_id(task_id: str, taken: Iterable[str]) -> str:
    """A name for a task that is good for a branch and a folder on every file system.

    The id itself where it can be, else what it keeps of it with a hash behind. The answer depends on who came
    first: store it with the task, and pass those of all other tasks as `taken`.

    Source: git-check-ref-format(1): no part starts with a dot, none ends with .lock, no ``..``, no dot at the end.
    """
    used = {other.casefold() for other in taken}
    if _is_safe(task_id) and task_id.casefold() not in used:
        return task_id
    kept = _UNSAFE.sub("-", task_id).strip(".-")[: MAX_LENGTH - _HASH_DIGITS - 1]
    kept = re.sub(r"\.{2,}", ".", kept).rstrip(".")
    turn = 0
    while True:
        salt = f"{turn}:{task_id}" if turn else task_id
        digest = hashlib.sha256(salt.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
        name = f"{kept}-{digest}" if kept else digest
        if name.casefold() not in used:
            return name
        turn += 1


def _is_safe(name: str) -> bool:
    return (
        0 < len(name) <= MAX_LENGTH
        and not _UNSAFE.search(name)
        and not name.startswith((".", "-"))
        and not name.endswith(".")
        and not name.casefold().endswith(".lock")
        and ".." not in name
    )


def task_branch(safe: str) -> str:
    return TASK_BRANCHES + safe


def task_ref(safe: str) -> str:
    return HEADS + task_branch(safe)


def kept_ref(safe: str, sha: str) -> str:
    return f"{KEPT_REFS}{safe}/{sha}"


def landed_ref(ref: str) -> str:
    return LANDED_REFS + branch_of(ref)


def branch_of(ref: str) -> str:
    """``main`` of ``refs/heads/main``."""
    return ref.removeprefix(HEADS)
