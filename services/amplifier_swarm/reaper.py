"""`python -m amplifier_swarm.reaper`: the same as `swarm-reaper`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the reaper until it is stopped; its exit code."""
    from swarm_reaper.__main__ import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
