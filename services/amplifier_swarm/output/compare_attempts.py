"""Two verdicts next to each other, as wide as the terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from amplifier_swarm.output.terminal import say
from swarm_shared.program.readable import cut
from swarm_shared.program.terminal_text import safe

MAX_WIDTH = 160  # longer lines are hard to read
MIN_COLUMN = 30
OUTPUT_LINES = 12
_BETWEEN = " │ "
_SAME = {"problem": "the same problem", "diff": "the same change", "both": "the same problem and the same change"}


def print_same_problem(same: Mapping[str, Any]) -> None:
    """Print what two attempts have in common and both verdicts; `same` is from `same_problem`."""
    earlier, last = same["attempts"]
    say(f"\nAttempt {last['number']} failed in the same way as attempt {earlier['number']}: {_SAME[same['what']]}")
    room = min(MAX_WIDTH, shutil.get_terminal_size((100, 24)).columns)
    width = max(MIN_COLUMN, (room - len(_BETWEEN) - 2) // 2)
    for left, right in zip_longest(_lines(earlier, width), _lines(last, width), fillvalue=""):
        say(f"  {left.ljust(width)}{_BETWEEN}{right}".rstrip())


def _lines(verdict: Mapping[str, Any], width: int) -> list[str]:
    facts = [f"Attempt {verdict['number']}: {verdict['cause']}", str(verdict["error"] or "")]
    facts += [f"verdict: {verdict['verdict']}"] if verdict["verdict"] else []
    facts += [str(verdict["summary"])] if verdict["summary"] else []
    facts += [f"- {issue}" for issue in verdict["must_fix"]]
    for check in verdict["failed_checks"]:
        facts.append(f"$ {check['command']}")
        facts += str(check["output"] or "").splitlines()[-OUTPUT_LINES:]
    lines: list[str] = []
    for text in facts:
        for line in text.splitlines():
            lines += textwrap.wrap(cut(safe(line), 1000), width) or [""]
    return lines
