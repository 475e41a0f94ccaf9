"""Try the agent CLIs for real: python tests/agents/run.py [NAME…] [--latest] [--write docs/agents.md] [--install]"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    tests = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(tests), str(tests / "support")]
    from agents.program import main

    sys.exit(main())
