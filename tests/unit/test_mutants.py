"""The list of mutants: each guard is still where the list says, and its tests exist."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "tools" / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their names
    spec.loader.exec_module(module)
    return module


TOOL = _tool()


@pytest.mark.parametrize("mutant", TOOL.mutants(), ids=lambda mutant: mutant.name)
def test_every_guard_is_where_the_list_says_and_its_tests_exist(mutant: object) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")  # type: ignore[attr-defined]
    changed = mutant.planted_in(text)  # type: ignore[attr-defined]
    assert changed != text
    if mutant.file.endswith(".py"):  # type: ignore[attr-defined]
        ast.parse(changed)
    for test in mutant.tests:  # type: ignore[attr-defined]
        file, _, name = test.partition("::")
        name = name.partition("[")[0]  # of one case
        assert not name or name in names_in(ROOT / file), test


def names_in(path: Path) -> set[str]:
    """The names of a module's tests: its own and those that it imports."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    imported = {alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names}
    return imported | {node.name for node in body if isinstance(node, ast.FunctionDef)}


def test_a_guard_that_no_longer_exists_is_an_error() -> None:
    gone = TOOL.Mutant(name="gone", file="x", find="no such text", replace="", tests=())
    with pytest.raises(ValueError, match="occurs 0 times"):
        gone.planted_in("another text")
