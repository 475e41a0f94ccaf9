"""`version`: print the versions of Amplifier Swarm and its database engine."""

from __future__ import annotations

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.terminal import print_json, say


@command("version", example="version", with_db=False, short_help="Print the versions.")
@json_option
def version(app: App, as_json: bool) -> None:
    """Print the versions of Amplifier Swarm, Python and the database engine, for a bug report."""
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
