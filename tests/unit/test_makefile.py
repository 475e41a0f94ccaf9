"""The promised targets, as `make` itself lists and parses them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PROMISED = (
    *("demo", "test", "run", "import", "check", "agents", "runners"),
    *("bench", "chaos", "mutants", "soak", "clean", "screenshots"),
)


def make(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None:
        pytest.skip("make is missing")
    return subprocess.run(["make", *words], cwd=TOP, capture_output=True, text=True, check=False)


def test_make_without_arguments_lists_every_target_with_its_purpose() -> None:
    shown = make()
    assert shown.returncode == 0, shown.stderr
    targets = {line.split()[1]: line.split()[2:] for line in shown.stdout.splitlines() if line.startswith("  make ")}
    assert set(PROMISED) <= set(targets)
    assert all(targets.values())


def test_every_promised_target_can_be_planned() -> None:
    for target in PROMISED:
        planned = make("--dry-run", target, "TASKS=tasks.yaml")
        assert planned.returncode == 0, planned.stderr


def test_the_service_requires_a_project_instead_of_using_this_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWARM_PROJECT_ROOT", raising=False)
    recipe = make("--dry-run", "run").stdout.partition("if [ -n")[2]
    # Only this recipe: its prerequisites would be installed first, and a supervisord that could start would be a fault.
    asked = subprocess.run(
        ["sh", "-c", f"PATH=; if [ -n{recipe}"], cwd=TOP / "docs", capture_output=True, text=True, check=False
    )
    assert asked.returncode == 2, asked
    assert "Which project? make run PROJECT=/path/to/project" in asked.stderr
