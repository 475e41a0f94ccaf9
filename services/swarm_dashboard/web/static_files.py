"""The files of the page, under addresses that change with their contents: a browser loads each of them once.

The page refers to `/static/v-VERSION/…`, and its modules import each other by relative paths. Without this, every load
of a page requests all of its modules again, some seventy, also through a forwarded port.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Flask, Response, g

VERSIONED_ENDPOINT = "versioned_static"
CACHED = "private, max-age=31536000, immutable"
_FOLDER = Path(__file__).parents[1] / "static"
_PLAIN = b'"/static/'
_Stamp = tuple[int, int] | None


class StaticFiles:
    """The files in one folder, and the version of their contents; an upgrade may replace them while this runs."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self.folder = folder
        self._current = self._read()

    def version(self) -> str:
        """A hash of all names and contents; the files are read again when one has changed."""
        if self._current[0] != self._stamps():
            self._current = self._read()
        return self._current[1]

    def is_current(self, version: str, name: str) -> bool:
        """Whether this is the latest version, and the file still has the contents that it was computed from."""
        stamps, latest = self._current
        return version == latest and name in stamps and stamps[name] == _stamp(self.folder / name)

    def page(self) -> bytes:
        """The page, with the versioned addresses of its files."""
        text = (self.folder / "page.html").read_bytes()
        return text.replace(_PLAIN, b'"/static/v-%s/' % self.version().encode())

    def _read(self) -> tuple[dict[str, _Stamp], str]:
        stamps = self._stamps()  # before the contents: files that change meanwhile are read again
        hashed = hashlib.sha256()
        for name in stamps:
            contents = (self.folder / name).read_bytes()
            hashed.update(f"{name}\0{len(contents)}\0".encode())
            hashed.update(contents)
        return stamps, hashed.hexdigest()[:16]

    def _stamps(self) -> dict[str, _Stamp]:
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(self.folder)): _stamp(path) for path in found}


def install(app: Flask, files: StaticFiles) -> None:
    """Serve the files, with and without a version; browsers may cache only those of the current version."""
    app.static_folder = str(files.folder)
    app.add_url_rule("/static/<path:filename>", "static", app.send_static_file)

    def versioned(version: str, filename: str) -> Response:
        # A page that is still open may request an earlier version.
        g.may_be_cached = files.is_current(version, filename)
        return app.send_static_file(filename)

    app.add_url_rule("/static/v-<version>/<path:filename>", VERSIONED_ENDPOINT, versioned)


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None  # an upgrade is removing it just now
    return status.st_mtime_ns, status.st_size
