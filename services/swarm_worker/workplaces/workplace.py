"""Where an attempt works, and what happens to its changes: here the project root, which is left as it is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from swarm_shared.domain.models import TaskSpec
from swarm_shared.store.queue.claims import Claim


class Sealed(Struct, frozen=True, kw_only=True):
    """What an attempt has made, as a commit: from where to where.

    Args:
        accident: Why it ended by an accident, whatever its agent said.
    """

    base_sha: str
    head_sha: str
    accident: str | None = None


class Beyond(Struct, frozen=True, kw_only=True):
    """What the sessions of an attempt did beyond the folder they work in.

    Args:
        checks: In the shape of check results.
        hold: Why the work must not land before the user has reviewed it.
        must_fix: For the prompt of the next attempt.
    """

    checks: Sequence[dict[str, Any]] = ()
    hold: str | None = None
    must_fix: tuple[str, ...] = ()


class Workplace:
    """A folder to work in. This one isolates nothing: without commits there is nothing to report."""

    own = False  # no other task's session works in it

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd

    def setup_due(self) -> Sequence[str]:
        """Commands that must run before the first agent does; `set_up` says that they have."""
        return ()

    def set_up(self) -> None:
        return

    def earlier_work(self) -> str | None:
        """What the attempts before have left here, for the retry's prompt."""
        return None

    def seal(self) -> Sealed | None:
        """Commit what is here; only when nothing of any session is left.

        Raises:
            LeaseLost: The task has another owner.
        """
        return None

    def checks(self) -> list[dict[str, Any]]:
        """What the commit itself shows, as check results."""
        return []

    def change(self) -> str | None:
        """What was changed, for the validator."""
        return None

    def change_id(self) -> str | None:
        """Equal for equal changes; None if nothing was changed, or it is unknown."""
        return None

    def beyond(self) -> Beyond:
        """What was done outside since the last call; only when nothing of any session is left and it is sealed."""
        return Beyond()

    def restore(self) -> list[str]:
        """Throw away what was written after the commit; the paths."""
        return []


class Workplaces(Protocol):
    """Gives each claim its place."""

    def open(self, claim: Claim, spec: TaskSpec) -> AbstractContextManager[Workplace]:
        """The place, for as long as the claim is worked on."""

    def tidy(self) -> bool:
        """Do one piece of what is due when there is nothing else to do; whether there was any."""


class ProjectRoot:
    """All attempts work in the same folder."""

    def __init__(self, root: Path) -> None:
        self._place = Workplace(root)

    def tidy(self) -> bool:
        return False

    def open(self, claim: Claim, spec: TaskSpec) -> AbstractContextManager[Workplace]:
        return nullcontext(self._place)
