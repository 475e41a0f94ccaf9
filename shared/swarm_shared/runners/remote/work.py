"""How the process of a session is started and gets its work: in variables, since every user of this machine can read
command lines.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from swarm_shared.domain.runners import Run
from swarm_shared.processes.sweep import MARK
from swarm_shared.runners.remote.folder import RunFolder
from swarm_shared.runners.runner import Start
from swarm_shared.runners.variables import only

VARIABLE = "SWARM_WORK"
CHUNK = 100_000  # the kernel limits each variable to 128 KiB
T = TypeVar("T", bound=Struct)


def start_of_client(
    run: Run, folder: RunFolder, work: Struct, *, own: Mapping[str, str], env: Mapping[str, str]
) -> Start:
    """How to start the client of a runner, the module `client` next to its others, for one run.

    Args:
        work: What the client is to run.
        own: The variables that its cluster's programs need.
        env: Those of the command, of which the client gets the attempt's mark only.
    """
    return Start(
        argv=(sys.executable, "-P", "-m", f"swarm_shared.runners.{run.runner}.client"),
        env={**own, **only(env, (MARK,)), **in_variables(work)},
        runner=run.runner,
        run=run,
        has_begun=folder.has_begun,
    )


def in_variables(work: Struct) -> dict[str, str]:
    """The variables that describe it."""
    # ASCII only: one byte per character, so that each chunk fits, and bytes that are not UTF-8 survive.
    text = json.dumps(msgspec.to_builtins(work))
    chunks = [text[at : at + CHUNK] for at in range(0, len(text), CHUNK)]
    return {f"{VARIABLE}_{number}": chunk for number, chunk in enumerate(chunks)}


def take_work(environ: MutableMapping[str, str], kind: type[T]) -> T:
    """The work that they describe. They are removed, so that no program that is started next has them."""
    text, number = "", 0
    while (chunk := environ.pop(f"{VARIABLE}_{number}", None)) is not None:
        text, number = text + chunk, number + 1
    return msgspec.convert(json.loads(text), kind)


def umask() -> int:
    """The umask of this process."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
