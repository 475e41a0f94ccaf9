"""Which earlier session a retry continues with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from queue_desk import PASSED, QueueDesk, failed

from swarm_shared.agents.amplifier.home import TRANSCRIPT_FILE, sessions_folder
from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.agents.prompting.resuming import session_to_resume
from swarm_shared.carry_out import carry_out_now
from swarm_shared.domain.models import FailureClass, Outcome, Role, Stage, Verb
from swarm_shared.store.queue.policy import AttemptResult, Budgets

PRESETS = load_presets({"stream": {"like": "claude", "binary": "/bin/true"}})
QUALITY = FailureClass.QUALITY


class Desk(QueueDesk):
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
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def objection(session: str | None = "s1", **more: Any) -> AttemptResult:
    return failed(QUALITY, "no", builder_session_id=session, **more)


def test_the_first_retry_continues_and_the_second_starts_fresh(desk: Desk) -> None:
    assert desk.next() is None
    desk.attempt(objection())
    assert desk.next() == "s1"
    desk.attempt(objection(), resumes="s1")
    assert desk.next() is None


def test_a_refused_landing_counts_as_the_first_retry(desk: Desk) -> None:
    desk.attempt(replace(PASSED, builder_session_id="s1", base_sha="b", head_sha="h"))
    landing = desk.db.landings.claim(desk.claimant())
    assert landing is not None
    desk.settle(landing.claim, failed(QUALITY, "conflict"))
    assert desk.next() == "s1"


def test_a_cli_that_cannot_resume_starts_fresh(desk: Desk) -> None:
    desk.attempt(objection(), cli="command")
    assert desk.next(cli="command") is None


def test_a_session_belongs_to_one_agent_of_one_cli(desk: Desk) -> None:
    desk.attempt(objection())
    assert desk.next(agent="another") is None
    assert desk.next(cli="stream") is None


def test_an_amplifier_session_is_gone_on_with_only_if_it_was_saved(desk: Desk) -> None:
    desk.attempt(objection(), cli="amplifier")
    assert desk.next(cli="amplifier") is None
    desk.saved("s1")
    assert desk.next(cli="amplifier") == "s1"


def test_a_session_that_ran_out_of_time_was_killed_and_is_left(desk: Desk) -> None:
    desk.attempt(objection(out_of_time=True))
    assert desk.next() is None


def test_a_session_that_was_never_known_cannot_be_gone_on_with(desk: Desk) -> None:
    desk.attempt(objection(None))
    assert desk.next() is None


@pytest.mark.parametrize(
    ("end", "again"),
    [
        (failed(FailureClass.CRASH), None),
        (failed(FailureClass.INTERRUPTED), "s1"),
        (failed(FailureClass.PROVIDER), "s1"),
    ],
)
def test_going_on_is_tried_again_unless_the_agent_died_of_it(desk: Desk, end: AttemptResult, again: str | None) -> None:
    desk.attempt(objection())
    desk.attempt(end, resumes="s1")
    assert desk.next() == again


def test_a_killed_attempt_before_it_changes_nothing(desk: Desk) -> None:
    desk.attempt(objection())
    desk.attempt(AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.INTERRUPTED))
    assert desk.next() == "s1"


def test_what_a_session_went_on_with_is_shown_with_its_attempt(desk: Desk) -> None:
    desk.attempt(objection())
    desk.attempt(objection(), resumes="s1")
    shown = desk.db.tasks.attempts(desk.task("a")["seq"])
    assert [(a["builder_agent"], a["resumed_session_id"]) for a in shown] == [("agent", None), ("agent", "s1")]


def test_a_second_retry_starts_fresh_also_where_the_first_one_had_to(desk: Desk) -> None:
    desk.attempt(objection("s1"))
    desk.attempt(objection("s2"))
    assert desk.next() is None


def test_a_persons_retry_starts_fresh(desk: Desk) -> None:
    desk.budgets = Budgets(max_retries=0)
    desk.attempt(objection("s1"))
    carry_out_now(desk.db, Verb.RETRY, "a", {}, actor="ann")
    assert desk.next() is None
