"""Every hard-to-kill process tree, each with its number of processes once it is complete."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trees

TREES: dict[str, tuple[Callable[[str], list[str]], int]] = {
    "plain": (trees.plain, 3),
    "scattered": (trees.scattered, 4),
    "left_behind": (trees.left_behind, 2),
    "deaf": (trees.deaf, 3),
    "stopped": (trees.stopped, 2),
    "reborn": (trees.reborn, 1),
    "chain": (trees.chain, 1),
    "chain_of_sessions": (lambda token: trees.chain(token, sessions=True), 1),
}
every_tree = pytest.mark.parametrize("name", TREES)
