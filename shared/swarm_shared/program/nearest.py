"""Finds the known word that was probably meant, at a cost that no input can drive up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence

CUTOFF = 0.6
# Up to here every word is compared; beyond it only those that sort next to the given one, from either end.
MAX_CANDIDATES = 400
# Comparing two texts costs up to the product of their lengths; so much of it per file, about half a second.
WORK_BUDGET = 2_000_000
MAX_NAMED = 10


class Suggester:
    """Suggests one of a fixed set of words, until its budget of comparisons is used up."""

    def __init__(self, words: Collection[str]) -> None:
        self._words = words
        self._forward: list[str] | None = None
        self._backward: list[str] = []
        self._work_left = WORK_BUDGET

    def nearest(self, text: str) -> str | None:
        """The most similar word; None when none is similar, or the budget is used up."""
        if self._work_left <= 0:
            return None
        affordable = []
        for word in self._candidates(text):
            self._work_left -= len(word) * len(text)
            if self._work_left <= 0:
                break
            affordable.append(word)
        import difflib  # here, as only mistakes need it: it loads slowly

        found = difflib.get_close_matches(text, affordable, n=1, cutoff=CUTOFF)
        return found[0] if found else None

    def _candidates(self, text: str) -> Collection[str]:
        if len(self._words) <= MAX_CANDIDATES:
            return self._words
        if self._forward is None:
            self._forward = sorted(self._words)
            self._backward = sorted(word[::-1] for word in self._words)
        neighbours = _around(self._forward, text)
        neighbours += [word[::-1] for word in _around(self._backward, text[::-1])]
        return dict.fromkeys(neighbours)


def _around(ordered: Sequence[str], text: str) -> list[str]:
    at = bisect_left(ordered, text)
    half = MAX_CANDIDATES // 4
    return list(ordered[max(0, at - half) : at + half])


def or_nearest(word: str | None, otherwise: str) -> str:
    """Advice that names the nearest word if there is one."""
    return f'did you mean "{word}"?' if word is not None else otherwise


def suggestion(typed: str, known: Collection[str], they_are: str) -> str | None:
    """Advice for a mistyped name: the nearest known one, else the first ones ("phases are: …"); None without any."""
    if not known:
        return None
    nearest = Suggester(known).nearest(typed)
    more = f" and {len(known) - MAX_NAMED} more" if len(known) > MAX_NAMED else ""
    return or_nearest(nearest, f"{they_are}: {', '.join(list(known)[:MAX_NAMED])}{more}")
