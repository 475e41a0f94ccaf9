"""How the process of a session gets its work: in variables, since every user of this machine can read command lines."""

from __future__ import annotations

import json
import os
from collections.abc import MutableMapping
from typing import TypeVar

import msgspec
from msgspec import Struct

VARIABLE = "SWARM_WORK"
CHUNK = 100_000  # the kernel limits each variable to 128 KiB
T = TypeVar("T", bound=Struct)


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
