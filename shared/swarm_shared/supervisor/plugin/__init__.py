"""Our part of supervisord's own process: scaling, settings from the environment, orphans, the owner.

supervisord.conf names the two factories, and neither supervisord nor supervisorctl starts when they cannot be
imported. So nothing in this package imports any of our other code.
"""

from __future__ import annotations

import glob
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from supervisor import events

from swarm_shared.supervisor.plugin.command import ScaleCommand
from swarm_shared.supervisor.plugin.forked_children import hear_signals_from_birth
from swarm_shared.supervisor.plugin.full_disk import survive_full_disk
from swarm_shared.supervisor.plugin.interface import SwarmInterface
from swarm_shared.supervisor.plugin.override import apply_environment

__all__ = ["make_ctl", "make_rpc"]


def make_rpc(supervisord: Any) -> SwarmInterface:
    """supervisord's factory of the `swarm` namespace; it runs before anything is spawned."""
    _refuse_pattern(supervisord.options)
    survive_full_disk()
    hear_signals_from_birth(supervisord.options)
    _put_our_programs_on_the_path()
    if supervisord.options.first:  # after a `reload` the override still holds the requested size
        apply_environment(supervisord)
    interface = SwarmInterface(supervisord)
    for event, callback in interface._callbacks().items():
        events.subscribe(event, _guarded(callback, supervisord.options.logger))
    return interface


def make_ctl(controller: Any) -> ScaleCommand:
    """supervisorctl's factory of the `scale` command."""
    return ScaleCommand(controller)


def _refuse_pattern(options: Any) -> None:
    """End with an explanation where supervisord would read the path of its folder as a pattern."""
    if glob.escape(options.here) != options.here:
        options.usage(
            f"{options.here} has a *, ? or [ in it, which supervisord takes for a pattern: it would ignore "
            "supervisord.d and the SWARM_ variables; move the folder, or start from a symbolic link to it"
        )


def _put_our_programs_on_the_path() -> None:
    """Let bare command names be found with the virtual environment not activated, and with no PATH at all."""
    ours = os.path.dirname(sys.executable)
    path = (os.environ.get("PATH") or os.defpath).split(os.pathsep)
    if path[0] != ours:
        os.environ["PATH"] = os.pathsep.join([ours, *path])


def _guarded(callback: Callable[[], None], logger: Any) -> Callable[[Any], None]:
    def call(_event: Any) -> None:
        try:
            callback()
        except Exception:  # it would end supervisord and orphan everything
            logger.error(traceback.format_exc())

    return call
