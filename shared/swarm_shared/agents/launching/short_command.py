"""A short command of an agent CLI, such as its version or login check, with a time limit."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from swarm_shared.agents.reading.error_text import last_line
from swarm_shared.program.terminal_text import without_colours


class ShortAnswer(Struct, frozen=True, kw_only=True):
    """How a short command ended.

    Args:
        exit_code: None when it did not start or did not end in time.
        stdout, stderr: Without terminal codes.
        not_started: Why it could not be started, in the system's words.
    """

    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    not_started: str | None = None

    @property
    def timed_out(self) -> bool:
        return self.exit_code is None and self.not_started is None

    @property
    def complaint(self) -> str:
        """The last line that it printed, on standard error if there was any; empty without one."""
        return last_line(self.stderr.strip() or self.stdout.strip())


def run_short(binary: str, words: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout_s: float) -> ShortAnswer:
    """Run a command that neither reads input nor takes long."""
    try:
        ended = subprocess.run(
            [binary, *words],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ShortAnswer()
    except OSError as error:
        return ShortAnswer(not_started=error.strerror or str(error))
    stdout, stderr = (without_colours(text.decode("utf-8", "replace")) for text in (ended.stdout, ended.stderr))
    return ShortAnswer(exit_code=ended.returncode, stdout=stdout, stderr=stderr)
