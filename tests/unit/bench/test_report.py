"""The report of the benchmarks: a failure of one figure does not affect the others."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import report
from bench.figure import Bars, CannotMeasure, Figure, Scale, Table, Target
from bench.machine import Before, Machine
from bench.measurements import Measurement
from bench.report import Report, Request, no_longer_than
from bench.tools import Tool, missing_text

MACHINE = Machine(
    cores=2,
    processor="a processor",
    memory_gib=4,
    system="Linux",
    python="3.13",
    engine="SQLite",
    file_system="ext4",
    revision="abc",
)
Measure = Callable[[Scale], Figure]


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "look_before", lambda: Before(load=0.0, others_percent=0.0))


def fine(_: Scale) -> Figure:
    return Figure(
        how="Counted.",
        tables=(Table(columns=("what", "ms"), rows=(("ours", 1),)),),
        targets=(Target(text="quick enough", value=3.0, limit=2.0),),
        plots={"fine": Bars(title="A plot", unit="ms", bars=(("ours", 1.0),))},
        raw={"ms": [1]},
    )


def broken(_: Scale) -> Figure:
    raise RuntimeError("a service ended")


def without_tool(_: Scale) -> Figure:
    raise CannotMeasure("needs a tool")


def interrupted(_: Scale) -> Figure:
    raise KeyboardInterrupt


def breaking_once() -> Measure:
    measures = iter([broken, fine])
    return lambda scale: next(measures)(scale)


def made(folder: Path, **measures: Measure) -> Report:
    figures = {name: Measurement(title=f"Title of {name}", measure=measure) for name, measure in measures.items()}
    request = Request(all=figures, names=tuple(figures), quick=False, page=folder / "page")
    return Report(request, MACHINE, raw=folder / "raw.json")


def test_a_broken_figure_does_not_affect_the_others(tmp_path: Path) -> None:
    made_report = made(tmp_path, broken=broken, without_tool=without_tool, fine=fine)
    made_report.measure_all()
    page = (tmp_path / "page" / "README.md").read_text()
    assert "## Title of fine" in page
    assert "![A plot](fine.svg)" in page
    assert (tmp_path / "page" / "fine.svg").exists()
    assert "- Not measured: Title of broken: it broke (RuntimeError)" in page
    assert "- Not measured: Title of without_tool: needs a tool" in page
    assert made_report.broken == {"broken"}
    assert made_report.summary()[:2] == ["0 of 1 targets met", "MISSED: quick enough: 3 (≤ 2)"]
    assert json.loads((tmp_path / "raw.json").read_text())["figures"]["fine"]["raw"] == {"ms": [1]}


def test_a_broken_figure_is_measured_once_more_and_keeps_its_place(tmp_path: Path) -> None:
    made_report = made(tmp_path, shaky=breaking_once(), fine=fine)
    made_report.measure_all()
    page = (tmp_path / "page" / "README.md").read_text()
    assert not made_report.broken
    assert "Not measured" not in page
    assert page.index("Title of shaky") < page.index("Title of fine")


def test_an_interrupted_report_keeps_what_was_measured_until_then(tmp_path: Path) -> None:
    made_report = made(tmp_path, fine=fine, interrupted=interrupted)
    with pytest.raises(KeyboardInterrupt):
        made_report.measure_all()
    assert "## Title of fine" in (tmp_path / "page" / "README.md").read_text()


def test_the_page_says_how_to_measure_again(tmp_path: Path) -> None:
    figures = {name: Measurement(title=name, measure=fine) for name in ("a", "b")}
    some = Request(all=figures, names=("b",), quick=True, page=tmp_path)
    assert some.command == 'make bench ARGS="b --quick --write docs/bench"'
    every = Request(all=figures, names=("a", "b"), quick=False, page=tmp_path)
    assert every.command == 'make bench ARGS="--write docs/bench"'


def test_a_figure_that_hangs_is_ended_and_the_alarm_is_cleared() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeoutError, match="within 60 s"), no_longer_than(60):
        signal.raise_signal(signal.SIGALRM)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.alarm(0) == 0


def test_missing_tools_are_reported_with_the_one_command_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parallel = Tool(name="parallel", full_name="GNU parallel", banner="GNU parallel")
    strace = Tool(name="strace", full_name="strace")
    monkeypatch.setenv("PATH", str(tmp_path))
    shown = missing_text((parallel, strace))
    assert shown == "GNU parallel and strace are not measured; for that type: apt-get install parallel strace"
    for name, says in (("parallel", "parallel of moreutils"), ("strace", "strace -- version 6")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (tmp_path / name).chmod(0o755)
    assert missing_text((parallel, strace)) == "GNU parallel is not measured; for that type: apt-get install parallel"
    (tmp_path / "parallel").write_text("#!/bin/sh\necho 'GNU parallel 2022'\n")
    assert missing_text((parallel, strace)) is None
