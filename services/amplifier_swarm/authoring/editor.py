"""Your editor, opened on a file."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from amplifier_swarm.output.terminal import is_terminal
from swarm_shared.domain.errors import InputError, StateError

FALLBACK = "vi"


def edit_file(path: Path) -> None:
    """Open the file in $VISUAL or $EDITOR and return when the editor has ended.

    Raises:
        InputError: No editor is set and there is no terminal for the default one, or it cannot be started.
        StateError: It ended with an error.
    """
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not named and not is_terminal(sys.stdin):
        raise InputError("no editor can be opened without a terminal", hint="set EDITOR")
    try:
        command = [*shlex.split(named or FALLBACK), str(path)]
        code = subprocess.run(command, check=False).returncode
    except (OSError, ValueError) as error:
        raise InputError(f"the editor {named or FALLBACK!r} cannot be started: {error}", hint="set EDITOR") from error
    if code:
        raise StateError(f"the editor ended with exit code {code}: nothing was changed")
