"""What real agent CLIs printed, with providers that failed in every way; see `tests/data/agents/README.md`."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from msgspec import Struct

from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.agents.reading.session_result import SessionEnd
from swarm_shared.domain.models import Role

FOLDER = Path(__file__).parent.parent / "data" / "agents"
# When they were recorded, more or less: some name a time of day.
RECORDED_MS = int(datetime(2026, 11, 28, 15, 52, 30, tzinfo=UTC).timestamp() * 1000)
_PRESETS = load_presets()


class Transcript(Struct, frozen=True, kw_only=True):
    """One session of one CLI: how it ended, and all that it printed."""

    name: str  # such as "claude-2.1.332/401"
    cli: AgentCli
    role: Role
    end: SessionEnd


@cache
def transcript(name: str) -> Transcript:
    first, _, rest = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").partition("\n--- stdout ---\n")
    stdout, _, stderr = rest.partition("--- stderr ---\n")
    code = int(first.removeprefix("exit code "))
    program, _, case = name.partition("/")
    return Transcript(
        name=name,
        cli=_PRESETS[program.rpartition("-")[0]],
        role=Role.VALIDATOR if case.startswith("validator") else Role.BUILDER,
        end=SessionEnd(
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            stdout=stdout,
            stderr=stderr,
        ),
    )


def all_names() -> list[str]:
    return sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("*/*.txt"))
