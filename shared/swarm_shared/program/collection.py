"""Imports and large lists without the garbage collector, which would search them for nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Do not search for reference cycles: task lists have none, and with 100,000 tasks the search takes seconds."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def importing() -> Iterator[None]:
    """Import the modules of a program, which live as long as it does: later searches leave them out as well."""
    with without_collection():
        yield
        gc.freeze()
