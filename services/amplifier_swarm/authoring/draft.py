"""A task that is being edited: its text, and the task as it was at the start of the edit."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from swarm_shared.taskfile.definition import definition, spec_from_definition
from swarm_shared.taskfile.one_task import as_task_file

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase
    from swarm_shared.domain.models import TaskSpec

_READABLE_CHARS = 60
_HEAD = "# Save and close to apply your changes. If you change nothing, nothing happens.\n"


class Draft:
    """The file that the editor opens, and a copy of the task as it was then, both kept until the edit is applied."""

    def __init__(self, database: TaskDatabase, task_id: str) -> None:
        readable = "".join(char if char.isascii() and char.isalnum() else "-" for char in task_id[:_READABLE_CHARS])
        stem = f"{readable}-{hashlib.sha256(task_id.encode()).hexdigest()[:8]}"
        folder = database.path.with_name(database.path.name + ".swarm") / "edits"
        self.path, self._before = folder / f"{stem}.yaml", folder / f"{stem}.before.json"
        self.advice = f"your text is kept in {self.path}; `amplifier-swarm edit {task_id}` continues"

    def exists(self) -> bool:
        return self.path.exists() and self._before.exists()

    def begin(self, spec: TaskSpec) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._before.write_text(json.dumps(definition(spec)), encoding="utf-8")
        self.path.write_text(_HEAD + as_task_file(spec), encoding="utf-8")

    def before(self) -> TaskSpec:
        content: dict[str, Any] = json.loads(self._before.read_text(encoding="utf-8"))
        return spec_from_definition(content)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._before.unlink(missing_ok=True)
