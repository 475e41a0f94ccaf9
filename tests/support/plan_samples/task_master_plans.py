"""Plans of task-master."""

from __future__ import annotations

from plan_samples.sample import Sample

TASK_MASTER = """\
{
  "master": {
    "tasks": [
      {"id": 1, "title": "Parse config", "description": "Read TOML", "status": "done", "priority": "high",
       "dependencies": [], "details": "Use tomllib", "testStrategy": "A bad file gives exit 2", "subtasks": []},
      {"id": 2, "title": "Serve", "description": "HTTP", "details": "Only loopback", "status": "pending",
       "dependencies": [1], "priority": "low", "testStrategy": "curl answers", "complexity": 7,
       "subtasks": [
         {"id": 1, "title": "Listen", "status": "done", "dependencies": []},
         {"id": 2, "title": "Answer", "details": "In src/serve.py", "status": "pending", "dependencies": [1]}
       ]},
      {"id": 3, "title": "Release", "status": "review", "dependencies": [2, "2.2"]}
    ],
    "metadata": {"created": "2026-01-01T00:00:00Z"}
  },
  "later": {"tasks": [{"id": "1", "title": "Elsewhere", "status": "pending"}], "metadata": {}}
}
"""
TASK_MASTER_STRINGS = """\
{"next": {"tasks": [
  {"id": "1", "title": "One", "status": "pending", "subtasks": [
    {"id": "1.1", "title": "a", "status": "pending", "dependencies": []},
    {"id": "1.2", "title": "b", "status": "pending", "dependencies": ["1.1"]}]},
  {"id": "2", "title": "Two", "status": "blocked", "dependencies": ["1"]}], "metadata": {"taskCount": 2}}}
"""
TASK_MASTER_OLDER = """\
{"tasks": [{"id": 1, "title": "One", "status": "pending", "testStrategy": "run it", "dependencies": []}], "version": 1}
"""

SAMPLES: dict[str, Sample] = {
    "task-master": Sample(
        plan_format="task-master",
        path=".taskmaster/tasks/tasks.json",
        text=TASK_MASTER,
        ids=("1", "2.1", "2.2", "3"),
    ),
    "task-master with ids as text": Sample(
        plan_format="task-master", path="tasks.json", text=TASK_MASTER_STRINGS, ids=("1.1", "1.2", "2")
    ),
    "task-master without tags": Sample(plan_format="task-master", path="t.json", text=TASK_MASTER_OLDER, ids=("1",)),
}
