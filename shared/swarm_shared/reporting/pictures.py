"""The report's pictures as inline SVG. Colours are classes, so that the page decides them for light, dark and print."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from swarm_shared.domain.models import Group
from swarm_shared.reporting.wording import IN_ORDER, NAMES
from swarm_shared.store.views.run_report import Effort, RunReport

WIDTH, HEIGHT = 720, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 30
SLOTS = 120  # points of the curve, whatever the number of tasks
LEAST_PX = 3.0  # a part that exists can be seen


def result_bar(effort: Effort, *, height: int = 14) -> str:
    """One bar whose parts are the groups of tasks."""
    total = effort.total
    if not total:
        return ""
    shares = [(group, effort.number(group)) for group in IN_ORDER if effort.number(group)]
    widths = [max(LEAST_PX, 100 * WIDTH / 100 * number / total) for _, number in shares]
    scale = WIDTH / sum(widths)
    at, parts, words = 0.0, [], []
    for (group, number), width in zip(shares, widths, strict=True):
        parts.append(f'<rect class="{group}" x="{at:.1f}" width="{width * scale:.1f}" height="{height}"/>')
        at += width * scale
        words.append(f"{number:,} {NAMES[group].lower()}")
    label = escape(", ".join(words))
    return (
        f'<svg class="bar" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f"<title>{label}</title>{''.join(parts)}</svg>"
    )


def progress(report: RunReport) -> str:
    """Completed tasks over time, with failed attempts as marks below; empty before anything completed or failed."""
    done = sorted(each.completed_at for each in report.of(Group.COMPLETED) if each.completed_at is not None)
    ends = [*done, *report.failures]
    if not ends or report.began_at is None:
        return ""
    begin, end = min(report.began_at, *ends), max(*ends, report.began_at + 1)
    curve = _curve(done, begin, end)
    top = max(1, len(done))
    floor = HEIGHT - BOTTOM
    points = " ".join(f"{x:.1f},{floor - (floor - TOP) * number / top:.1f}" for x, number in curve)
    area = f"M{LEFT},{floor} L{points.replace(' ', ' L')} L{WIDTH - RIGHT},{floor} Z"
    marks = "".join(
        f'<rect class="failed" x="{x:.1f}" y="{floor - size:.1f}" width="3" height="{size:.1f}"/>'
        for x, size in _marks(report.failures, begin, end)
    )
    label = f"{len(done):,} tasks completed, {len(report.failures):,} failed attempts"
    return (
        f'<svg class="progress" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}"><title>{label}</title>'
        f"{_grid(top)}<path class='area' d='{area}'/><polyline class='line' points='{points}'/>{marks}"
        f"{_times(begin, end)}</svg>"
    )


def tries(report: RunReport) -> str:
    """How many completed tasks needed how many attempts."""
    counts: dict[int, int] = {}
    for line in report.of(Group.COMPLETED):
        if line.attempts:
            counts[min(line.attempts, 5)] = counts.get(min(line.attempts, 5), 0) + 1
    if not counts:
        return ""
    rows = range(1, max(counts) + 1)
    row_height, most = 24, max(counts.values())
    bars = []
    for place, number in enumerate(rows):
        y, found = place * row_height, counts.get(number, 0)
        width = (WIDTH - 224) * found / most
        name = "5 or more" if number == 5 else str(number)
        word = "attempt" if number == 1 else "attempts"
        bars.append(
            f'<text x="130" y="{y + 15}" text-anchor="end">{name} {word}</text>'
            f'<rect class="completed" x="138" y="{y + 4}" width="{width:.1f}" height="14" rx="2"/>'
            f'<text x="{146 + width:.1f}" y="{y + 15}">{found:,}</text>'
        )
    label = "; ".join(f"{counts.get(number, 0):,} tasks took {number} attempts" for number in rows)
    height = row_height * len(rows)
    return (
        f'<svg class="tries" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}"><title>{label}</title>'
        f"{''.join(bars)}</svg>"
    )


def _curve(done: Sequence[int], begin: int, end: int) -> list[tuple[float, int]]:
    points, number = [], 0
    for slot in range(SLOTS + 1):
        until = begin + (end - begin) * slot / SLOTS
        while number < len(done) and done[number] <= until:
            number += 1
        points.append((_x(until, begin, end), number))
    return points


def _marks(failures: Sequence[int], begin: int, end: int) -> list[tuple[float, float]]:
    counts: dict[int, int] = {}
    for at in failures:
        slot = int((at - begin) / (end - begin) * SLOTS)
        counts[slot] = counts.get(slot, 0) + 1
    most = max(counts.values(), default=1)
    return [
        (_x(begin + (end - begin) * slot / SLOTS, begin, end) - 1.5, 4 + 26 * number / most)
        for slot, number in sorted(counts.items())
    ]


def _grid(top: int) -> str:
    floor = HEIGHT - BOTTOM
    lines = []
    for share in (0.0, 0.5, 1.0):
        y, number = floor - (floor - TOP) * share, round(top * share)
        if share == 0.5 and top < 4:
            continue
        lines.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number:,}</text>'
        )
    return "".join(lines)


def _times(begin: int, end: int) -> str:
    form = "%H:%M:%S" if end - begin < 600_000 else "%H:%M" if end - begin < 86_400_000 else "%d %b %H:%M"
    texts = []
    for at, anchor in ((begin, "start"), ((begin + end) // 2, "middle"), (end, "end")):
        text = datetime.fromtimestamp(at / 1000).strftime(form)
        texts.append(f'<text x="{_x(at, begin, end):.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{text}</text>')
    return "".join(texts)


def _x(at: float, begin: int, end: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (at - begin) / (end - begin)
