"""`python -m amplifier_swarm.worker`: the README's name of `swarm-worker`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run a worker until it has drained; its exit code."""
    from swarm_worker.__main__ import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
