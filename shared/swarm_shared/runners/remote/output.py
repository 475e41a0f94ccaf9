"""Passes on what a command writes to files on the shared disk."""

from __future__ import annotations

from typing import BinaryIO

from swarm_shared.runners.remote.folder import RunFolder

_PIECE_BYTES = 1 << 16


class Output:
    """Both streams of a run. Files are read by their offset: nothing is lost or repeated if a connection fails."""

    def __init__(self, folder: RunFolder, out: BinaryIO, err: BinaryIO) -> None:
        self._folder = folder
        self._streams = {"out": out, "err": err}
        self._read = dict.fromkeys(self._streams, 0)

    def pass_on(self) -> None:
        """Pass on what was written since the last call."""
        for name, stream in self._streams.items():
            with (self._folder.path / name).open("rb") as file:
                file.seek(self._read[name])
                while data := file.read(_PIECE_BYTES):
                    stream.write(data)
                    self._read[name] += len(data)
            stream.flush()

    def complain(self, text: str) -> None:
        """Add a line to standard error."""
        self._streams["err"].write(f"{text}\n".encode())
        self._streams["err"].flush()
