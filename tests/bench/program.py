"""The command: what is to be measured, and the exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import tools
from bench.harness import WORKSHOP
from bench.machine import this_machine
from bench.measurements import MEASUREMENTS
from bench.report import Report, Request

EXIT_DONE, EXIT_MISSED, EXIT_BROKEN, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; 0 when all went well, 1 with --strict and a missed target, 2 when a figure could not be measured."""
    arguments = _parser().parse_args(argv)
    names = tuple(dict.fromkeys(arguments.names)) or tuple(MEASUREMENTS)
    unknown = sorted(set(names) - set(MEASUREMENTS))
    if unknown:
        print(f"no figure is called {unknown[0]}; there are: {', '.join(MEASUREMENTS)}", file=sys.stderr)
        return EXIT_BROKEN
    WORKSHOP.mkdir(parents=True, exist_ok=True)
    machine = this_machine(WORKSHOP)
    missing = tools.missing_text()
    print(*machine.lines(), *([missing] if missing else []), "", sep="\n", flush=True)
    request = Request(all=MEASUREMENTS, names=names, quick=arguments.quick, page=arguments.write)
    report = Report(request, machine, raw=WORKSHOP / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json")
    interrupted = False
    try:
        report.measure_all()
    except KeyboardInterrupt:
        interrupted = True
        print("\ninterrupted\n")
    print("\n".join(report.summary()))
    if interrupted:
        return EXIT_INTERRUPTED
    if report.broken:
        return EXIT_BROKEN
    missed = any(not target.met for target in report.targets())
    return EXIT_MISSED if missed and arguments.strict else EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tests/bench/run.py",
        description="Measure Amplifier Swarm on this machine. Figures: " + ", ".join(MEASUREMENTS) + ".",
        epilog="Example: python tests/bench/run.py throughput claims --quick",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to measure (all)")
    parser.add_argument("--quick", action="store_true", help="small and rough; takes a few minutes for all")
    parser.add_argument(
        "--write", type=Path, metavar="FOLDER", help="write plots and a page into this folder, such as docs/bench"
    )
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    return parser
