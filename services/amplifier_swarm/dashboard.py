"""`python -m amplifier_swarm.dashboard`: the documented module name of `swarm-dashboard`."""

from __future__ import annotations

import sys


def main() -> int:
    """Serve the dashboard until it is stopped; its exit code."""
    from swarm_dashboard.__main__ import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
