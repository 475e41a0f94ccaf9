"""Plots as SVG, drawn from numbers alone.

Each has its own background, light or dark like the reader's system: the page around it may have chosen otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from bench.figure import Bars, Lines
from bench.render import number

WIDTH = 720
MARGIN = 16
TITLE_HEIGHT = 40
BAR_HEIGHT, BAR_GAP = 22, 10
LABEL_WIDTH = 250
VALUE_WIDTH = 90
LINES_HEIGHT = 420
AXIS_LEFT, AXIS_BOTTOM = 64, 52
LEGEND_ROW, LEGEND_COLUMNS = 20, 3
MARKED_POINTS = 12  # a curve of more points is smooth enough without marks
CHARACTER_WIDTH = 6.6  # of 12 px sans-serif, about
TICKS = 5
# Distinct for most kinds of colour vision, and at least 3:1 on white as on near-black.
COLOURS = ("#2f81f7", "#db6d28", "#2da44e", "#a475f9", "#bf8700", "#e0569b", "#768390")
_STYLE = """
.ground { fill: #ffffff; stroke: #d1d9e0 }
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.soft { fill: #59636e }
.axis { stroke: #8c959f; stroke-width: 1; fill: none }
.grid { stroke: #d1d9e0; stroke-width: 1; fill: none }
.plain { fill: #8c959f }
@media (prefers-color-scheme: dark) {
  .ground { fill: #0d1117; stroke: #30363d }
  text { fill: #e6edf3 }
  .soft { fill: #9198a1 }
  .grid { stroke: #30363d }
}
"""


def svg(plot: Bars | Lines) -> str:
    """The plot as one SVG document."""
    body, height = _bars(plot) if isinstance(plot, Bars) else _lines(plot)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(plot.title)}">',
            f"<title>{escape(plot.title)}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
            _text(MARGIN, 26, plot.title, kind="title"),
            *body,
            "</svg>",
            "",
        ]
    )


# ───── bars ─────


def _bars(plot: Bars) -> tuple[list[str], int]:
    room = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH
    most = max((value for _, value in plot.bars), default=0) or 1
    body: list[str] = []
    y = TITLE_HEIGHT + BAR_GAP
    for label, value in plot.bars:
        left, width = MARGIN + LABEL_WIDTH, max(1.0, room * value / most)
        colour = f'fill="{COLOURS[0]}"' if label in plot.accented else 'class="plain"'
        body += [
            _text(left - 10, y + 15, label, anchor="end"),
            f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{BAR_HEIGHT}" rx="3" {colour}/>',
            _text(left + width + 8, y + 15, f"{number(value)} {plot.unit}".strip(), kind="soft"),
        ]
        y += BAR_HEIGHT + BAR_GAP
    return body, y + MARGIN


# ───── curves ─────


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Values from `low` to `high` on pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    @classmethod
    def over(cls, values: Sequence[float], *, start: float, end: float, log: bool) -> Axis:
        """An axis with all values on it: whole powers of ten on a logarithmic one, from zero on a linear one."""
        positive = [value for value in values if value > 0] or [1.0]
        if log:
            low = 10 ** math.floor(math.log10(min(positive)))
            high = 10 ** math.ceil(math.log10(max(positive)))
            return cls(low=low, high=high if high > low else low * 10, start=start, end=end, log=True)
        step = _step(max(positive) / TICKS)
        return cls(low=0, high=step * math.ceil(max(positive) / step), start=start, end=end, log=False)

    def at(self, value: float) -> float:
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.log:
            decades = round(math.log10(self.high / self.low))
            return [self.low * 10**n for n in range(decades + 1)]
        step = _step(self.high / TICKS)
        return [step * n for n in range(round(self.high / step) + 1)]


def _step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is not below `least`."""
    power: float = 10 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least * 0.999)


def _lines(plot: Lines) -> tuple[list[str], int]:
    legend_height = LEGEND_ROW * math.ceil(len(plot.curves) / LEGEND_COLUMNS)
    top, bottom = TITLE_HEIGHT + legend_height + 14, LINES_HEIGHT - AXIS_BOTTOM
    points = [point for curve in plot.curves.values() for point in curve]
    across = Axis.over([x for x, _ in points], start=AXIS_LEFT, end=WIDTH - 2 * MARGIN, log=plot.log_x)
    up = Axis.over([y for _, y in points], start=bottom, end=top, log=plot.log_y)
    body = _scales(plot, across, up)
    for place, (name, curve) in enumerate(plot.curves.items()):
        colour = COLOURS[place % len(COLOURS)]
        body += _legend(place, name, colour)
        path = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in curve)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(curve) <= MARKED_POINTS:
            body += [f'<circle cx="{across.at(x):.1f}" cy="{up.at(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in curve]
    return body, LINES_HEIGHT


def _scales(plot: Lines, across: Axis, up: Axis) -> list[str]:
    body: list[str] = []
    for tick in up.ticks():
        y = up.at(tick)
        body.append(f'<path class="grid" d="M{across.start:.1f} {y:.1f}H{across.end:.1f}"/>')
        body.append(_text(across.start - 8, y + 4, number(tick), anchor="end", kind="soft"))
    for tick in across.ticks():
        x = across.at(tick)
        body.append(f'<path class="axis" d="M{x:.1f} {up.start:.1f}v5"/>')
        body.append(_text(x, up.start + 20, number(tick), anchor="middle", kind="soft"))
    body.append(f'<path class="axis" d="M{across.start:.1f} {up.start:.1f}H{across.end:.1f}"/>')
    body.append(_text((across.start + across.end) / 2, up.start + 40, plot.x_label, anchor="middle"))
    middle = (up.start + up.end) / 2
    turned = f'transform="rotate(-90 {MARGIN} {middle:.1f})"'
    body.append(_text(MARGIN, middle, plot.y_label, anchor="middle", more=turned))
    return body


def _legend(place: int, name: str, colour: str) -> list[str]:
    column_width = (WIDTH - 2 * MARGIN) / LEGEND_COLUMNS
    x = MARGIN + column_width * (place % LEGEND_COLUMNS)
    y = TITLE_HEIGHT + LEGEND_ROW * (place // LEGEND_COLUMNS)
    room = int((column_width - 24) / CHARACTER_WIDTH)
    shown = name if len(name) <= room else name[: room - 1] + "…"
    return [
        f'<rect x="{x:.1f}" y="{y}" width="14" height="10" rx="2" fill="{colour}"/>',
        _text(x + 20, y + 10, shown),
    ]


def _text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "", more: str = "") -> str:
    attributes = [f'x="{x:.1f}"', f'y="{y:.1f}"']
    attributes += [f'text-anchor="{anchor}"'] if anchor != "start" else []
    attributes += [f'class="{kind}"'] if kind else []
    attributes += [more] if more else []
    return f"<text {' '.join(attributes)}>{escape(words)}</text>"
