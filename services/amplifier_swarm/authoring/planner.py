"""Lets an agent write a task file for a goal, in a clone of the project: nothing that it does there reaches the
project.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from amplifier_swarm.agent_clis.short_session import Call, call
from swarm_shared.agents.launching.environment import Inherited
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.agents.prompting.prompt import BUILDER_ANSWER, VALIDATOR_ANSWER
from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import InputError, StateError
from swarm_shared.domain.models import Role
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.runner import LONG_S, Git
from swarm_shared.taskfile.problems import TaskFileErrors
from swarm_shared.taskfile.reader import load_task_file, read_task_file

TRIES = 2  # the second one gets all errors of the first
FILE = "swarm-plan.yaml"
_FORMAT = f"""\
Write the file `{FILE}` in the current folder, and change nothing else. It is a YAML mapping with the key `tasks`, a
list of tasks. Each task is work for one agent session, at most what a developer could do in four hours. Its keys are:

- id: short and unique, for example auth-2
- name: one line
- description: what to do and why, complete enough for an agent that has not read the goal
- acceptance_criteria: a list of verifiable statements that must be true at the end
- files: a list of paths and globs that the task may change; tasks that change the same files run one after the other
- dependencies: a list of the ids of tasks that must be completed first; list only those that are needed
- checks: optional; a list of shell commands that must succeed
- estimated_hours: a number
"""
_END = "End your final message with exactly one valid JSON object in this format, and nothing after it:\n\n"


class Written(Struct, frozen=True, kw_only=True):
    """The file's text, and the validator's verdict and issues: None without a validator, or if it gave no verdict."""

    text: bytes
    verdict: str | None
    issues: tuple[str, ...]


class Planner(Struct, frozen=True, kw_only=True):
    """The agents that plan, and how long each session may take, in seconds."""

    cli: AgentCli
    builder: str
    validator: str | None  # None: no validation
    base: Inherited
    clock: Clock
    timeout_s: float

    def write(self, goal: str, repository: Repository, *, report: Callable[[str], None]) -> Written:
        """Let the builder write the file and the validator judge it.

        Raises:
            StateError: A session failed, or wrote no file.
            InputError: The file is still wrong after `TRIES`.
        """
        with _clone(repository) as project:
            text = self._built(goal, project, report)
            if self.validator is None:
                return Written(text=text, verdict=None, issues=())
            report("the validator reads the plan…")
            prompt = (
                f"# Judge a plan\n\nThe goal:\n\n{goal}\n\nThe plan is in `{FILE}`. Change nothing. The verdict is "
                "FAIL if the tasks together do not reach the goal, if a task cannot be done by an agent that knows "
                f"only its text and the project, or if a necessary dependency is missing.\n\n{_END}{VALIDATOR_ANSWER}\n"
            )
            ended = self._session(prompt, Role.VALIDATOR, self.validator, project)
            answer: dict[str, Any] = ended.reading.answer or {}
            issues = [str(each) for each in (*answer.get("critical_issues", ()), *answer.get("recommendations", ()))]
            return Written(text=text, verdict=answer.get("verdict"), issues=tuple(issues))

    def _built(self, goal: str, project: Path, report: Callable[[str], None]) -> bytes:
        prompt = f"# Plan\n\nPlan the work that this project needs to reach the following goal.\n\n{goal}\n\n{_FORMAT}"
        wrong = ""
        for number in range(1, TRIES + 1):
            report("the builder plans…" if number == 1 else "the builder corrects the plan…")
            ended = self._session(f"{prompt}\n{wrong}{_END}{BUILDER_ANSWER}\n", Role.BUILDER, self.builder, project)
            path = project / FILE
            if ended.reading.failure is not None and not path.is_file():
                raise StateError(f"the session failed: {ended.reading.reason or ended.reading.failure}")
            if path.is_symlink() or not path.is_file():
                raise StateError(f"the session wrote no {FILE}", hint="try again, or choose another agent CLI")
            text = load_task_file(path)
            try:
                read_task_file(Path(FILE), text)
            except TaskFileErrors as errors:
                wrong = f"Your file exists but has these problems. Correct them:\n\n{errors.message}\n\n"
                found = errors
                continue
            return text
        raise InputError(f"the plan is still wrong after {TRIES} sessions:\n{found.message}", hint="try again")

    def _session(self, prompt: str, role: Role, agent: str, project: Path) -> Call:
        return call(
            self.cli,
            agent,
            self.base,
            clock=self.clock,
            timeout_s=self.timeout_s,
            prompt_text=prompt,
            role=role,
            project=project,
        )


@contextmanager
def _clone(repository: Repository) -> Iterator[Path]:
    """The project's folder in a clone that shares only immutable objects; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="amplifier-swarm-plan-") as place:
        target = Path(place).resolve() / "project"
        source, commit = str(repository.common_dir), repository.head_sha
        assert commit is not None, "a repository without a commit is not isolated"
        outside = Git(cwd=target.parent)
        outside.ask("clone", "-q", "--no-hardlinks", "--no-checkout", "--", source, str(target), timeout_s=LONG_S)
        inside = Git(cwd=target)
        inside.ask("checkout", "-q", "--detach", commit, timeout_s=LONG_S)
        inside.ask("remote", "remove", "origin")  # nothing can be pushed
        yield target / repository.prefix
