"""What an agent CLI's files tell of a session that goes on with an earlier one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm_shared.agents.amplifier_home import EVENTS_FILE, sessions_folder
from swarm_shared.agents.presets import load_presets
from swarm_shared.agents.usage import Usage
from swarm_worker.session_files import AmplifierFiles

CLIS = load_presets()
ONE, OTHER = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


class Project:
    """A folder that sessions of the stand-in work in."""

    def __init__(self, folder: Path) -> None:
        self.cwd, self.env = folder, {"HOME": str(folder)}

    def pay(self, session: str, tokens: int) -> None:
        folder = sessions_folder(self.env, self.cwd) / session
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / EVENTS_FILE).open("a") as file:
            file.write(json.dumps({"event": "llm:response", "data": {"usage": {"total_tokens": tokens}}}) + "\n")

    def files(self, *, resumes: str | None = None, alone: bool = True) -> AmplifierFiles:
        return AmplifierFiles(CLIS["amplifier"], env=self.env, cwd=self.cwd, started_ms=0, resumes=resumes, alone=alone)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_only_what_is_written_from_now_on_shows_that_a_resumed_session_began(project: Project) -> None:
    project.pay(ONE, 100)
    files = project.files(resumes=ONE)
    assert not files.began
    project.pay(ONE, 20)
    assert files.began
    assert files.usage(ONE) == Usage(tokens=20)


def test_a_session_that_was_begun_anew_counts_whole(project: Project) -> None:
    project.pay(ONE, 100)
    files = project.files(resumes=ONE)
    project.pay(OTHER, 20)
    assert files.usage(OTHER) == Usage(tokens=20)


def test_a_session_is_found_by_its_files_only_where_no_other_can_be_meant(project: Project) -> None:
    alone, among_others = project.files(), project.files(alone=False)
    project.pay(ONE, 1)
    assert (alone.session_id(), among_others.session_id()) == (ONE, None)
    assert project.files(resumes=OTHER, alone=False).session_id() == OTHER
