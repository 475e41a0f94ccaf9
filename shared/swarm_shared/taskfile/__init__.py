"""Task files: YAML that users write, checked as a whole, and exports that can be imported again."""

from __future__ import annotations

from swarm_shared.taskfile.definition import definition, spec_from_definition
from swarm_shared.taskfile.globs import overlap
from swarm_shared.taskfile.graph import cycle_text, find_cycles
from swarm_shared.taskfile.lint import lint
from swarm_shared.taskfile.problems import Problem, TaskFileErrors
from swarm_shared.taskfile.reader import TaskFile, load_task_file, read_task_file
from swarm_shared.taskfile.writer import write_task_file

__all__ = [
    "Problem",
    "TaskFile",
    "TaskFileErrors",
    "cycle_text",
    "definition",
    "find_cycles",
    "lint",
    "load_task_file",
    "overlap",
    "read_task_file",
    "spec_from_definition",
    "write_task_file",
]
