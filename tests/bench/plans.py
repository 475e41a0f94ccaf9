"""Importing plans of other tools, with ten thousand items each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from bench.children import Used, run_measured
from bench.figure import Figure, Scale, Table, Target
from bench.harness import bench_folder
from swarm_shared.database import TaskDatabase

TITLE = "Import of other tools' plans"
MOST_S = 2.0


def measure(scale: Scale) -> Figure:
    """Import a plan of each format, each in its own process."""
    count = scale.pick(1_000, 10_000)
    found: dict[str, Used] = {}
    with bench_folder() as folder:
        for name, write in WRITERS.items():
            project = folder / name
            plan = write(project, count)
            db = project / "tasks.db"
            command = [sys.executable, "-m", "amplifier_swarm", "import-tasks", str(plan), "--db", str(db)]
            found[name] = run_measured(command, errors=folder / "errors")
            with TaskDatabase(db, create=False) as database:
                imported = database.connection.value("SELECT count(*) FROM tasks")
            if imported != count:
                raise RuntimeError(f"{name}: {imported} tasks arrived instead of {count}")
    slowest = max(found, key=lambda name: found[name].wall_s)
    return Figure(
        how=f"A plan of {count:,} items in each format, each imported by a separate process, including its start.",
        tables=(
            Table(
                columns=("format", "seconds", "CPU s", "peak MiB"),
                rows=tuple((name, used.wall_s, used.cpu_s, used.peak_mib) for name, used in found.items()),
            ),
        ),
        targets=(
            Target(
                text=f"import of {count:,} items of the slowest format ({slowest})",
                value=found[slowest].wall_s,
                limit=MOST_S,
                unit="s",
            ),
        ),
        raw={name: [used.wall_s, used.cpu_s, used.peak_mib] for name, used in found.items()},
    )


def _put(project: Path, path: str, text: str) -> Path:
    file = project / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def _grouped(count: int, heading: Callable[[int], str], item: Callable[[int], str]) -> str:
    return "".join((heading(n // 10) if n % 10 == 0 else "") + item(n) for n in range(count))


def _spec_kit(project: Path, count: int) -> Path:
    lines = _grouped(
        count,
        lambda g: f"## Phase {g}: User Story {g}\n\n**Goal**: part {g}\n\n",
        lambda n: f"- [ ] T{n:05d} {'[P] ' if n % 3 else ''}[US{n // 10}] Write src/part_{n}.py\n",
    )
    return _put(project, "specs/001-a/tasks.md", lines)


def _kiro(project: Path, count: int) -> Path:
    lines = _grouped(
        count,
        lambda g: f"- [ ] {g + 1}. Group {g}\n",
        lambda n: f"  - [ ] {n // 10 + 1}.{n % 10 + 1} Write part {n} in `src/p{n}.py`\n    - _Requirements: 1.1_\n",
    )
    return _put(project, ".kiro/specs/a/tasks.md", lines)


def _openspec(project: Path, count: int) -> Path:
    lines = _grouped(
        count,
        lambda g: f"## {g + 1}. Group\n",
        lambda n: f"- [ ] {n // 10 + 1}.{n % 10 + 1} Write part {n} in src/p{n}.py\n",
    )
    return _put(project, "openspec/changes/a/tasks.md", lines)


def _checklist(project: Path, count: int) -> Path:
    lines = _grouped(count, lambda g: f"## Group {g}\n", lambda n: f"- [ ] Write part {n}\n  - [ ] it works\n")
    return _put(project, "TODO.md", lines)


def _backlog(project: Path, count: int) -> Path:
    for n in range(count):
        text = (
            f"---\nid: BACK-{n}\ntitle: Part {n}\nstatus: To Do\nlabels: [a]\ndependencies: []\npriority: high\n---\n\n"
            "## Description\n\nText\n\n## Acceptance Criteria\n<!-- AC:BEGIN -->\n- [ ] #1 it works\n<!-- AC:END -->\n"
        )
        _put(project, f"backlog/tasks/back-{n} - Part.md", text)
    return project / "backlog"


def _bmad(project: Path, count: int) -> Path:
    folder = "_bmad-output/implementation-artifacts"
    for n in range(count):
        text = (
            f"# Story {n // 10}.{n % 10}: Part {n}\n\n## Story\n\nAs a user\n\n## Acceptance Criteria\n\n1. it works\n"
        )
        _put(project, f"{folder}/{n // 10}-{n % 10}-part.md", text)
    states = _grouped(
        count, lambda g: f"  epic-{g}: backlog\n", lambda n: f"  {n // 10}-{n % 10}-part: ready-for-dev\n"
    )
    return _put(project, f"{folder}/sprint-status.yaml", f"development_status:\n{states}")


def _task_master(project: Path, count: int) -> Path:
    tasks = [
        {
            "id": n,
            "title": f"Part {n}",
            "details": "text",
            "status": "pending",
            "dependencies": [n - 1] if n > 1 else [],
        }
        for n in range(1, count + 1)
    ]
    text = json.dumps({"master": {"tasks": tasks, "metadata": {}}}, indent=2)
    return _put(project, ".taskmaster/tasks/tasks.json", text)


def _ralph(project: Path, count: int) -> Path:
    stories = [
        {"id": f"US-{n}", "title": f"Part {n}", "acceptanceCriteria": ["works"], "priority": n, "passes": False}
        for n in range(count)
    ]
    return _put(project, "prd.json", json.dumps({"userStories": stories}, indent=2))


def _beads(project: Path, count: int) -> Path:
    lines = []
    for n in range(count):
        links = [{"issue_id": f"bd-{n}", "depends_on_id": f"bd-{n - 1}", "type": "blocks"}] if n % 10 else []
        issue = {"id": f"bd-{n}", "title": f"Part {n}", "status": "open", "priority": 2, "issue_type": "task"}
        lines.append(json.dumps({**issue, "dependencies": links}) + "\n")
    return _put(project, ".beads/issues.jsonl", "".join(lines))


def _github(project: Path, count: int) -> Path:
    issues = [
        {"number": n, "title": f"Part {n}", "state": "OPEN", "body": "Text\n\n## Acceptance\n- [ ] it works\n"}
        for n in range(1, count + 1)
    ]
    return _put(project, "issues.json", json.dumps(issues))


def _csv(project: Path, count: int) -> Path:
    rows = (f"A-{n},Part {n},todo,{f'A-{n - 1}' if n % 10 else ''}\n" for n in range(count))
    return _put(project, "plan.csv", "ID,Title,Status,Depends on\n" + "".join(rows))


WRITERS: dict[str, Callable[[Path, int], Path]] = {
    "spec-kit": _spec_kit,
    "kiro": _kiro,
    "openspec": _openspec,
    "checklist": _checklist,
    "backlog.md": _backlog,
    "bmad": _bmad,
    "task-master": _task_master,
    "ralph": _ralph,
    "beads": _beads,
    "github": _github,
    "csv": _csv,
}
