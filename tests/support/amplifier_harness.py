"""A private harness with the stand-in `amplifier` on PATH and a home in the state in which the real CLI leaves it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import fake_amplifier_home

FAKE = Path(__file__).with_name("fake_amplifier.py")
SETTINGS = "config:\n  providers:\n    - module: provider-anthropic\n      config: {default_model: m}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AmplifierHarness:
    """Folders of one test: `bin` holds `amplifier`, `home` is HOME, `project` is where sessions work."""

    bin: Path
    home: Path
    project: Path

    def env(self, **more: str) -> dict[str, str]:
        """The environment of services: the stand-in first on PATH, nothing of the developer's own."""
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8", **more}


def make_harness(folder: Path, *, settings: str | None = SETTINGS, fetched: bool = True) -> AmplifierHarness:
    """A harness below the folder; `fetched` False leaves the bundle cache as cold as before the first run."""
    harness = AmplifierHarness(bin=folder / "bin", home=folder / "home", project=folder / "project")
    for each in (harness.bin, harness.home / ".amplifier", harness.project):
        each.mkdir(parents=True)
    (harness.bin / "amplifier").symlink_to(FAKE)
    if settings is not None:
        (harness.home / ".amplifier" / "settings.yaml").write_text(settings)
    if fetched:
        fake_amplifier_home.fetch(str(harness.home / ".amplifier"))
    return harness
