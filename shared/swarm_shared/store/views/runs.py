"""Queries of `start` about the whole queue: whether it is finished, and its results."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from swarm_shared.domain.models import Status
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.sql import SQL

LATEST_ATTEMPTS = 10_000


class Effort(Struct, frozen=True, kw_only=True):
    """What was spent since a mark. Tokens and cost are None when no attempt reported them, else a lower bound.

    `passed` leaves out attempts whose landing was refused; `refused` counts those landings.
    """

    attempts: int
    passed: int
    refused: int
    retries: int
    tokens: int | None
    cost_usd: float | None


class AgentsNamed(Struct, frozen=True, kw_only=True):
    """Agents that unfinished tasks name; an empty text if the task leaves the choice to the run.

    `own_env`: it sets its own variables, which may include a key for the agent CLI.
    """

    agent_cli: str
    builder_agent: str
    validator_agent: str
    own_env: bool = False


class Runs(DataAccess):
    """Short reads in autocommit."""

    def mark(self) -> int:
        """A mark to count efforts from."""
        return int(self._db.value(SQL["last_attempt_row"]))

    def effort_since(self, mark: int) -> Effort:
        """Attempts that were claimed after the mark."""
        row = self._db.row(SQL["effort_since"], {"mark": mark})
        attempts, passed, refused, retries, tokens, cost = row or (0, 0, 0, 0, None, None)
        return Effort(attempts=attempts, passed=passed, refused=refused, retries=retries, tokens=tokens, cost_usd=cost)

    def settings_changed_since(self, mark: int, *, limit: int) -> list[tuple[str, str]]:
        """Tasks whose attempts after the mark changed what all worktrees of the repository share, and what it was."""
        return [
            (str(task), str(detail))
            for task, detail in self._db.rows(SQL["settings_changed_since"], {"mark": mark, "limit": limit})
        ]

    def unfinished_attempts(self) -> int:
        """Attempts that are running or being ended; without those whose processes cannot be proven dead."""
        return int(self._db.value(SQL["unfinished_attempts"]))

    def agent_clis_left(self) -> tuple[str, ...]:
        """The agent CLIs that tasks name which could start now or at their time; empty for the swarm's own."""
        return tuple(str(name) for (name,) in self._db.rows(SQL["agent_clis_left"]))

    def troubled(self, *, limit: int) -> list[dict[str, Any]]:
        """Failed and held tasks in import order: `id`, `name`, `status`, `hold_reason`, `last_error`."""
        return self._db.dicts(SQL["troubled_tasks"], {"limit": limit})

    def blocked(self, *, limit: int) -> list[tuple[str, list[tuple[str, Status]]]]:
        """Blocked tasks in import order, each with what it waits for that is not completed."""
        found = []
        for task_id, seq in self._db.rows(SQL["blocked_tasks"], {"limit": limit}):
            needs = [
                (needed, Status(status))
                for needed, status, _ in self._db.rows(SQL["needs_of"], {"task": seq})
                if status != Status.COMPLETED
            ]
            found.append((task_id, needs))
        return found

    def agents_named(self, *, limit: int) -> list[AgentsNamed]:
        """Agents and agent CLIs that unfinished tasks name, each combination once.

        Args:
            limit: So many unfinished tasks are looked at: a check before a run must stay quick.
        """
        rows = self._db.rows(SQL["agents_named"], {"limit": limit})
        return [AgentsNamed(agent_cli=c, builder_agent=b, validator_agent=v, own_env=bool(e)) for c, b, v, e in rows]

    def long_descriptions(self, bytes_: int, *, limit: int) -> list[tuple[str, str, int]]:
        """Unfinished tasks whose description is longer than so many bytes: id, agent CLI (may be empty), bytes."""
        rows = self._db.rows(SQL["long_descriptions"], {"bytes": bytes_, "limit": limit})
        return [(str(task_id), str(agent_cli), int(length)) for task_id, agent_cli, length in rows]

    def last_uses(self) -> dict[str, int]:
        """When each agent CLI was used last (wall ms), as far as the latest attempts go back."""
        rows = self._db.rows(SQL["last_uses"], {"attempts": LATEST_ATTEMPTS})
        return {str(agent_cli): int(at) for agent_cli, at in rows}

    def forget_failed_starts(self) -> bool:
        """Clear the holds of agent CLIs that could not start; whether there were any.

        For a new run, whose checks have just found that they can.
        """
        with self._db.transaction():
            return bool(self._db.change(SQL["clear_failed_starts"]))
