"""The pinned agent CLIs: exact versions, and a lock file that fits any registry."""

from __future__ import annotations

import json
import re

from agents.clis import CLIS
from agents.install import HERE

PACKAGES = json.loads((HERE / "package.json").read_text())["dependencies"]
LOCK = json.loads((HERE / "package-lock.json").read_text())["packages"]


def test_every_cli_is_pinned_to_one_version() -> None:
    assert set(PACKAGES) == {cli.package for cli in CLIS}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in PACKAGES.values())


def test_the_lock_file_has_the_pinned_versions() -> None:
    assert {name: LOCK[f"node_modules/{name}"]["version"] for name in PACKAGES} == PACKAGES


def test_the_lock_file_names_no_registry() -> None:
    assert not [path for path, entry in LOCK.items() if "resolved" in entry]


def test_what_is_installed_on_linux_is_checked_by_its_hash() -> None:
    foreign = ("darwin", "win32", "windows", "arm64", "musl")
    unchecked = [path for path, entry in LOCK.items() if path and "integrity" not in entry]
    assert not [path for path in unchecked if not any(word in path for word in foreign)]
