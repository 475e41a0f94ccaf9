"""Which earlier session a retry resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from queue_harness import PASSED, QueueHarness, failed

from swarm_shared.agents.amplifier.home import TRANSCRIPT_FILE, sessions_folder
from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.agents.prompting.resuming import session_to_resume
from swarm_shared.carry_out import carry_out_now
from swarm_shared.domain.models import FailureClass, Outcome, Role, Stage, Verb
from swarm_shared.store.queue.policy import AttemptResult, Budgets

PRESETS = load_presets({"stream": {"like": "claude", "binary": "/bin/true"}})
QUALITY = FailureClass.QUALITY


class Harness(QueueHarness):
    """A queue whose only task is tried with one agent CLI."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, budgets=Budgets(max_retries=9))
        self.home = folder / "home"
        self.cwd = folder / "project"
        self.cwd.mkdir()
        self.add("a")

    def attempt(self, result: AttemptResult, *, cli: str = "claude", resumes: str | None = None) -> None:
        claim = replace(self.take(), agent_cli=cli)
        with self.db.connection.transaction():
            self.db.connection.change("UPDATE attempts SET agent_cli = ? WHERE id = ?", (cli, claim.attempt))
        self.db.queue.open_session(
            claim, role=Role.BUILDER, name="agent", stage=Stage.BUILDING, prompt="do it", resumes=resumes
        )
        self.settle(claim, result)

    def saved(self, session: str) -> None:
        """What Amplifier writes at the successful end of a session."""
        folder = sessions_folder({"HOME": str(self.home)}, self.cwd) / session
        folder.mkdir(parents=True)
        (folder / TRANSCRIPT_FILE).touch()

    def next(self, *, cli: str = "claude", agent: str = "agent") -> str | None:
        task = self.task("a")
        return session_to_resume(
            PRESETS[cli],
            self.db.tasks.history(task["seq"]),
            retries_used=task["failures"] + task["landing_failures"],
            agent=agent,
            env={"HOME": str(self.home)},
            cwd=self.cwd,
        )


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def objection(session: str | None = "s1", **more: Any) -> AttemptResult:
    return failed(QUALITY, "no", builder_session_id=session, **more)


def test_the_first_retry_resumes_and_the_second_starts_fresh(harness: Harness) -> None:
    assert harness.next() is None
    harness.attempt(objection())
    assert harness.next() == "s1"
    harness.attempt(objection(), resumes="s1")
    assert harness.next() is None


def test_a_session_of_a_cli_without_agents_is_resumed_whatever_agent_is_set(harness: Harness) -> None:
    harness.attempt(objection(), cli="codex")
    assert harness.next(cli="codex", agent="another") == "s1"


def test_a_refused_landing_counts_as_the_first_retry(harness: Harness) -> None:
    harness.attempt(replace(PASSED, builder_session_id="s1", base_sha="b", head_sha="h"))
    landing = harness.db.landings.claim(harness.claimant())
    assert landing is not None
    harness.settle(landing.claim, failed(QUALITY, "conflict"))
    assert harness.next() == "s1"


def test_a_cli_that_cannot_resume_starts_fresh(harness: Harness) -> None:
    harness.attempt(objection(), cli="command")
    assert harness.next(cli="command") is None


def test_a_session_is_resumed_only_by_the_same_agent_of_the_same_cli(harness: Harness) -> None:
    harness.attempt(objection(), cli="amplifier")
    harness.saved("s1")
    assert harness.next(cli="amplifier") == "s1"
    assert harness.next(cli="amplifier", agent="another") is None
    assert harness.next(cli="codex") is None


def test_an_amplifier_session_is_resumed_only_if_it_was_saved(harness: Harness) -> None:
    harness.attempt(objection(), cli="amplifier")
    assert harness.next(cli="amplifier") is None
    harness.saved("s1")
    assert harness.next(cli="amplifier") == "s1"


def test_a_session_that_was_killed_at_its_time_limit_is_not_resumed(harness: Harness) -> None:
    harness.attempt(objection(out_of_time=True))
    assert harness.next() is None


def test_a_session_without_a_known_id_cannot_be_resumed(harness: Harness) -> None:
    harness.attempt(objection(None))
    assert harness.next() is None


@pytest.mark.parametrize(
    ("end", "again"),
    [
        (failed(FailureClass.CRASH), None),
        (failed(FailureClass.INTERRUPTED), "s1"),
        (failed(FailureClass.PROVIDER), "s1"),
    ],
)
def test_resuming_is_tried_again_unless_the_agent_died_of_it(
    harness: Harness, end: AttemptResult, again: str | None
) -> None:
    harness.attempt(objection())
    harness.attempt(end, resumes="s1")
    assert harness.next() == again


def test_a_killed_attempt_in_between_changes_nothing(harness: Harness) -> None:
    harness.attempt(objection())
    harness.attempt(AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.INTERRUPTED))
    assert harness.next() == "s1"


def test_the_resumed_session_is_shown_with_its_attempt(harness: Harness) -> None:
    harness.attempt(objection())
    harness.attempt(objection(), resumes="s1")
    shown = harness.db.tasks.attempts(harness.task("a")["seq"])
    assert [(a["builder_agent"], a["resumed_session_id"]) for a in shown] == [("agent", None), ("agent", "s1")]


def test_a_second_retry_starts_fresh_even_if_the_first_one_had_to(harness: Harness) -> None:
    harness.attempt(objection("s1"))
    harness.attempt(objection("s2"))
    assert harness.next() is None


def test_a_users_retry_starts_fresh(harness: Harness) -> None:
    harness.budgets = Budgets(max_retries=0)
    harness.attempt(objection("s1"))
    carry_out_now(harness.db, Verb.RETRY, "a", {}, actor="ann")
    assert harness.next() is None
