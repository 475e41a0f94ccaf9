"""`answer`, and where the command line shows a question."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest
from cli_harness import CliHarness

from swarm_shared.domain.models import FailureClass, HoldReason, Outcome, TaskSpec
from swarm_shared.store.queue.policy import AttemptResult

ASKS = AttemptResult(
    outcome=Outcome.FAILED,
    failure_class=FailureClass.INTERRUPTED,
    error="the builder asks: SQL or files?",
    hold=HoldReason.QUESTION,
    question="SQL or files?",
)


@pytest.fixture
def asking(harness: CliHarness) -> CliHarness:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.settle(harness.claim(), ASKS)
    return harness


def test_every_command_that_shows_the_task_shows_its_question(asking: CliHarness) -> None:
    for words in (("why", "a"), ("task-info", "a"), ("list-tasks",)):
        assert "SQL or files?" in asking.run(*words).out, words
    assert "stopped with a question" in asking.run("task-info", "a").out
    assert asking.run("list-tasks", "--json").json["tasks"][0]["question"] == "SQL or files?"


def test_an_answer_makes_the_task_ready_and_is_first_in_the_next_prompt(asking: CliHarness) -> None:
    ran = asking.run("answer", "a", "Files.")
    assert (ran.code, ran.out) == (0, "a: answered: attempt 2 gets the answer\n")
    assert asking.status_of("a") == "not_started"
    start = "# Task a: A\n\n## Answers from the user\n\nYou asked in attempt 1: SQL or files?\n\n"
    start += "Answer from the user: Files."
    assert start in asking.run("prompt", "a").out
    assert "Files." in asking.run("task-info", "a").out
    with asking.reaper():
        assert asking.run("answer", "a", "Files.").out == "a: answered already\n"
        ran = asking.run("answer", "a", "SQL.")
    assert ran.code == 6
    assert "cannot answer a: it has no open question; it is ready" in ran.err


def test_an_answer_is_read_from_standard_input(asking: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    given = SimpleNamespace(buffer=io.BytesIO("Files,\nwith “quotes”.\n".encode()))
    with monkeypatch.context() as piped:
        piped.setattr(sys, "stdin", given)
        assert asking.run("answer", "a", "-").code == 0
    assert "Answer from the user: Files,\nwith “quotes”." in asking.run("prompt", "a").out


@pytest.mark.parametrize(("words", "code"), [(("a", " "), 2), (("a", "x" * 70_000), 3), (("b", "Files."), 5)])
def test_text_that_cannot_be_an_answer_changes_nothing(asking: CliHarness, words: tuple[str, str], code: int) -> None:
    assert asking.run("answer", *words).code == code
    assert asking.status_of("a") == "held"
