"""Whether two entries of `files:` can mean the same file."""

from __future__ import annotations

ANY_PATH = "**"
# Comparing two patterns costs up to the product of their lengths. Beyond this they count as overlapping: that
# costs some waiting and never a collision.
MAX_WORK = 250_000


def segments(pattern: str) -> tuple[str, ...]:
    """The parts of a pattern between its slashes; `./` and a slash at the end mean nothing."""
    return tuple(part for part in pattern.split("/") if part not in ("", "."))


def fixed_head(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The leading parts without wildcards: where to look for patterns that can overlap at all."""
    for number, part in enumerate(parts):
        if _is_wild(part):
            return parts[:number]
    return parts


def overlap(one: str, other: str) -> bool:
    """Whether some path is covered by both patterns.

    `*`, `?` and `[…]` stay within a part, `**` spans parts. A path without wildcards at its end, or with nothing
    but stars there, may be a folder and covers everything below. A set `[…]` counts as any character: True can be
    a false alarm, False never is.
    """
    if one == other:
        return True
    if len(one) * len(other) > MAX_WORK:
        return True
    return _meet(segments(one), segments(other))


def _is_wild(part: str) -> bool:
    return "*" in part or "?" in part or "[" in part


def _meet(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether both patterns can be walked side by side to a path that both cover."""
    one_is_folder, other_is_folder = _may_be_folder(one), _may_be_folder(other)
    open_states = [(0, 0)]
    seen = set(open_states)
    while open_states:
        at_one, at_other = open_states.pop()
        one_ends, other_ends = at_one == len(one), at_other == len(other)
        if (one_ends and (other_ends or one_is_folder)) or (other_ends and other_is_folder):
            return True
        steps = []
        if not one_ends and one[at_one] == ANY_PATH:
            steps.append((at_one + 1, at_other))
        if not other_ends and other[at_other] == ANY_PATH:
            steps.append((at_one, at_other + 1))
        if not one_ends and not other_ends:
            if one[at_one] == ANY_PATH:
                steps.append((at_one, at_other + 1))
            elif other[at_other] == ANY_PATH:
                steps.append((at_one + 1, at_other))
            elif _parts_meet(one[at_one], other[at_other]):
                steps.append((at_one + 1, at_other + 1))
        for step in steps:
            if step not in seen:
                seen.add(step)
                open_states.append(step)
    return False


def _may_be_folder(parts: tuple[str, ...]) -> bool:
    return not parts or not _is_wild(parts[-1]) or not parts[-1].strip("*")


def _parts_meet(one: str, other: str) -> bool:
    if not _is_wild(one) and not _is_wild(other):
        return one == other
    return _texts_meet(_symbols(one), _symbols(other))


def _symbols(part: str) -> list[str]:
    """The characters of a part, a set `[…]` as one `?`."""
    symbols = []
    at = 0
    while at < len(part):
        end = part.find("]", at + 2) if part[at] == "[" else -1
        symbols.append("?" if end > 0 else part[at])
        at = end + 1 if end > 0 else at + 1
    return symbols


def _texts_meet(one: list[str], other: list[str]) -> bool:
    """Whether some text matches both, with `*` and `?` as wildcards."""
    reachable = _past_stars({0}, other)
    for symbol in one:
        if symbol == "*":
            reachable = set(range(min(reachable, default=len(other) + 1), len(other) + 1))
            continue
        following = set()
        for at in reachable:
            if at == len(other):
                continue
            if other[at] == "*":
                following.add(at)
            elif "?" in (symbol, other[at]) or symbol == other[at]:
                following.add(at + 1)
        reachable = _past_stars(following, other)
    return len(other) in reachable


def _past_stars(places: set[int], pattern: list[str]) -> set[int]:
    """The places, and those behind the stars at them, which may match nothing."""
    found = set(places)
    for at in places:
        while at < len(pattern) and pattern[at] == "*":
            at += 1
            found.add(at)
    return found
