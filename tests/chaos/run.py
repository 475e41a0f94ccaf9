"""Kill things and count what is lost: python tests/chaos/run.py [--kills 10000] [KIND…]"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    tests = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(tests), str(tests / "support")]
    from chaos.program import main

    sys.exit(main())
