"""The measurements so far: shown and stored on disk after each figure, as raw numbers and as a page of the manual."""

from __future__ import annotations

import json
import signal
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figure import CannotMeasure, Figure, Scale, Target
from bench.machine import Before, Machine, look_before
from bench.measurements import Measurement
from bench.plot import svg
from bench.render import figure_text, report_markdown, target_text

HANGS_AFTER_S = 600  # about three times what the longest figure takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A figure, and under what conditions it was measured."""

    figure: Figure
    before: Before
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The request: all existing figures, the wanted ones, and where the page goes, if anywhere."""

    all: Mapping[str, Measurement]
    names: tuple[str, ...]
    quick: bool
    page: Path | None

    @property
    def command(self) -> str:
        """The command with which a user repeats it."""
        words = [*(() if set(self.names) == set(self.all) else self.names), *(("--quick",) if self.quick else ())]
        return f'make bench ARGS="{" ".join([*words, "--write docs/bench"])}"'


class Report:
    """The figures of one request. An interruption keeps what was measured until then."""

    def __init__(self, request: Request, machine: Machine, *, raw: Path) -> None:
        self.done: dict[str, Done] = {}
        self.missing: dict[str, str] = {}  # name -> why it could not be measured
        self.broken: set[str] = set()  # those of the missing that should have been there
        self._request, self._machine, self._raw = request, machine, raw
        self._when = datetime.now(UTC)

    def measure_all(self) -> None:
        """Each figure once; broken ones once more at the end."""
        names, began = self._request.names, time.monotonic()
        for number, name in enumerate(names, 1):
            minutes = (time.monotonic() - began) / 60
            print(f"[{number} of {len(names)}, {minutes:.0f} min so far] {name} …", flush=True)
            self._measure(name)
        for name in [name for name in names if name in self.broken]:
            print(f"[once more] {name} …", flush=True)
            self._measure(name)

    def targets(self) -> list[Target]:
        return [target for each in self.done.values() for target in each.figure.targets]

    def summary(self) -> list[str]:
        """Missed targets, what is missing, and where the results are."""
        targets = self.targets()
        return [
            f"{sum(target.met for target in targets)} of {len(targets)} targets met",
            *(target_text(target) for target in targets if not target.met),
            *(f"not measured: {name}: {why}" for name, why in self.missing.items()),
            f"raw numbers: {self._raw}",
            *([] if self._request.page is None else [f"written: {self._request.page}"]),
        ]

    def _measure(self, name: str) -> None:
        """A broken figure does not affect the others, which may have taken minutes."""
        self.missing.pop(name, None)
        self.broken.discard(name)
        try:
            self.done[name] = self._watched(self._request.all[name])
        except CannotMeasure as error:
            self.missing[name] = str(error)
            print(f"{name} left out: {error}\n", flush=True)
        except Exception as error:
            self.missing[name] = f"it broke ({type(error).__name__})"
            self.broken.add(name)
            print(f"{traceback.format_exc()}\n{name} broke\n", flush=True)
        self._keep()

    def _watched(self, measurement: Measurement) -> Done:
        before = look_before()
        began = time.monotonic()
        with no_longer_than(HANGS_AFTER_S):
            figure = measurement.measure(Scale(quick=self._request.quick))
        took_s = time.monotonic() - began
        print(figure_text(measurement.title, figure))
        print(f"{before.text}; took {took_s:.0f} s\n", flush=True)
        return Done(figure=figure, before=before, took_s=took_s)

    def _keep(self) -> None:
        self._raw.write_text(json.dumps(self._document(), indent=1))
        if self._request.page is not None:
            self._write_page(self._request.page)

    def _document(self) -> dict[str, Any]:
        return {
            "at": self._when.isoformat(timespec="seconds"),
            "machine": asdict(self._machine),
            "missing": self.missing,
            "figures": {
                name: {
                    "before": asdict(each.before),
                    "took_s": each.took_s,
                    "targets": [{**asdict(target), "met": target.met} for target in each.figure.targets],
                    "tables": [asdict(table) for table in each.figure.tables],
                    "notes": each.figure.notes,
                    "raw": each.figure.raw,
                }
                for name, each in self.done.items()
            },
        }

    def _write_page(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for each in self.done.values():
            for name, plot in each.figure.plots.items():
                (folder / f"{name}.svg").write_text(svg(plot))
        titles = {name: each.title for name, each in self._request.all.items()}
        page = report_markdown(
            self._machine,
            f"{self._when:%Y-%m-%d}",
            self._request.command,
            # A figure that took two tries is still in its place.
            [
                (titles[name], self.done[name].figure, self.done[name].before)
                for name in self._request.names
                if name in self.done
            ],
            {titles[name]: why for name, why in self.missing.items()},
        )
        (folder / "README.md").write_text(page)


@contextmanager
def no_longer_than(s: int) -> Iterator[None]:
    """End a measurement that hangs, in whatever call it is; for the main thread.

    Raises:
        TimeoutError: It took longer.
    """

    def too_long(*_: object) -> None:
        raise TimeoutError(f"not measured within {s} s")

    earlier = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(s)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)
