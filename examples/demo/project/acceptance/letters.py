"""The customer's list of letters: how each must be spelled after folding."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tally.fold import fold

WANTED = {"É": "e", "ö": "o", "ñ": "n", "ß": "ss", "Æ": "ae", "ø": "o", "ł": "l"}

wrong = {letter: spelling for letter, spelling in WANTED.items() if fold(letter) != spelling}
for letter, spelling in wrong.items():
    print(f"wrong: {letter} should become {spelling}")
sys.exit(1 if wrong else 0)
