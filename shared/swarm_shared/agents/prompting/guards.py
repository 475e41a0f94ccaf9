"""Makes task text safe inside a prompt: mentions that a CLI would expand, and long words that it cannot handle."""

from __future__ import annotations

import re

# 300,000 characters without a space kept the Amplifier CLI busy for minutes.
LONGEST_WORD = 1_000

_LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")
# CLIs expand a name after the sign; before it there may be the first half of an e-mail address.
_MENTION = re.compile(r"[A-Za-z0-9_.+-]*@[A-Za-z0-9_:./~\\-]+")
_SIGN_BEFORE_NAME = re.compile(r"@(?=[A-Za-z0-9_:./~\\-])")
_FENCED = re.compile(r"^```[^\n]*\n(?s:.*?)^```", re.MULTILINE)
_QUOTED = re.compile(r"(?<!`)`(?!`)[^`]+(?<!`)`(?!`)")


def guard_mentions(text: str) -> str:
    """The text with every `@word` in code quotes, where CLIs leave it alone; unchanged where it already is.

    Unpaired quotes would undo this, so such a text gets a space after each `@` instead.
    """
    if not _exposed(text):
        return text
    guarded = "".join(
        piece if kept else _MENTION.sub(lambda found: f"`{found[0]}`", piece) for piece, kept in _pieces(text)
    )
    return guarded if not _exposed(guarded) else _SIGN_BEFORE_NAME.sub("@ ", text)


def wrap_long_words(text: str) -> str:
    """The text with a line break into every word longer than `LONGEST_WORD`."""

    def wrapped(found: re.Match[str]) -> str:
        word = found[0]
        return "\n".join(word[at : at + LONGEST_WORD] for at in range(0, len(word), LONGEST_WORD))

    return _LONG_WORD.sub(wrapped, text)


def _exposed(text: str) -> bool:
    return any(not kept and _SIGN_BEFORE_NAME.search(piece) for piece, kept in _pieces(text))


def _pieces(text: str) -> list[tuple[str, bool]]:
    """The text cut into what CLIs search for mentions (False) and code that they leave alone (True).

    Fences go first, as CLIs do it: what is left closes up before its quotes are paired.
    """
    pieces: list[tuple[str, bool]] = []
    for part, fenced in _split(text, _FENCED):
        pieces += [(part, True)] if fenced else _split(part, _QUOTED)
    return pieces


def _split(text: str, kept: re.Pattern[str]) -> list[tuple[str, bool]]:
    pieces = []
    end = 0
    for found in kept.finditer(text):
        pieces += [(text[end : found.start()], False), (found[0], True)]
        end = found.end()
    return pieces + [(text[end:], False)]
