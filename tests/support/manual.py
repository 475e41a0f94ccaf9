"""The README and the pages in docs/ as tests read them: their fenced blocks, shell commands and tables."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[2]
README = TOP / "README.md"
PAGES = (README, *sorted((TOP / "docs").glob("*.md")))
_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block; `line` is the number of its first line."""

    page: Path
    language: str
    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a shell block, continuation lines joined, comments removed."""

    page: Path
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


def blocks(language: str) -> list[Block]:
    """All blocks of a language, page by page, the README first."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for fence in _FENCE.finditer(text):
            if fence["language"] == language:
                line = text.count("\n", 0, fence.start()) + 2
                found.append(Block(page=page, language=language, line=line, text=fence["text"]))
    return found


def commands() -> list[Command]:
    """All commands of the shell blocks, in order."""
    found = []
    for block in blocks("bash"):
        joined = block.text.replace("\\\n", " " * 2)
        line = block.line
        for raw in joined.splitlines():
            words = shlex.split(raw, comments=True)
            if words:
                text = " ".join(word if word == ">" else shlex.quote(word) for word in words)
                found.append(Command(page=block.page, line=line, text=text))
            line += 1
    return found


def first_column(heading: str) -> list[str]:
    """The first cells of the table whose header line begins with these words, on whichever page it is."""
    return [row.strip("|").split("|")[0].strip() for row in table(heading)]


def table(heading: str) -> list[str]:
    """The rows of the table whose header line begins with these words, without header and ruler."""
    for page in PAGES:
        rows: list[str] = []
        for line in page.read_text(encoding="utf-8").splitlines():
            if rows and not line.startswith("|"):
                return rows[2:]
            if rows or line.startswith(heading):
                rows.append(line)
    raise LookupError(heading)
