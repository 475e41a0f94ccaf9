"""What `make lint` cannot see of the layout: the second SQLite library, and rooms that grow too large."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

TOP = Path(__file__).parents[2]
PYTHON = sorted(path for folder in ("services", "shared", "tests", "tools") for path in (TOP / folder).rglob("*.py"))
PRODUCT = [path for path in PYTHON if path.is_relative_to(TOP / "services") or path.is_relative_to(TOP / "shared")]
MOST_FILES_IN_A_ROOM = 18
MOST_LINES = 400


def imported(path: Path) -> set[str]:
    """The packages that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add((node.module or "").partition(".")[0])
    return found


def test_nothing_uses_the_sqlite_of_the_standard_library() -> None:
    """Two SQLite libraries in one process drop each other's file locks; tests share the process of what they test."""
    # Spelled in two parts, so that this file does not name it.
    assert not [str(path) for path in PYTHON if "sqlite" + "3" in imported(path)]


def test_no_script_folder_hides_an_installed_module() -> None:
    """Python puts a script's folder first on the module path, so `click.py` next to a script replaces the real one."""
    scripts = [path for path in PYTHON if '__name__ == "__main__"' in path.read_text(encoding="utf-8")]
    folders = {path.parent for path in scripts if path.name != "__main__.py"}  # packages are started by `python -m`
    taken = sys.stdlib_module_names | packages_distributions().keys()
    assert not [str(path.relative_to(TOP)) for path in PYTHON if path.parent in folders and path.stem in taken]


def test_no_room_holds_more_files_than_a_reader_can_take_in() -> None:
    rooms: dict[Path, int] = {}
    for path in PRODUCT:
        rooms[path.parent] = rooms.get(path.parent, 0) + (path.name != "__init__.py")
    assert not {str(room.relative_to(TOP)): count for room, count in rooms.items() if count > MOST_FILES_IN_A_ROOM}


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PRODUCT}
    assert not {str(path.relative_to(TOP)): lines for path, lines in lengths.items() if lines > MOST_LINES}
