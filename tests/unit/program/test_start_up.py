"""Services start often, so they load only what each of them needs: parsing modules takes a fifth of a start."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Parsers of plans; calls to supervisord; readers of packed resources; modules that only errors need; statistics.
SELDOM_NEEDED = ("yaml", "xmlrpc", "importlib.resources", "difflib", "statistics")


@pytest.mark.parametrize("program", ["swarm_worker", "swarm_reaper", "swarm_dashboard"])
def test_a_service_starts_without_rarely_needed_modules(program: str) -> None:
    code = f"import sys, {program}.__main__; print([name for name in {SELDOM_NEEDED} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("program", ["swarm_worker", "swarm_reaper", "swarm_dashboard", "amplifier_swarm"])
def test_the_garbage_collector_never_scans_imported_modules(program: str) -> None:
    code = f"import gc, {program}.__main__; print(gc.isenabled(), gc.get_freeze_count() > 10_000)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_garbage_collector_is_restored_afterwards(was_enabled: bool) -> None:
    code = (
        "import gc; from swarm_shared.program.collection import importing\n"
        f"if not {was_enabled}: gc.disable()\n"
        "try:\n    with importing(): print(gc.isenabled()); import no_such_module\n"
        "except ImportError: print(gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", str(was_enabled)]


def test_known_keys_are_compiled_when_they_are_found() -> None:
    code = (
        "import re, swarm_shared.redaction.shapes as shapes;"
        "found = list(shapes.shapes_in(b'AKIA' + b'A1' * 8));"
        "print(len(found), shapes._compiled.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 1\n"
