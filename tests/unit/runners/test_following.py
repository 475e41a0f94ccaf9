"""What counts as proof that a container is gone, with every kind of response of an engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_engine import IDENTITY, ScriptedEngine

from swarm_shared.domain.runners import Run
from swarm_shared.runners import asking
from swarm_shared.runners.asking import Answer
from swarm_shared.runners.following import Effort, end, engine_failure


@pytest.fixture(params=["podman", "docker"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    return ScriptedEngine(request.param, tmp_path, monkeypatch)


def run_of(engine: ScriptedEngine) -> Run:
    return Run(runner=engine.program.name, name="swarm-1", engine=IDENTITY)


def test_a_removed_container_is_gone(engine: ScriptedEngine) -> None:
    engine.has("swarm-1")
    assert end(run_of(engine)) == Answer(gone=True)
    assert engine.calls[0] == "rm"


def test_a_container_that_never_existed_is_gone(engine: ScriptedEngine) -> None:
    assert end(run_of(engine)).gone


def test_a_container_that_cannot_be_removed_is_not_gone(engine: ScriptedEngine) -> None:
    engine.has("swarm-1")
    engine.does("rm-fails")
    answer = end(run_of(engine))
    assert not answer.gone
    assert "cannot be removed" in answer.text


def test_podman_must_have_removed_it_and_docker_need_not_know_it(engine: ScriptedEngine) -> None:
    engine.does("rm-fails")
    assert end(run_of(engine)).gone == (engine.program.name == "docker")


def test_an_engine_that_does_not_answer_proves_nothing(engine: ScriptedEngine) -> None:
    engine.does("silent")
    answer = end(run_of(engine))
    assert not answer.gone
    assert "Cannot connect" in answer.text


def test_a_different_engine_proves_nothing(engine: ScriptedEngine) -> None:
    (engine.state / "identity").write_text("elsewhere")
    answer = end(run_of(engine))
    assert not answer.gone
    assert "another engine" in answer.text


def test_an_engine_that_is_no_longer_installed_proves_nothing(engine: ScriptedEngine) -> None:
    engine.program.unlink()
    assert not end(run_of(engine)).gone


def test_an_engine_that_hangs_is_waited_for_and_proves_nothing(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ANSWER_TIMEOUT_S", 0.2)
    engine.does("hangs")
    tended = []
    answer = end(run_of(engine), lambda: tended.append(1))
    assert not answer.gone
    assert "did not answer in 0.2 s" in answer.text
    assert tended


def test_one_try_never_waits(engine: ScriptedEngine) -> None:
    engine.does("hangs")
    effort = Effort(run_of(engine))
    assert [effort.answer() for _ in range(3)] == [None, None, None]


@pytest.mark.parametrize("code", [0, 1, 7, 124, 128, None])
def test_most_exit_codes_belong_to_the_command_without_asking(engine: ScriptedEngine, code: int | None) -> None:
    assert engine_failure(run_of(engine), code) is None
    assert engine.calls == []


@pytest.mark.parametrize("code", [125, 126, 127])
@pytest.mark.parametrize(
    ("state", "fails"), [("exited {}", False), ("created 0", True), ("exited 1", True), (None, True)], ids=str
)
def test_the_engines_exit_codes_belong_to_the_command_if_the_engine_says_so(
    engine: ScriptedEngine, code: int, state: str | None, fails: bool
) -> None:
    if state is not None:
        engine.has("swarm-1", state.format(code))
    assert (engine_failure(run_of(engine), code) is not None) == fails
