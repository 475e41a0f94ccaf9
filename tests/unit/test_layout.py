"""The house: who may import whom, read from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
SERVICES = TOP / "services"
SHARED = TOP / "shared" / "swarm_shared"
PROGRAMS = frozenset(folder.name for folder in SERVICES.iterdir() if (folder / "__init__.py").exists())
SOURCES = sorted([*SERVICES.rglob("*.py"), *SHARED.rglob("*.py")])
# `python -m amplifier_swarm.worker` and its like hand on the main of a service.
HANDS_ON = {
    "amplifier_swarm.worker": "swarm_worker.__main__",
    "amplifier_swarm.reaper": "swarm_reaper.__main__",
    "amplifier_swarm.dashboard": "swarm_dashboard.__main__",
}
BOTTOM = ("errors", "clock", "models")
ENGINE_DOOR = "swarm_shared.connection"


def module_of(path: Path) -> str:
    """The module's dotted name, from where the file stands."""
    root = SERVICES if path.is_relative_to(SERVICES) else SHARED.parent
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str) -> Iterator[str]:
    """Every module that a source names in an import, wherever it stands; of `from a import b` also `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


IMPORTS = {module_of(path): frozenset(imported(path.read_text(encoding="utf-8"))) for path in SOURCES}


def shared_needs(module: str) -> frozenset[str]:
    """All of shared that a module of shared pulls in, directly or through others, wherever the import stands."""
    found: set[str] = set()
    open_ends = [module]
    while open_ends:
        for name in IMPORTS[open_ends.pop()]:
            if of(name, "swarm_shared") and name in IMPORTS and name not in found:
                found.add(name)
                open_ends.append(name)
    return frozenset(found)


def test_all_four_programs_are_looked_at() -> None:
    assert {"amplifier_swarm", "swarm_worker", "swarm_reaper", "swarm_dashboard"} <= PROGRAMS
    assert len(SOURCES) > 50


@pytest.mark.parametrize("module", sorted(name for name in IMPORTS if of(name, "swarm_shared")))
def test_shared_imports_no_service(module: str) -> None:
    assert not [name for name in IMPORTS[module] if name.partition(".")[0] in PROGRAMS]


@pytest.mark.parametrize("module", sorted(name for name in IMPORTS if not of(name, "swarm_shared")))
def test_services_meet_in_the_database_and_not_in_imports(module: str) -> None:
    own = module.partition(".")[0]
    foreign = {name for name in IMPORTS[module] if name.partition(".")[0] in PROGRAMS - {own}}
    allowed = HANDS_ON.get(module)
    assert not {name for name in foreign if allowed is None or not of(name, allowed)}


def test_only_one_module_knows_the_engine() -> None:
    assert [module for module, names in IMPORTS.items() if any(of(name, "apsw") for name in names)] == [ENGINE_DOOR]


def test_nothing_uses_the_engine_of_the_standard_library() -> None:
    tests = {str(path): frozenset(imported(path.read_text("utf-8"))) for path in (TOP / "tests").rglob("*.py")}
    # Spelled in two parts, so that this file does not name it.
    assert not [place for place, names in {**IMPORTS, **tests}.items() if any(of(n, "sqlite" + "3") for n in names)]


@pytest.mark.parametrize("name", BOTTOM)
def test_errors_clock_and_models_stand_on_nothing(name: str) -> None:
    others = {f"swarm_shared.{each}" for each in BOTTOM}
    assert shared_needs(f"swarm_shared.{name}") <= others


def test_the_connection_stands_on_the_bottom_alone() -> None:
    needs = shared_needs(ENGINE_DOOR)
    assert not {name for name in needs if of(name, "swarm_shared.store") or name == "swarm_shared.database"}


@pytest.mark.parametrize("module", sorted(name for name in IMPORTS if of(name, "swarm_shared.store")))
def test_the_families_of_the_store_do_not_know_the_front_that_holds_them(module: str) -> None:
    source = SHARED.parent.joinpath(*module.split(".")).with_suffix(".py")
    if not source.exists():
        source = SHARED.parent.joinpath(*module.split("."), "__init__.py")
    assert "swarm_shared.database" not in set(imported_when_run(source.read_text(encoding="utf-8")))


def imported_when_run(source: str) -> Iterator[str]:
    """As `imported`, but without what only type checkers see."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            node.body = [ast.Pass()]
    yield from imported(ast.unparse(tree))


def test_only_the_store_executes_statements() -> None:
    """SQL stands in queries.sql by name; who has no business with it does not load it."""
    users = {module for module, names in IMPORTS.items() if any(of(name, "swarm_shared.sql") for name in names)}
    assert not {module for module in users if not of(module, "swarm_shared")}
