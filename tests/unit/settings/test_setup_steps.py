"""`setup` in swarm.yaml: plain commands, or commands with what they depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from swarm_shared.domain.errors import ConfigError
from swarm_shared.settings.settings import resolve
from swarm_shared.settings.setup_steps import SetupStep, as_setup_steps

NPM = SetupStep(run="npm ci", inputs=("package-lock.json",), keep=("node_modules",))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("make", (SetupStep(run="make"),)),
        (["make", "make more"], (SetupStep(run="make"), SetupStep(run="make more"))),
        ({"run": "npm ci", "inputs": "package-lock.json", "keep": ["node_modules/"]}, (NPM,)),
        (["make", {"run": "npm ci", "inputs": ["package-lock.json"], "keep": ["node_modules"]}],
         (SetupStep(run="make"), NPM)),
    ],
)  # fmt: skip
def test_commands_and_mappings_are_read(raw: Any, expected: tuple[SetupStep, ...]) -> None:
    assert as_setup_steps(raw) == expected


@pytest.mark.parametrize(
    "text",
    [
        "setup: 7",
        "setup: {inputs: [a]}",
        "setup: {run: make, input: [a]}",
        "setup: {run: make, inputs: [a], keep: [/etc]}",
        "setup: {run: make, inputs: [a], keep: [../other]}",
        "setup: {run: make, inputs: [a], keep: [.git]}",
        "setup: {run: make, inputs: [a], keep: [.]}",
        "setup: {run: make, keep: [target]}",
    ],
)
def test_anything_else_is_refused_with_the_expected_form(tmp_path: Path, text: str) -> None:
    (tmp_path / "swarm.yaml").write_text(text + "\n")
    with pytest.raises(ConfigError) as refused:
        resolve({"db": tmp_path / "tasks.db"}, {})
    assert "{run: COMMAND" in refused.value.message


def test_a_step_counts_as_done_while_its_inputs_are_unchanged_and_its_outputs_exist(tmp_path: Path) -> None:
    lock = tmp_path / "package-lock.json"
    lock.write_text("1")
    done = NPM.digest(tmp_path)
    assert not NPM.is_done(tmp_path, done), "node_modules is missing"
    (tmp_path / "node_modules").mkdir()
    assert NPM.is_done(tmp_path, done)
    assert not NPM.is_done(tmp_path, None)
    lock.write_text("2")
    assert not NPM.is_done(tmp_path, done)
    lock.unlink()
    assert not NPM.is_done(tmp_path, done)
