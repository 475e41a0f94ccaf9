"""`version`: versions of the suite and its engine."""

from __future__ import annotations

from amplifier_swarm.app import App, command, json_option
from amplifier_swarm.terminal import print_json, say


@command("version", example="version", with_db=False, short_help="Versions of the suite and its engine.")
@json_option
def version(app: App, as_json: bool) -> None:
    """Versions of the suite, of Python and of the database engine, for a report of a fault."""
    import platform
    from importlib import metadata

    from swarm_shared.store.engine.connection import engine_version

    versions = {
        "amplifier-swarm": metadata.version("amplifier-swarm"),
        "python": platform.python_version(),
        "sqlite": engine_version(),
        "supervisor": metadata.version("supervisor"),
        "system": platform.platform(),
    }
    if as_json:
        print_json(versions)
        return
    for name, value in versions.items():
        say(f"{name} {value}")
