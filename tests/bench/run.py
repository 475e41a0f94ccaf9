"""Measure the suite on this machine: python tests/bench/run.py [NAME…] [--quick] [--write docs/bench]"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    tests = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(tests), str(tests / "support")]
    from bench.program import main

    sys.exit(main())
