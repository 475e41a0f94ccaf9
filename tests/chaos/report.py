"""The result of a run of many rounds: tables for a user, and everything raw as one JSON document."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chaos.verdict import Verdict
from swarm_shared.store.engine.connection import engine_version

COUNTS = {
    "workers frozen": "frozen",
    "tasks": "tasks",
    "attempts": "attempts",
    "agents in the ledger": "sessions",
    "taken away": "fenced",
    "stale refused": "refused",
}
WRONGS = {
    "tasks lost or wrong": "lost",
    "agents overlapping": "overlapping",
    "stale accepted": "stale",
    "processes left over": "left_over",
    "integrity errors": "damaged",
    "bugs in the logs": "faults",
}


def machine_line() -> str:
    """The machine and versions of the run."""
    machine = f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{machine}, SQLite {engine_version()}; state is synced to disk, claims and heartbeats are not"


def show(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Two tables: the kills by target or point, and each kind of round with its faults."""
    console.print(_kills_table(verdicts))
    console.print(_rounds_table(verdicts))


def keep(folder: Path, verdicts: Sequence[Verdict], *, seed: int) -> Path:
    """Write everything raw; returns the file."""
    file = folder / "result.json"
    rows = [{each.name: getattr(verdict, each.name) for each in fields(verdict)} for verdict in verdicts]
    file.write_text(json.dumps({"machine": machine_line(), "seed": seed, "rounds": rows}, indent=1))
    return file


def _kills_table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(title="Killed with SIGKILL")
    table.add_column("what, or at which point")
    table.add_column("kills", justify="right")
    kills = sum((verdict.kills for verdict in verdicts), Counter[str]())
    for what, count in sorted(kills.items(), key=lambda item: (":" in item[0], -item[1])):
        table.add_row(what, f"{count:,}")
    table.add_section()
    table.add_row("all", f"{kills.total():,}")
    return table


def _rounds_table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(title="What came of it")
    table.add_column("in rounds of")
    names = list(dict.fromkeys(verdict.name for verdict in verdicts))
    groups = [[verdict for verdict in verdicts if verdict.name == name] for name in names] + [list(verdicts)]
    for name in (*names, "all"):
        table.add_column(name, justify="right")
    table.add_row("rounds", *(f"{len(group)}" for group in groups))
    table.add_row("kills", *(f"{sum(verdict.kills.total() for verdict in group):,}" for group in groups))
    for label, field in COUNTS.items():
        table.add_row(label, *(f"{sum(getattr(verdict, field) for verdict in group):,}" for group in groups))
    table.add_row("minutes", *(f"{sum(verdict.took_s for verdict in group) / 60:.1f}" for group in groups))
    table.add_section()
    for label, field in WRONGS.items():
        wrongs = [sum(len(getattr(verdict, field)) for verdict in group) for group in groups]
        table.add_row(label, *(f"[bold red]{wrong:,}[/]" if wrong else "0" for wrong in wrongs))
    return table
