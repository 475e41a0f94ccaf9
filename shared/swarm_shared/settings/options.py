"""Click options made from the settings, so that every program shows the same help, default and variable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field
from pathlib import Path
from typing import Any, TypeVar

import click

from swarm_shared.settings.number_types import Number, WholeNumber
from swarm_shared.settings.settings import default_of, described, variable_of

F = TypeVar("F", bound=Callable[..., Any])
Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def setting(
    name: str, *flags: str, default: Any = None, help: str | None = None, complete: Complete | None = None
) -> Callable[[F], F]:
    """An option for one setting. Its value is None when not given, so that `config.resolve` can look further.

    Args:
        name: The setting's name in `config.Settings`.
        flags: How it is written; `--the-name` unless given. Yes-or-no settings take `--x/--no-x` or `--no-x` alone.
        default: The default of a program if it differs from the general one; only shown here, given to `resolve` there.
        help: A help text other than the setting's own.
        complete: What a shell offers for its value.
    """
    field = next((one for one in described() if one.name == name), None)
    if field is None or field.metadata.get("file_only"):
        raise KeyError(f"{name} is no setting that a flag can give")
    help_text = f"{help or field.metadata['help']}  [{_shown_default(name, default)}; {variable_of(name)}]"
    spelled = flags or (f"--{name.replace('_', '-')}",)
    if str(field.type) == "bool":
        return _switch(name, spelled, help_text)
    return click.option(*spelled, name, default=None, type=_type_of(field), help=help_text, shell_complete=complete)


def _switch(name: str, flags: tuple[str, ...], help_text: str) -> Callable[[F], F]:
    if flags == (f"--{name}",):
        return click.option(f"--{name}/--no-{name}", name, default=None, help=help_text)
    if len(flags) == 1 and flags[0].startswith("--no-"):
        # Given means off; not given means that the environment or the file decides.
        return click.option(flags[0], name, flag_value=False, default=None, type=bool, help=help_text)
    return click.option(*flags, name, default=None, help=help_text)


def _type_of(field: Field[Any]) -> Any:
    """The type for click: files and numbers are only named here, `config.resolve` checks them for every origin."""
    if choices := field.metadata.get("choices"):
        return click.Choice(choices)
    kind = str(field.type)
    if kind == "Path":
        return click.Path(path_type=Path)
    low, high = field.metadata["low"], field.metadata["high"]
    if kind == "int":
        return WholeNumber(low, high)
    if kind.startswith("float"):
        return Number(low, high)
    return str


def _shown_default(name: str, own: Any) -> str:
    value = default_of(name) if own is None else own
    if isinstance(value, bool):
        return f"default: {'on' if value else 'off'}"
    if isinstance(value, float):
        return f"default: {value:g}"
    return "default: none" if value in (None, "") else f"default: {value}"
