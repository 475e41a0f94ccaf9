"""The README as tests read it: its fenced blocks, and the commands of those that are for a shell."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[2]
README = TOP / "README.md"
_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block; `line` is where its first line stands."""

    language: str
    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a shell block, continuation lines joined, remarks taken out."""

    line: int
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


def blocks(language: str) -> list[Block]:
    """All blocks of a language, in order."""
    text = README.read_text(encoding="utf-8")
    return [
        Block(language=language, line=text.count("\n", 0, found.start()) + 2, text=found["text"])
        for found in _FENCE.finditer(text)
        if found["language"] == language
    ]


def commands() -> list[Command]:
    """All commands of the shell blocks, in order."""
    found = []
    for block in blocks("bash"):
        joined = block.text.replace("\\\n", " " * 2)
        line = block.line
        for raw in joined.splitlines():
            words = shlex.split(raw, comments=True)
            if words:
                found.append(Command(line=line, text=shlex.join(words)))
            line += 1
    return found


def tables_first_column(heading: str) -> list[str]:
    """The first cells of the first table below a line that begins with these words."""
    lines = README.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(heading))
    rows = []
    for line in lines[start:]:
        if line.startswith("|"):
            rows.append(line.strip("|").split("|")[0].strip())
        elif rows:
            break
    return rows[2:]
