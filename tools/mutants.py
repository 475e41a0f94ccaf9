"""Take one guard at a time out of a copy of the suite, and check that its tests fail.

    python tools/mutants.py             all of tools/mutants.toml
    python tools/mutants.py token pid   those whose name contains one of these words

Ends with 1 if the tests of a guard do not notice. The checkout itself is not touched.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_suffix(".toml")
HANGS_AFTER_S = 300.0
# The exit codes of pytest that are a verdict.
PASSED, FAILED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A guard and its absence.

    Args:
        file: From the top of the checkout.
        find: Occurs exactly once in the file.
        tests: What pytest is asked to run.
    """

    name: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]

    def planted_in(self, text: str) -> str:
        """The file's text without the guard.

        Raises:
            ValueError: The guard does not stand there, or more than once.
        """
        if text.count(self.find) != 1:
            raise ValueError(f"{self.name}: occurs {text.count(self.find)} times in {self.file}, not once")
        return text.replace(self.find, self.replace)


def mutants() -> list[Mutant]:
    """All of the list, in its order."""
    raw = tomllib.loads(LIST.read_text(encoding="utf-8"))["mutant"]
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in raw]


class Copy:
    """The checkout's files in a separate folder, from which its programs and tests are run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        # Before what is installed, which is the checkout itself.
        path = os.pathsep.join(str(folder / part) for part in ("services", "shared"))
        self._env = {**os.environ, "PYTHONPATH": path, "SWARM_NO_SHRINK": "1"}
        found = self._run("-c", "import swarm_shared; print(swarm_shared.__file__)").stdout
        if str(folder) not in found:
            raise SystemExit(f"the copy is not what would be tested: {found}")

    def test(self, tests: tuple[str, ...]) -> tuple[int, str]:
        """The exit code and the output of pytest; a run that hangs counts as red."""
        try:
            done = self._run("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests)
        except subprocess.TimeoutExpired:
            return FAILED, "it hung"
        return done.returncode, done.stdout + done.stderr

    def try_without(self, mutant: Mutant) -> tuple[int, str]:
        """As `test`, while the guard is out."""
        file = self._folder / mutant.file
        text = file.read_text(encoding="utf-8")
        file.write_text(mutant.planted_in(text), encoding="utf-8")
        try:
            return self.test(mutant.tests)
        finally:
            file.write_text(text, encoding="utf-8")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Separate byte code for each run: that of a mutant may be as long and as new as that of the original.
        with tempfile.TemporaryDirectory(prefix="swarm-mutants-code-", ignore_cleanup_errors=True) as byte_code:
            return subprocess.run(
                [sys.executable, *arguments],
                cwd=self._folder,
                env={**self._env, "PYTHONPYCACHEPREFIX": byte_code},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=HANGS_AFTER_S,
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="only mutants whose name holds one of these")
    words = parser.parse_args().words
    chosen = [m for m in mutants() if not words or any(word in m.name for word in words)]
    if not chosen:
        print("no mutant has such a name", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="swarm-mutants-") as folder:
        copy = Copy(Path(folder))
        tests = tuple(dict.fromkeys(test for mutant in chosen for test in mutant.tests))
        print(f"first with every guard in its place: {len(tests)} tests …", flush=True)
        code, said = copy.test(tests)
        if code != PASSED:
            print(said[-4000:], "they must pass before anything is taken out", sep="\n", file=sys.stderr)
            return 1
        missed = 0
        for mutant in chosen:
            began = time.monotonic()
            code, said = copy.try_without(mutant)
            verdict = {PASSED: "SURVIVED", FAILED: "caught"}.get(code, f"BROKEN (pytest ended with {code})")
            missed += code != FAILED
            print(f"{verdict:9} {time.monotonic() - began:5.1f} s  {mutant.name}", flush=True)
            if code not in (PASSED, FAILED):
                print(said[-2000:], file=sys.stderr)
    print(f"{len(chosen) - missed} of {len(chosen)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
