"""A swarm without a configured project must not work on the checkout of Amplifier Swarm in which it was started."""

from __future__ import annotations

from pathlib import Path

from swarm_shared.domain.errors import ConfigError
from swarm_shared.settings.settings import Settings

_NAME = 'name = "amplifier-swarm"'
_PART = Path("services", "swarm_worker", "__init__.py")


def not_pointed_at_a_project(settings: Settings) -> ConfigError | None:
    """The error if the project root is by default the checkout of Amplifier Swarm itself; otherwise None.

    A user who names the checkout as the project, for example to develop Amplifier Swarm with itself, means it.
    """
    if settings.origins.get("project_root", "default") != "default":
        return None
    checkout = next((each for each in (settings.project_root, *settings.project_root.parents) if _is_ours(each)), None)
    if checkout is None:
        return None
    return ConfigError(
        f"no project is named, and this folder, {checkout}, is Amplifier Swarm itself: agents would change it",
        hint=(
            f"name your project: --project-root with `start`, `make run PROJECT=/path/to/project`, or the line "
            f"`project_root: /path/to/project` in {settings.db.with_name('swarm.yaml')}"
        ),
    )


def _is_ours(folder: Path) -> bool:
    try:
        return (folder / _PART).is_file() and _NAME in (folder / "pyproject.toml").read_text(errors="replace")
    except OSError:
        return False
