"""Work that a runner passes to the process of a session, whatever it contains."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from msgspec import Struct

from swarm_shared.runners.remote.work import VARIABLE, in_variables, take_work

MOST_BYTES = 128 * 1024  # the kernel's limit for one variable
_PRINT = f"import os; print(sum(len(v) for k, v in os.environb.items() if k.startswith(b'{VARIABLE}')))"


class Work(Struct):
    env: dict[str, str]


@pytest.mark.parametrize(
    "value",
    ["", "x" * 300_000, "ä" * 99_000, "x" + "ä" * 99_999, "日本" * 60_000, "🐝" * 50_000, "a\udcff\nb", '"\\\x7f'],
    ids=["empty", "long", "two bytes", "odd border", "three bytes", "four bytes", "no UTF-8", "escapes"],
)
def test_work_arrives_unchanged_and_fits_into_variables(value: str) -> None:
    work = Work(env={"A": value})
    variables = in_variables(work)
    assert all(len(f"{name}={text}".encode()) < MOST_BYTES for name, text in variables.items())
    environ = {**variables, "OTHER": "1"}
    assert take_work(environ, Work) == work
    assert environ == {"OTHER": "1"}


def test_the_kernel_accepts_large_work_in_any_script() -> None:
    variables = in_variables(Work(env={"A": "日" * 200_000}))
    ended = subprocess.run(
        [sys.executable, "-c", _PRINT], env={**os.environ, **variables}, capture_output=True, check=True
    )
    assert int(ended.stdout) == sum(map(len, variables.values()))
