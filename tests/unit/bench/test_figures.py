"""How the benchmarks present numbers: statistics, verdicts, tables and plots."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from bench.figure import Bars, Lines, Table, Target, cumulative, percentile
from bench.plot import svg
from bench.render import number, table_markdown, table_text, target_text

CURVES = Lines(
    title="Time & place",
    x_label="workers",
    y_label="ms",
    curves={"ours <fast>": [(1, 2.0), (8, 30.0)], "theirs": [(1, 3.0), (8, 900.0)]},
)


def test_a_percentile_is_a_measured_value() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 3.0, 5.0, 5.0]


def test_a_cumulative_curve_ends_at_the_total() -> None:
    assert cumulative([4.0, 2.0]) == [(2.0, 0.0), (2.0, 50.0), (4.0, 100.0)]


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (0.012345, "0.0123"), (4.567, "4.57"), (99.96, "100"), (1234.5, "1,234")]
)
def test_numbers_have_three_significant_digits(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "at_most", "text"),
    [
        (2.0, True, "met: import: 2 × (≤ 2 ×)"),
        (2.1, True, "MISSED: import: 2.1 × (≤ 2 ×)"),
        (2.0, False, "met: import: 2 × (≥ 2 ×)"),
        (1.9, False, "MISSED: import: 1.9 × (≥ 2 ×)"),
    ],
)
def test_a_target_reports_whether_it_was_met(value: float, at_most: bool, text: str) -> None:
    assert target_text(Target(text="import", value=value, limit=2.0, unit="×", at_most=at_most)) == text


def test_a_table_looks_the_same_in_a_terminal_and_in_the_manual() -> None:
    table = Table(columns=("what", "ms"), rows=(("ours", 1234), ("theirs", None)))
    assert table_text(table) == ["what       ms", "──────  ─────", "ours    1,234", "theirs      –"]
    assert table_markdown(table) == ["| what | ms |", "|---|---:|", "| ours | 1,234 |", "| theirs | – |"]


@pytest.mark.parametrize(
    "plot",
    [
        CURVES,
        Lines(title="one point", x_label="x", y_label="y", curves={"a": [(1, 1)]}, log_x=True, log_y=True),
        Bars(title="bars", unit="ms", bars=(("ours & theirs", 0.0), ("xargs", 12.5)), accented=frozenset({"xargs"})),
        Bars(title="none", unit="", bars=()),
    ],
)
def test_a_plot_is_a_self_contained_document(plot: Bars | Lines) -> None:
    root = ElementTree.fromstring(svg(plot))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    drawn = [element for element in root.iter() if "x" in element.attrib or "cx" in element.attrib]
    assert drawn[0].attrib["class"] == "ground"
    for element in drawn:
        x, y = (float(element.attrib.get(axis, element.attrib.get(f"c{axis}"))) for axis in "xy")
        assert 0 <= x + float(element.attrib.get("width", 0)) <= width
        assert 0 <= y + float(element.attrib.get("height", 0)) <= height


def test_a_plot_has_a_light_and_a_dark_version() -> None:
    light, _, dark = svg(CURVES).partition("@media (prefers-color-scheme: dark)")
    for part in (light, dark):
        assert ".ground {" in part
        assert "text {" in part
