"""A run through a provider's troubles, with and without routes: tests/trouble/run.py [--real] [--write FOLDER]

100 tasks, 8 workers, a plan window of two minutes; with stand-ins, or with --real: Claude Code and Codex from npm.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

PICTURE = "provider-trouble{}.svg"


def main() -> int:
    """0: every promise was kept; 1: some were not."""
    from trouble import real, stand_ins
    from trouble.phases import schedule
    from trouble.timeline import draw

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", action="store_true", help="Claude Code and Codex instead of stand-ins")
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--window", type=float, default=120.0, metavar="S", help="the plan window, in seconds")
    parser.add_argument(
        "--session", type=float, default=22.0, metavar="S", help="what a healthy session waits for its model"
    )
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="draw the timeline into this folder")
    options = parser.parse_args()
    phases = schedule(window_s=options.window, unit_s=options.window / 6)
    play = real.run if options.real else stand_ins.run
    runs = []
    with tempfile.TemporaryDirectory(prefix="trouble-") as folder:
        for title, with_routes in (("With two routes", True), ("Without routes", False)):
            found = play(
                Path(folder) / title.replace(" ", "-"),
                tasks=options.tasks,
                workers=options.workers,
                session_s=options.session,
                phases=phases,
                limit_s=3600.0,
                with_routes=with_routes,
            )
            runs.append((title, found, phases))
            print(
                f"{title}: {found.completed} of {found.tasks} completed in {found.minutes:.1f} min; attempts burnt "
                f"{found.attempts_burnt}, started while held {found.started_while_held}, most canaries after a hold "
                f"{found.most_canaries}, on a lower tier {found.lower_tier}, refused by the provider {found.refused}",
                flush=True,
            )
    if options.write:
        file = options.write / PICTURE.format("-real" if options.real else "")
        file.write_text(draw(runs), encoding="utf-8")
    problems = [f"{title}: {problem}" for title, found, _ in runs for problem in found.problems()]
    print("\n".join(problems) or "every promise was kept")
    return 1 if problems else 0


if __name__ == "__main__":
    tests = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(tests), str(tests / "support")]
    sys.exit(main())
