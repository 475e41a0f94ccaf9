"""The table of `make agents`, and where it goes in a page."""

from __future__ import annotations

import pytest

from agents.cases import PROMISES, RETRY, TO_ITS_END, WHOLE, Finding
from agents.clis import BY_NAME
from agents.provider import Fault
from agents.table import BEGIN, END, Column, render, replaced


def column(name: str, user: str, *findings: Finding) -> Column:
    return Column(cli=BY_NAME[name], version="1.2.3", user=user, findings=findings, seconds=1.0)


def kept(promise: str) -> Finding:
    return Finding(promise=promise, kept=True)


def row(text: str, promise: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {promise} |"))


def test_a_cell_has_a_mark_for_each_user() -> None:
    broken = Finding(promise=WHOLE, kept=False, seen="held | for\nnothing")
    text = render([column("codex", "root", kept(WHOLE)), column("codex", "nobody", broken), column("pi", "root")])
    assert "codex 1.2.3 | pi 1.2.3" in text
    assert row(text, WHOLE) == f"| {WHOLE} | ✔ ✗ | – |"
    assert f"- codex as nobody: {WHOLE}. Seen: held \\| for nothing" in text


def test_promises_that_a_broken_trial_did_not_reach_are_not_called_kept() -> None:
    cut = Finding(promise=TO_ITS_END, kept=False, seen="waited in vain")
    text = render([column("codex", "root", kept(WHOLE), cut)])
    assert "✔" in row(text, WHOLE)
    assert "✗" in row(text, RETRY)


def test_shortened_trials_are_named() -> None:
    assert "stream_max_retries" in render([column("codex", "root", kept(PROMISES[Fault.QUOTA]))])


def test_the_table_replaces_the_text_between_the_marks() -> None:
    assert replaced(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    with pytest.raises(ValueError, match="needs the lines"):
        replaced("a page without marks", "new")
