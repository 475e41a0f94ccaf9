"""Follows the log files of all services for `--verbose`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

READ_BYTES = 256 * 1024


class LogTail:
    """Reports every line that is written to a log in the folder from now on."""

    def __init__(self, folder: Path, report: Callable[[str], None]) -> None:
        self._folder = folder
        self._report = report
        self._positions = {path: path.stat().st_size for path in folder.glob("*.log")}

    def read(self) -> None:
        """Report new lines; an incomplete line waits for the next call."""
        for path in sorted(self._folder.glob("*.log")):
            position = self._positions.get(path, 0)
            try:
                if path.stat().st_size < position:
                    position = 0  # rotated: a new file under the old name
                with path.open("rb") as file:
                    file.seek(position)
                    data = file.read(READ_BYTES)
            except OSError:
                continue  # rotated away just now
            whole = data.rpartition(b"\n")[0]
            if whole:
                position += len(whole) + 1
                for line in whole.decode(errors="replace").splitlines():
                    self._report(f"[{path.stem}] {line}")
            self._positions[path] = position
