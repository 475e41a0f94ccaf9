"""The command: plans rounds until so many kills are done, shows the progress, and reports the result."""

from __future__ import annotations

import argparse
import itertools
import math
import random
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from chaos import supervised_round, worktree_round, zombie_round
from chaos.arena import Arena
from chaos.crew_round import run_crew_round
from chaos.report import keep, machine_line, show
from chaos.rounds import Progress
from chaos.supervised_round import run_supervised_round
from chaos.verdict import Verdict
from chaos.worktree_round import run_worktree_round
from chaos.zombie_round import run_zombie_round

WORKSHOP = Path(__file__).resolve().parents[2] / "build" / "chaos"
KILLS = 10_000
KILLS_PER_ROUND = 250
EXIT_GOOD, EXIT_WRONG, EXIT_STOPPED = 0, 1, 130

Run = Callable[[Arena, int, Progress], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of round.

    Args:
        share: Of all kills; for frozen workers, how many in addition.
        settings: What its arena needs, by the folder it gets.
    """

    share: float
    runs: tuple[Run, ...]
    settings: Callable[[Path], dict[str, str]] = lambda folder: {}


KINDS = {
    "crew": Kind(share=0.85, runs=(run_crew_round,)),
    "supervisord": Kind(share=0.10, runs=(run_supervised_round,), settings=lambda _: supervised_round.SETTINGS),
    "worktrees": Kind(
        share=0.05,
        runs=(run_worktree_round, partial(run_worktree_round, refills=True)),
        settings=worktree_round.settings,
    ),
    "frozen": Kind(
        share=0.10,
        runs=(partial(run_zombie_round, dawdle=False), partial(run_zombie_round, dawdle=True)),
        settings=lambda _: zombie_round.SETTINGS,
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Kill, count, report; 0 if nothing was lost, doubled, left over or damaged, else 1; 130 if it was stopped."""
    arguments = _parser().parse_args(argv)
    if unknown := sorted(set(arguments.kinds) - set(KINDS)):
        print(f"no kind of round is called {unknown[0]}; there are: {', '.join(KINDS)}", file=sys.stderr)
        return EXIT_WRONG
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    folder = WORKSHOP / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    folder.mkdir(parents=True)
    signal.signal(signal.SIGTERM, _leave)
    console = Console()
    console.print(machine_line(), f"seed {seed}; raw output in {folder}", sep="\n", highlight=False)
    try:
        verdicts = _run_all(arguments.kinds or list(KINDS), arguments.kills, seed, folder, console)
    except KeyboardInterrupt:
        console.print("stopped; what the round had started is ended", highlight=False)
        return EXIT_STOPPED
    show(console, verdicts)
    console.print(f"raw output: {keep(folder, verdicts, seed=seed)}", highlight=False)
    return EXIT_GOOD if all(verdict.is_good for verdict in verdicts) else EXIT_WRONG


def _run_all(names: Sequence[str], kills: int, seed: int, folder: Path, console: Console) -> list[Verdict]:
    verdicts: list[Verdict] = []
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console) as bar:
        for name in names:
            kind = KINDS[name]
            wanted = max(1, round(kills * kind.share))
            at_most = min(KILLS_PER_ROUND, math.ceil(wanted / len(kind.runs)))
            task, done = bar.add_task(name, total=wanted), 0
            runs = itertools.cycle(kind.runs)
            while done < wanted:
                home = folder / f"{len(verdicts) + 1:03}-{name}"
                count = min(at_most, wanted - done)
                arena = Arena(home, seed + len(verdicts), kind.settings(home))
                verdict = next(runs)(arena, count, partial(_advance, bar, task, done))
                verdict.name = name
                done += max(count, verdict.kills.total())
                _advance(bar, task, 0, min(done, wanted))
                verdicts.append(verdict)
                console.print(verdict.in_a_line(), highlight=False)
                if verdict.is_good:
                    _throw_away_all_but_the_record(home)
                else:
                    console.print(verdict.text(), style="red", markup=False, highlight=False)
    return verdicts


def _advance(bar: Bar, task: TaskID, before: int, now: int) -> None:
    bar.update(task, completed=before + now)


def _throw_away_all_but_the_record(home: Path) -> None:
    """A round without faults keeps the ledger and the list of deaths; any other round keeps everything."""
    for path in home.iterdir():
        if path.name not in ("ledger", "deaths"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _leave(number: int, frame: object) -> None:
    raise KeyboardInterrupt  # the round ends the processes that it has started


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tests/chaos/run.py",
        description="Kill what a swarm is made of, again and again, and count what was lost, doubled or left over. "
        "Kinds of rounds: " + ", ".join(KINDS) + ".",
        epilog="Example: python tests/chaos/run.py crew --kills 500",
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="rounds of these kinds only (all)")
    parser.add_argument("--kills", type=int, default=KILLS, metavar="N", help=f"how many in all ({KILLS})")
    parser.add_argument("--seed", type=int, metavar="N", help="draw the same again; what comes of it still varies")
    return parser
