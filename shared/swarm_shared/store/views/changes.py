"""The changes of each attempt, stored as text: readable from the database alone, even after the worktree is gone."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from swarm_shared.git.plumbing.diffs import Diff, FileChange
from swarm_shared.redaction.redaction import of_process
from swarm_shared.store.engine.data_access import DataAccess, from_json, to_json
from swarm_shared.store.sql import SQL

MAX_FILES = 1000


class Since(StrEnum):
    """What an attempt's work is compared with."""

    BASE = "base"  # what had landed: the whole change
    PREVIOUS = "previous"  # the attempt before: what this one did itself


class Changes(DataAccess):
    """Written by the worker that made the commit."""

    def keep(self, attempt: str, since: Since, *, base_sha: str, head_sha: str, change: Diff) -> None:
        """Store a change without its secrets; one that is stored for the attempt already is replaced."""
        values = {
            "attempt": attempt,
            "since": since,
            "base_sha": base_sha,
            "head_sha": head_sha,
            "files": to_json([_file(file) for file in change.files[:MAX_FILES]]),
            "file_count": len(change.files),
            "added": sum(file.added or 0 for file in change.files),
            "deleted": sum(file.deleted or 0 for file in change.files),
            "patch": of_process().text(change.text),
            "truncated": change.truncated,
        }
        with self._db.transaction():
            self._db.change(SQL["keep_change"], values)

    def of(self, attempt: str, since: Since) -> dict[str, Any] | None:
        """`base_sha`, `head_sha`, `files`, `file_count`, `added`, `deleted`, `patch` and `truncated`; None: not known.

        Each file has `path`, `old_path`, `change` (git's letter), `added` and `deleted` (null: binary).
        """
        rows = self._db.dicts(SQL["change_of_attempt"], {"attempt": attempt, "since": since})
        if not rows:
            return None
        return rows[0] | {"files": from_json(rows[0]["files"]), "truncated": bool(rows[0]["truncated"])}

    def sizes(self, task: int) -> dict[str, dict[str, int]]:
        """How large the whole change of each attempt of a task is: `files`, `added` and `deleted` by attempt."""
        rows = self._db.rows(SQL["change_sizes"], {"task": task})
        return {attempt: {"files": n, "added": added, "deleted": gone} for attempt, n, added, gone in rows}


def _file(file: FileChange) -> dict[str, Any]:
    return {
        "path": _text(file.path),
        "old_path": None if file.old_path is None else _text(file.old_path),
        "change": str(file.change),
        "added": file.added,
        "deleted": file.deleted,
    }


def _text(path: str) -> str:
    """A path that any program can show: bytes that are no text become a mark."""
    return path.encode("utf-8", "replace").decode()
