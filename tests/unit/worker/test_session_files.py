"""What the files of an agent CLI reveal about a session that continues an earlier one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transcripts import FOLDER

from swarm_shared.agents.amplifier.home import EVENTS_FILE, sessions_folder
from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.agents.reading.usage import Usage
from swarm_worker.session.session_files import AmplifierFiles, LoggedSession

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


def test_only_new_output_shows_that_a_resumed_session_began(project: Project) -> None:
    project.pay(ONE, 100)
    files = project.files(resumes=ONE)
    assert not files.began
    project.pay(ONE, 20)
    assert files.began
    assert files.used(ONE).usage == Usage(tokens=20)


def test_a_session_that_was_started_over_counts_whole(project: Project) -> None:
    project.pay(ONE, 100)
    files = project.files(resumes=ONE)
    project.pay(OTHER, 20)
    assert files.used(OTHER).usage == Usage(tokens=20)


def test_a_session_is_identified_by_its_files_only_if_no_other_is_possible(project: Project) -> None:
    alone, among_others = project.files(), project.files(alone=False)
    project.pay(ONE, 1)
    assert (alone.session_id(), among_others.session_id()) == (ONE, None)
    assert project.files(resumes=OTHER, alone=False).session_id() == OTHER


# ───── CLIs that write a log for each session ─────

THREAD = "01a22367-f03a-7d90-9616-a6252cb300a5"
LOG = FOLDER / "codex-0.171.0" / "session.jsonl"


def logged(home: Path, folder: str = ".codex", **env: str) -> LoggedSession:
    """A codex session whose log is below that folder."""
    day = home / folder / "sessions" / "2026" / "11" / "28"
    day.mkdir(parents=True)
    (day / f"rollout-2026-11-28T18-25-44-{THREAD}.jsonl").write_bytes(LOG.read_bytes())
    return LoggedSession(CLIS["codex"], env={"HOME": str(home), **env}, resumes=None)


def test_a_resumed_session_names_the_model_that_now_answers(tmp_path: Path) -> None:
    logged(tmp_path)
    resumed = LoggedSession(CLIS["codex"], env={"HOME": str(tmp_path)}, resumes=THREAD)
    assert resumed.used(THREAD).models == ("gpt-fake",)
    [log] = (tmp_path / ".codex").rglob("*.jsonl")
    with log.open("a") as file:
        file.write(json.dumps({"type": "turn_context", "payload": {"model": "gpt-other"}}) + "\n")
    assert resumed.used(THREAD).models == ("gpt-other",)


def test_the_log_of_a_session_names_its_model_and_what_it_used_before_it_was_stopped(tmp_path: Path) -> None:
    files = logged(tmp_path)
    assert files.used(THREAD).models == ("gpt-fake",)
    assert files.used(THREAD).usage == Usage(tokens=4050, cached_tokens=3000, output_tokens=50)


def test_the_log_is_found_where_the_cli_was_configured_to_keep_it(tmp_path: Path) -> None:
    files = logged(tmp_path, "elsewhere", CODEX_HOME=str(tmp_path / "elsewhere"))
    assert files.used(THREAD).models == ("gpt-fake",)


@pytest.mark.parametrize("session", [None, "*", "../x", "another"])
def test_the_log_of_another_session_is_not_read(tmp_path: Path, session: str | None) -> None:
    files = logged(tmp_path)
    assert (files.used(session).models, files.used(session).usage) == ((), Usage())


def test_a_long_log_is_read_at_both_ends(tmp_path: Path) -> None:
    files = logged(tmp_path)
    log = next(tmp_path.rglob("rollout-*"))
    first, _, rest = log.read_text().partition('{"timestamp": "2026-11-28T18:25:44.172Z"')
    noise = '{"type": "response_item", "payload": {"text": "' + "x" * 1000 + '"}}\n'
    log.write_text(first + noise * 5000 + '{"timestamp": "2026-11-28T18:25:44.172Z"' + rest)
    assert files.used(THREAD).models == ("gpt-fake",)
    assert files.used(THREAD).usage.tokens == 4050


def test_a_cli_without_a_log_knows_only_what_its_session_resumes() -> None:
    files = LoggedSession(CLIS["opencode"], env={}, resumes=ONE)
    assert (files.session_id(), files.used(ONE).models, files.used(ONE).usage, files.began) == (ONE, (), Usage(), False)
