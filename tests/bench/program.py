"""The command: runs the figures that were asked for, shows them, and keeps the raw numbers."""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import (
    answers,
    claims,
    cost,
    footprint,
    imports,
    landings,
    live,
    open_pages,
    recovery,
    run_ends,
    screen,
    throughput,
    wake,
)
from bench.desk import WORKSHOP
from bench.figure import CannotMeasure, Figure, Scale
from bench.machine import Before, Machine, look_before, this_machine
from bench.plot import svg
from bench.render import figure_text, report_markdown

EXIT_DONE, EXIT_MISSED, EXIT_BROKEN = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A figure that can be asked for by name."""

    title: str
    measure: Callable[[Scale], Figure]


MEASUREMENTS = {
    "throughput": Measurement(title=throughput.TITLE, measure=throughput.measure),
    "claims": Measurement(title=claims.TITLE, measure=claims.measure),
    "recovery": Measurement(title=recovery.TITLE, measure=recovery.measure),
    "wake": Measurement(title=wake.TITLE, measure=wake.measure),
    "run": Measurement(title=run_ends.TITLE, measure=run_ends.measure),
    "imports": Measurement(title=imports.TITLE, measure=imports.measure),
    "footprint": Measurement(title=footprint.TITLE, measure=footprint.measure),
    "live": Measurement(title=live.TITLE, measure=live.measure),
    "screen": Measurement(title=screen.TITLE, measure=screen.measure),
    "answers": Measurement(title=answers.TITLE, measure=answers.measure),
    "pages": Measurement(title=open_pages.TITLE, measure=open_pages.measure),
    "landing": Measurement(title=landings.TITLE, measure=landings.measure),
    "cost": Measurement(title=cost.TITLE, measure=cost.measure),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A figure, and under what conditions it was measured."""

    figure: Figure
    before: Before
    took_s: float


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; 0 when all went well, 1 with --strict and a missed target, 2 when a figure could not be measured."""
    arguments = _parser().parse_args(argv)
    names = arguments.names or list(MEASUREMENTS)
    unknown = sorted(set(names) - set(MEASUREMENTS))
    if unknown:
        print(f"no figure is called {unknown[0]}; there are: {', '.join(MEASUREMENTS)}", file=sys.stderr)
        return EXIT_BROKEN
    WORKSHOP.mkdir(parents=True, exist_ok=True)
    machine = this_machine(WORKSHOP)
    print("\n".join(machine.lines()) + "\n", flush=True)
    done: dict[str, Done] = {}
    broken = False
    for name in names:
        try:
            done[name] = _measure(name, Scale(quick=arguments.quick))
        except CannotMeasure as error:
            print(f"{name} left out: {error}\n", flush=True)
        except Exception:
            # One broken figure must not cost the others, which may have taken minutes.
            traceback.print_exc()
            broken = True
    when = datetime.now(UTC)
    print(f"raw numbers: {_keep(machine, when, done)}")
    if arguments.write is not None:
        _write(arguments.write, machine, when, done, quick=arguments.quick)
    missed = any(not target.met for each in done.values() for target in each.figure.targets)
    if broken:
        return EXIT_BROKEN
    return EXIT_MISSED if missed and arguments.strict else EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tests/bench/run.py",
        description="Measure the suite on this machine. Figures: " + ", ".join(MEASUREMENTS) + ".",
        epilog="Example: python tests/bench/run.py throughput claims --quick",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to measure (all)")
    parser.add_argument("--quick", action="store_true", help="small and rough: under two minutes for all")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write plots and a page there, such as docs/bench")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    return parser


def _measure(name: str, scale: Scale) -> Done:
    before = look_before()
    began = time.monotonic()
    figure = MEASUREMENTS[name].measure(scale)
    took_s = time.monotonic() - began
    print(figure_text(MEASUREMENTS[name].title, figure))
    print(f"{before.told}; took {took_s:.0f} s\n", flush=True)
    return Done(figure=figure, before=before, took_s=took_s)


def _keep(machine: Machine, when: datetime, done: dict[str, Done]) -> Path:
    """All raw numbers as one JSON document."""
    document = {
        "at": when.isoformat(timespec="seconds"),
        "machine": asdict(machine),
        "figures": {
            name: {
                "before": asdict(each.before),
                "took_s": each.took_s,
                "targets": [{**asdict(target), "met": target.met} for target in each.figure.targets],
                "tables": [asdict(table) for table in each.figure.tables],
                "notes": each.figure.notes,
                "raw": each.figure.raw,
            }
            for name, each in done.items()
        },
    }
    file = WORKSHOP / f"{when:%Y%m%d-%H%M%S}.json"
    file.write_text(json.dumps(document, indent=1))
    return file


def _write(folder: Path, machine: Machine, when: datetime, done: dict[str, Done], *, quick: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for each in done.values():
        for name, plot in each.figure.plots.items():
            (folder / f"{name}.svg").write_text(svg(plot))
    named = "" if len(done) == len(MEASUREMENTS) else "".join(f" {name}" for name in done)
    command = f"python tests/bench/run.py{named}{' --quick' if quick else ''} --write docs/bench"
    figures = [(MEASUREMENTS[name].title, each.figure, each.before) for name, each in done.items()]
    (folder / "README.md").write_text(report_markdown(machine, f"{when:%Y-%m-%d}", command, figures))
    print(f"written: {folder}")
