"""The graph of a list of tasks as SVG, as Mermaid, and as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from swarm_shared.domain.models import TaskSpec
from swarm_shared.planning.estimate import Plan
from swarm_shared.taskfile.graph import levels

BOX_W, BOX_H, GAP_X, GAP_Y, EDGE = 200, 44, 60, 16, 12
NAME_CHARS = 28
_STYLE = (
    "text{font:12px sans-serif;fill:#1a1a1a}.id{font-weight:600}rect{fill:#f4f6f8;stroke:#8a94a0}"
    "path{fill:none;stroke:#8a94a0}.critical rect,path.critical{stroke:#b3261e;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#e6e6e6}rect{fill:#22262b}}"
)


def as_data(specs: Sequence[TaskSpec], plan: Plan) -> dict[str, Any]:
    """`tasks` with id, name, phase and hours, `links` as pairs (needed, dependent), and the critical path."""
    ids = {spec.id for spec in specs}
    return {
        "tasks": [
            {"id": spec.id, "name": spec.name, "phase": spec.phase, "estimated_hours": spec.estimated_hours}
            for spec in specs
        ],
        "links": [[needed, dependent] for needed, dependent in _links(specs, ids)],
        "critical_path": plan.critical_path,
    }


def as_mermaid(specs: Sequence[TaskSpec], plan: Plan) -> str:
    """A flowchart from left to right, the critical path bold."""
    number = {spec.id: place for place, spec in enumerate(specs)}
    lines = ["flowchart LR"]
    lines += [f'    t{place}["{_mermaid(spec.id)}: {_mermaid(_cut(spec.name))}"]' for place, spec in enumerate(specs)]
    lines += [f"    t{number[needed]} --> t{number[dependent]}" for needed, dependent in _links(specs, number)]
    if plan.critical_path:
        lines.append("    classDef critical stroke:#b3261e,stroke-width:3px")
        lines.append(f"    class {','.join(f't{number[each]}' for each in plan.critical_path)} critical")
    return "\n".join(lines) + "\n"


def as_svg(specs: Sequence[TaskSpec], plan: Plan) -> str:
    """Boxes in columns: each right of everything that it needs."""
    level = levels({spec.id: spec.dependencies for spec in specs})
    rows: dict[int, int] = {}
    place: dict[str, tuple[int, int]] = {}
    for spec in specs:
        column = level.get(spec.id, 0)
        row = rows[column] = rows.get(column, -1) + 1
        place[spec.id] = (EDGE + column * (BOX_W + GAP_X), EDGE + row * (BOX_H + GAP_Y))
    width = max((x for x, _ in place.values()), default=0) + BOX_W + EDGE
    height = max((y for _, y in place.values()), default=0) + BOX_H + EDGE
    path = plan.critical_path
    critical, steps = set(path), set(pairwise(path))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{len(specs)} tasks</title><style>{_STYLE}</style>",
    ]
    for needed, dependent in _links(specs, place):
        x1, y1 = place[needed][0] + BOX_W, place[needed][1] + BOX_H // 2
        x2, y2 = place[dependent][0], place[dependent][1] + BOX_H // 2
        kind = ' class="critical"' if (needed, dependent) in steps else ""
        parts.append(f'<path{kind} d="M{x1} {y1}C{x1 + GAP_X} {y1} {x2 - GAP_X} {y2} {x2} {y2}"/>')
    for spec in specs:
        x, y = place[spec.id]
        kind = ' class="critical"' if spec.id in critical else ""
        parts.append(
            f'<g{kind}><title>{_xml(spec.name)}</title><rect x="{x}" y="{y}" width="{BOX_W}" height="{BOX_H}" rx="4"/>'
            f'<text class="id" x="{x + 8}" y="{y + 18}">{_xml(_cut(spec.id))}</text>'
            f'<text x="{x + 8}" y="{y + 35}">{_xml(_cut(spec.name))}</text></g>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _links(specs: Sequence[TaskSpec], known: Any) -> Iterator[tuple[str, str]]:
    for spec in specs:
        for needed in dict.fromkeys(spec.dependencies):
            if needed in known:
                yield needed, spec.id


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= NAME_CHARS else line[: NAME_CHARS - 1] + "…"


def _xml(text: str) -> str:
    return escape("".join(char if char.isprintable() else "�" for char in text))


def _mermaid(text: str) -> str:
    """Without what ends a label or begins something in one: as the entities that Mermaid knows."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
