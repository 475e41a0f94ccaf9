"""Which folder prevents an ordinary user from using the Python of the tests."""

from __future__ import annotations

import tempfile
from pathlib import Path

from agents.opened import closed_above


def test_the_outermost_closed_folder_is_found() -> None:
    with tempfile.TemporaryDirectory() as made:
        top = Path(made)
        top.chmod(0o755)
        inner = top / "open" / "closed" / "open" / "closed"
        inner.mkdir(parents=True)
        assert closed_above(inner) is None
        inner.parent.chmod(0o700)
        inner.parents[1].chmod(0o700)
        assert closed_above(inner) == top / "open" / "closed"
        assert closed_above(top / "open" / "closed") is None
