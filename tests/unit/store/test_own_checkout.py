"""Without a project, no agent works on the checkout of Amplifier Swarm; named as the project, it is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm_shared.domain.errors import ConfigError
from swarm_shared.own_checkout import not_pointed_at_a_project
from swarm_shared.settings.settings import resolve
from swarm_worker.config import worker_config

TOP = Path(__file__).parents[3]


@pytest.mark.parametrize("folder", [TOP, TOP / "services" / "swarm_worker"], ids=["its top", "below it"])
def test_the_checkout_is_refused_as_the_default_project(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    monkeypatch.chdir(folder)
    settings = resolve({"db": tmp_path / "tasks.db"}, environ={})
    error = not_pointed_at_a_project(settings)
    assert error is not None
    assert str(TOP) in error.message
    assert "make run PROJECT=" in str(error.hint)
    assert f"project_root: /path/to/project` in {tmp_path}/swarm.yaml" in str(error.hint)
    with pytest.raises(ConfigError, match="Amplifier Swarm itself"):
        worker_config(settings, "worker-1")


def test_another_folder_or_a_checkout_named_explicitly_is_accepted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not_pointed_at_a_project(resolve({"db": tmp_path / "tasks.db"}, environ={})) is None
    monkeypatch.chdir(TOP)
    named = resolve({"db": tmp_path / "tasks.db", "project_root": TOP}, environ={})
    assert not_pointed_at_a_project(named) is None
    (tmp_path / "swarm.yaml").write_text(f"project_root: {TOP}\n")
    assert not_pointed_at_a_project(resolve({"db": tmp_path / "tasks.db"}, environ={})) is None
