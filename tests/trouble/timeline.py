"""The timeline of runs as SVG: a lane per worker, a bar per attempt, and what the provider did behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from trouble.findings import Findings
from trouble.phases import FIRST, Phase

WIDTH, LEFT, RIGHT = 960, 78, 16
LANE, GAP, TITLE, AXIS, LEGEND = 16, 4, 58, 26, 30
COLOURS = {"first": "#2f81f7", "second": "#db6d28"}
REFUSED = "#cf222e"
_STYLE = """
.ground { fill: #ffffff; stroke: #d1d9e0 }
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 14px; font-weight: 600 }
.soft { fill: #59636e }
.phase { fill: #afb8c1; fill-opacity: 0.35 }
.hold { fill: #cf222e; fill-opacity: 0.75 }
@media (prefers-color-scheme: dark) {
  .ground { fill: #0d1117; stroke: #30363d }
  text { fill: #e6edf3 }
  .soft { fill: #9198a1 }
  .phase { fill: #6e7681 }
}
"""


def draw(runs: Sequence[tuple[str, Findings, tuple[Phase, ...]]]) -> str:
    """Each run (title, findings, what its provider did) below the other, on one scale of time."""
    runs = [_from_the_first_attempt(*run) for run in runs]
    longest = max([bar.ends_s for _, run, _ in runs for bar in run.bars] + [1.0])
    scale = (WIDTH - LEFT - RIGHT) / longest
    parts: list[str] = []
    top = 8.0
    for title, run, phases in runs:
        panel, height = _panel(title, run, phases, top, scale)
        parts += panel
        top += height
    parts += _axis(longest, scale, top) + _legend(top + AXIS)
    height = round(top + AXIS + LEGEND)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="Attempts of runs by worker and time"><style>{_STYLE}</style>\n'
        f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _from_the_first_attempt(
    title: str, run: Findings, phases: tuple[Phase, ...]
) -> tuple[str, Findings, tuple[Phase, ...]]:
    """The same with the beginning of the first attempt as zero, which is a little before the first session's."""
    earlier_s = -min([bar.begins_s for bar in run.bars] + [0.0])
    bars = [replace(bar, begins_s=bar.begins_s + earlier_s, ends_s=bar.ends_s + earlier_s) for bar in run.bars]
    holds = [
        replace(
            hold,
            begins_s=hold.begins_s + earlier_s,
            ends_s=None if hold.ends_s is None else hold.ends_s + earlier_s,
        )
        for hold in run.holds
    ]
    moved = [replace(each, begins_s=each.begins_s + earlier_s, ends_s=each.ends_s + earlier_s) for each in phases]
    return title, replace(run, bars=tuple(bars), holds=tuple(holds)), tuple(moved)


def _panel(title: str, run: Findings, phases: tuple[Phase, ...], top: float, scale: float) -> tuple[list[str], float]:
    workers = sorted({bar.worker for bar in run.bars}, key=lambda name: (len(name), name))
    routes = sorted({hold.route for hold in run.holds} | {bar.route for bar in run.bars})
    lanes_top = top + TITLE
    bottom = lanes_top + len(workers) * (LANE + GAP)
    figures = (
        f"{run.completed} of {run.tasks} completed in {run.minutes:.1f} min, {run.attempts_burnt} attempts burnt, "
        f"{run.refused} refused by the provider"
    )
    parts = [
        f'<text class="title" x="12" y="{top + 16:.0f}">{escape(title)}</text>',
        f'<text class="soft" x="{LEFT}" y="{top + 33:.0f}">{escape(figures)}</text>',
    ]
    for phase in phases:
        x, width = LEFT + phase.begins_s * scale, (phase.ends_s - phase.begins_s) * scale
        both = "" if phase.accounts == (FIRST,) else ", both accounts"
        parts.append(
            f'<rect class="phase" x="{x:.1f}" y="{lanes_top - 4:.1f}" width="{width:.1f}" '
            f'height="{bottom - lanes_top + 6 * len(routes) + 4:.1f}"><title>{phase.what}{both}</title></rect>'
            f'<text class="soft" x="{x + 2:.1f}" y="{lanes_top - 9:.1f}">{phase.what}{both}</text>'
        )
    for n, worker in enumerate(workers):
        y = lanes_top + n * (LANE + GAP)
        parts.append(f'<text class="soft" x="12" y="{y + 12:.0f}">{escape(worker)}</text>')
        for bar in run.bars:
            if bar.worker != worker:
                continue
            width = max(1.5, (bar.ends_s - bar.begins_s) * scale - 0.5)
            colour = REFUSED if bar.refused else COLOURS.get(bar.route, "#768390")
            parts.append(
                f'<rect x="{LEFT + bar.begins_s * scale:.1f}" y="{y:.1f}" width="{width:.1f}" height="{LANE}" '
                f'fill="{colour}"><title>{escape(bar.route)}{", refused" if bar.refused else ""}</title></rect>'
            )
    end = max([bar.ends_s for bar in run.bars] + [0.0])
    for n, route in enumerate(routes):
        y = bottom + n * 6
        for hold in run.holds:
            if hold.route == route:
                until = end if hold.ends_s is None else min(hold.ends_s, end)
                parts.append(
                    f'<rect class="hold" x="{LEFT + hold.begins_s * scale:.1f}" y="{y:.1f}" '
                    f'width="{max(1.0, (until - hold.begins_s) * scale):.1f}" height="4">'
                    f"<title>{escape(route)} held: {escape(hold.kind)}</title></rect>"
                )
    return parts, TITLE + len(workers) * (LANE + GAP) + 6 * len(routes) + 14


def _axis(longest: float, scale: float, top: float) -> list[str]:
    step = next(each for each in (5, 10, 20, 30, 60, 120, 300) if longest / each <= 12)
    marks = range(0, int(longest) + 1, step)
    return [
        f'<text class="soft" x="{LEFT + mark * scale:.1f}" y="{top + 14:.0f}" text-anchor="middle">{mark} s</text>'
        for mark in marks
    ]


def _legend(top: float) -> list[str]:
    parts, x = [], LEFT
    for words, colour in (
        ("attempt on the first route", COLOURS["first"]),
        ("on the second route", COLOURS["second"]),
        ("refused by the provider", REFUSED),
    ):
        parts.append(f'<rect x="{x}" y="{top}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 17}" y="{top + 10:.0f}">{words}</text>')
        x += 34 + 7 * len(words)
    parts.append(f'<text class="soft" x="{x}" y="{top + 10:.0f}">thin red lines: the route is held</text>')
    return parts
