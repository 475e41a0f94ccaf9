"""Numbers on the command line, with errors that name the numbers which are accepted."""

from __future__ import annotations

from typing import Any

import click


class WholeNumber(click.IntRange):
    """`3x` and 300 get the same answer: a whole number from 0 to 256."""

    name = "n"  # in help

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return _converted(super().convert, "a whole number", self, value, param, ctx)

    def _describe_range(self) -> str:
        return _bounds(self).removeprefix(" of").strip()


class Number(click.FloatRange):
    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return _converted(super().convert, "a number", self, value, param, ctx)

    def _describe_range(self) -> str:
        return _bounds(self).removeprefix(" of").strip()


def _converted(
    convert: Any,
    what: str,
    range_: click.IntRange | click.FloatRange,
    value: Any,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> Any:
    try:
        return convert(value, param, ctx)
    except click.BadParameter:
        raise click.BadParameter(f"{str(value)!r} is not {what}{_bounds(range_)}", ctx, param) from None


def _bounds(range_: click.IntRange | click.FloatRange) -> str:
    low, high = range_.min, range_.max
    if low is None:
        return "" if high is None else f" of at most {high:g}"
    if range_.min_open:
        return f" above {low:g}" + ("" if high is None else f", at most {high:g}")
    return f" of at least {low:g}" if high is None else f" from {low:g} to {high:g}"
