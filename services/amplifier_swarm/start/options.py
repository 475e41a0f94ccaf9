"""The options of a run: the same for `amplifier-swarm start` and `python -m amplifier_swarm.orchestrator`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from amplifier_swarm.command_line.names import complete_agent_cli, complete_branch
from swarm_shared.settings.options import setting

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS = (
    setting("project_root"),
    setting("builder_agent"),
    setting("validator_agent"),
    setting("agent_cli", complete=complete_agent_cli),
    setting("builder_model"),
    setting("validator_model"),
    setting("workers", "-n", "--workers"),
    setting("validation"),
    setting("max_retries"),
    setting("retry_delay_s", "--retry-delay"),
    setting("dashboard"),
    setting("dashboard_port"),
    setting("graceful_timeout_s", "--graceful-timeout"),
    setting("orphan_timeout_min", "--orphan-timeout"),
    setting("give_up_after_min", "--give-up-after"),
    setting("isolation"),
    setting("land_into", complete=complete_branch),
    setting("runner"),
)


def run_options(function: F) -> F:
    """All settings of a run that have a flag, and how it ends."""
    function = click.option(
        "--keep-running", is_flag=True, help="Keep running when the queue is empty, and wait for more tasks."
    )(function)
    for option in reversed(_SETTINGS):
        function = option(function)
    return function


def arguments_from(parameters: Iterable[click.Parameter], values: Mapping[str, Any]) -> list[str]:
    """The words of a command line that give these values again; None is what was not given.

    Args:
        parameters: Those of the command that `values` were parsed by.
    """
    words: list[str] = []
    for option in parameters:
        value = values.get(option.name or "")
        if value is True:
            words.append(option.opts[-1])
        elif value is False:
            words += option.secondary_opts[-1:]  # none for a plain switch, which is off by itself
        elif value is not None:
            words += [option.opts[-1], str(value)]
    return words
